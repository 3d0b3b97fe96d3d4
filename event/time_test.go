package event_test

import (
	"fmt"
	"testing"
	"time"
)

func TestTimeNotations(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, time, want string }{
		{"seconds", `1600000000`, "2020-09-13T12:26:40Z"},
		{"seconds in a string", `"1600000000"`, "2020-09-13T12:26:40Z"},
		{"milliseconds", `1600000000123`, "2020-09-13T12:26:40.123Z"},
		{"milliseconds in a string", `"1600000000123"`, "2020-09-13T12:26:40.123Z"},
		{"whole seconds in milliseconds", `1600000000000`, "2020-09-13T12:26:40Z"},
		{"an exponent", `1.6e9`, "2020-09-13T12:26:40Z"},
		{"an exponent, in milliseconds", `1.6e12`, "2020-09-13T12:26:40Z"},
		{"a fraction", `1600000000.5`, "2020-09-13T12:26:40.5Z"},
		{"ISO 8601 with Z", `"2020-09-13T12:26:40Z"`, "2020-09-13T12:26:40Z"},
		{"ISO 8601 with +0000", `"2020-09-13T12:26:40+0000"`, "2020-09-13T12:26:40Z"},
		{"ISO 8601 with +00:00", `"2020-09-13T12:26:40+00:00"`, "2020-09-13T12:26:40Z"},
		{"ISO 8601 elsewhere", `"2020-09-13T14:26:40+0200"`, "2020-09-13T12:26:40Z"},
		{"ISO 8601 elsewhere, with a colon", `"2020-09-13T07:56:40-04:30"`, "2020-09-13T12:26:40Z"},
		{"ISO 8601 with a fraction", `"2020-09-13T12:26:40.120Z"`, "2020-09-13T12:26:40.12Z"},
		{"in other words", `"\u0031600000000"`, "2020-09-13T12:26:40Z"},
		{"the first second", `0`, "1970-01-01T00:00:00Z"},
		{"the last number in seconds", `99999999999`, "5138-11-16T09:46:39Z"},
		{"the first number in milliseconds", `100000000000`, "1973-03-03T09:46:40Z"},
		{"the last millisecond", `253402300799999`, "9999-12-31T23:59:59.999Z"},
		{"one millisecond later", `253402300800000`, ""},
		{"microseconds", `1600000000123456`, ""},
		{"nanoseconds", `1600000000123456789`, ""},
		{"more digits than a number has", `16000000001234567891600000000123456789`, ""},
		{"more than a number can be", `1e400`, ""},
		{"before the first second", `-1`, ""},
		{"ISO 8601 before the first second", `"1969-12-31T23:59:59Z"`, ""},
		{"ISO 8601 that leaves the last year", `"9999-12-31T23:59:59-01:00"`, ""},
		{"empty", `""`, ""},
		{"null", `null`, ""},
		{"true", `true`, ""},
		{"an object", `{"a":1}`, ""},
		{"a list", `[1600000000]`, ""},
		{"nonsense", `"yesterday"`, ""},
		{"a date", `"2020-09-13"`, ""},
		{"no zone", `"2020-09-13T12:26:40"`, ""},
		{"no such day", `"2020-02-30T12:26:40Z"`, ""},
		{"not a number", `"NaN"`, ""},
		{"infinity", `"Infinity"`, ""},
		{"half a surrogate pair", `"\ud800"`, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, body := range []string{
				`{"object":"page","entry":[{"time":` + tt.time + `,"changes":[{"field":"a","value":{}}]}]}`,
				`{"object":"page","entry":[{"changes":[{"field":"a","value":{"timestamp":` + tt.time + `}}]}]}`,
				`{"object":"page","entry":[{"messaging":[{"timestamp":` + tt.time + `}]}]}`,
				`{"target_id":"1","values":{"field":"a","value":{}},"time":` + tt.time + `}`,
				`{"object":"whatsapp_business_account","entry":[{"changes":[{"field":"a","value":{"statuses":[{"timestamp":` + tt.time + `}]}}]}]}`,
			} {
				ev := parseOne(t, body)
				if got := summarize(ev).time; got != tt.want {
					t.Errorf("Parse(%s): time: got %q, want %q", body, got, tt.want)
				}
				if ev.Time().Location() != time.UTC {
					t.Errorf("Parse(%s): time is in %s, want UTC", body, ev.Time().Location())
				}
			}
		})
	}
}

// A numeric string is decimal. Go's other notations are nonsense here.
func TestNumbersInGoNotationAreNoTime(t *testing.T) {
	t.Parallel()
	for _, text := range []string{`"0x5f5e1000p0"`, `"0X1P30"`, `"0x1_0p4"`} {
		body := `{"object":"page","entry":[{"time":` + text + `,"changed_fields":["a"]}]}`
		if got := summarize(parseOne(t, body)).time; got != "" {
			t.Errorf("time %s: got %s, want none", text, got)
		}
	}
}

func TestTheItemsOwnTimeComesFirst(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, own, want string }{
		{"the item's own", `1600000001`, "2020-09-13T12:26:41Z"},
		{"the entry's where it is nonsense", `"soon"`, "2020-09-13T12:26:40Z"},
		{"the entry's where it is null", `null`, "2020-09-13T12:26:40Z"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ev := parseOne(t, `{"object":"page","entry":[{"messaging":[{"timestamp":`+tt.own+`}],"time":1600000000}]}`)
			if got := summarize(ev).time; got != tt.want {
				t.Errorf("time: got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestMillisecondsAfterAPointAreKept(t *testing.T) {
	t.Parallel()
	for ms := int64(1_600_000_000_000); ms < 1_600_000_001_000; ms++ {
		text := fmt.Sprintf("%d.%03d", ms/1000, ms%1000)
		want := time.UnixMilli(ms).UTC()
		if got := parseOne(t, `{"object":"page","entry":[{"time":`+text+`,"changed_fields":["a"]}]}`).Time(); !got.Equal(want) {
			t.Fatalf("time %s: got %s, want %s", text, got, want)
		}
	}
}
