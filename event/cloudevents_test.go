package event_test

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/event"
)

// attributes decodes a CloudEvent and keeps the values as they are written.
func attributes(t testing.TB, doc []byte) map[string]string {
	t.Helper()
	var members map[string]json.RawMessage
	if err := json.Unmarshal(doc, &members); err != nil {
		t.Fatalf("decoding %s: %v", doc, err)
	}
	all := make(map[string]string)
	for name, value := range members {
		all[name] = string(value)
	}
	return all
}

func TestCloudEventsAttributes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, body string
		want       map[string]string // without id and specversion
	}{
		{
			"everything",
			`{"object":"instagram","entry":[{"id":"12","uid":"34","time":1600000000,"changes":[{"field":"comments","value":{ "id":"56" }}]}]}`,
			map[string]string{
				"partitionkey": `"instagram:12"`,
				"source":       `"https://graph.facebook.com/12"`, "type": `"com.facebook.instagram.comments"`,
				"subject": `"56"`, "time": `"2020-09-13T12:26:40Z"`, "datacontenttype": `"application/json"`,
				"metaobject": `"instagram"`, "metaentry": `"12"`, "metauid": `"34"`, "metafield": `"comments"`,
				"data": `{ "id":"56" }`,
			},
		},
		{
			"nothing",
			`{"entry":[{"changes":[{}]}]}`,
			map[string]string{"partitionkey": `"unknown:"`, "source": `"https://graph.facebook.com/unknown"`, "type": `"com.facebook.unknown.unrecognized"`},
		},
		{
			"no data",
			`{"object":"user","entry":[{"uid":"34","changed_fields":["photos"]}]}`,
			map[string]string{
				"partitionkey": `"user:34"`,
				"source":       `"https://graph.facebook.com/34"`, "type": `"com.facebook.user.photos"`,
				"metaobject": `"user"`, "metauid": `"34"`, "metafield": `"photos"`,
			},
		},
		{
			"data null",
			`{"object":"user","entry":[{"changes":[{"field":"photos","value":null}]}]}`,
			map[string]string{
				"partitionkey": `"user:"`,
				"source":       `"https://graph.facebook.com/user"`, "type": `"com.facebook.user.photos"`,
				"datacontenttype": `"application/json"`, "metaobject": `"user"`, "metafield": `"photos"`, "data": `null`,
			},
		},
		{
			"numbers become strings",
			`{"object":"page","entry":[{"id":10211885744794461,"uid":-0,"changes":[{"field":"leadgen","value":{"leadgen_id":1e400}}]}]}`,
			map[string]string{
				"partitionkey": `"page:10211885744794461"`,
				"source":       `"https://graph.facebook.com/10211885744794461"`, "type": `"com.facebook.page.leadgen"`,
				"subject": `"1e400"`, "datacontenttype": `"application/json"`,
				"metaobject": `"page"`, "metaentry": `"10211885744794461"`, "metauid": `"-0"`, "metafield": `"leadgen"`,
				"data": `{"leadgen_id":1e400}`,
			},
		},
		{
			"what is empty, null or no text is absent",
			`{"object":"","entry":[{"id":"","uid":null,"time":{},"changes":[{"field":{},"value":{"id":true}}]}]}`,
			map[string]string{
				"partitionkey": `"unknown:"`,
				"source":       `"https://graph.facebook.com/unknown"`, "type": `"com.facebook.unknown.unrecognized"`,
				"datacontenttype": `"application/json"`, "data": `{"id":true}`,
			},
		},
		{
			"strings keep their escapes",
			`{"object":"page","entry":[{"id":"a\u00e4\/","changes":[{"field":"f\"","value":{"id":"\ud83d\ude00\n"}}]}]}`,
			map[string]string{
				"partitionkey": `"page:a%C3%A4%2F"`,
				"source":       `"https://graph.facebook.com/a%C3%A4%2F"`, "type": `"com.facebook.page.f_"`,
				"subject": `"\ud83d\ude00\n"`, "datacontenttype": `"application/json"`,
				"metaobject": `"page"`, "metaentry": `"a\u00e4\/"`, "metafield": `"f\""`, "data": `{"id":"\ud83d\ude00\n"}`,
			},
		},
		{
			"Threads",
			`{"target_id":"7","time":"2020-09-13T12:26:40+0000","values":{"field":"replies","value":{"id":"r"}}}`,
			map[string]string{
				"partitionkey": `"threads:7"`,
				"source":       `"https://graph.facebook.com/7"`, "type": `"com.facebook.threads.replies"`,
				"subject": `"r"`, "time": `"2020-09-13T12:26:40Z"`, "datacontenttype": `"application/json"`,
				"metaobject": `"threads"`, "metaentry": `"7"`, "metafield": `"replies"`, "data": `{"id":"r"}`,
			},
		},
		{
			"WhatsApp",
			`{"object":"whatsapp_business_account","entry":[{"id":"9","changes":[{"field":"messages","value":{"a":1,"statuses":[{"id":"s","timestamp":"1600000000"}]}}]}]}`,
			map[string]string{
				"partitionkey": `"whatsapp_business_account:9"`,
				"source":       `"https://graph.facebook.com/9"`, "type": `"com.facebook.whatsapp_business_account.statuses"`,
				"subject": `"s"`, "time": `"2020-09-13T12:26:40Z"`, "datacontenttype": `"application/json"`,
				"metaobject": `"whatsapp_business_account"`, "metaentry": `"9"`, "metafield": `"messages"`,
				"data": `{"a":1,"statuses":[{"id":"s","timestamp":"1600000000"}]}`,
			},
		},
		{
			"not recognized",
			`[7]`,
			map[string]string{
				"partitionkey": `"unknown:"`,
				"source":       `"https://graph.facebook.com/unknown"`, "type": `"com.facebook.unknown.unrecognized"`,
				"datacontenttype": `"application/json"`, "data": `7`,
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ev := parseOne(t, tt.body)
			doc := ev.AppendJSON(nil)
			want := maps.Clone(tt.want)
			want["specversion"] = `"1.0"`
			want["id"] = `"` + ev.ID().String() + `"`
			if got := attributes(t, doc); !maps.Equal(got, want) {
				t.Errorf("got %v\nwant %v", got, want)
			}
			if marshaled, err := ev.MarshalJSON(); err != nil || string(marshaled) != string(doc) {
				t.Errorf("MarshalJSON: got %s, %v, want %s", marshaled, err, doc)
			}
			if got := string(ev.AppendJSON([]byte("before"))); got != "before"+string(doc) {
				t.Errorf("AppendJSON to something: got %s, want before%s", got, doc)
			}
			if got := string(ev.AppendData([]byte("before"))); got != "before"+tt.want["data"] {
				t.Errorf("AppendData to something: got %s, want before%s", got, tt.want["data"])
			}
			if got := `"` + ev.Source() + `"`; got != want["source"] {
				t.Errorf("Source: got %s, want %s", got, want["source"])
			}
			if got := `"` + ev.Type() + `"`; got != want["type"] {
				t.Errorf("Type: got %s, want %s", got, want["type"])
			}
		})
	}
}

func TestSourceIsThePathEscapedEntry(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, members, want string }{
		{"id", `"id":"12_3-x"`, "12_3-x"},
		{"id before uid", `"uid":"5","id":"12"`, "12"},
		{"uid", `"uid":"5"`, "5"},
		{"uid as a number", `"uid":5`, "5"},
		{"uid where the id is empty", `"id":"","uid":"5"`, "5"},
		{"uid where the id is null", `"id":null,"uid":"5"`, "5"},
		{"id 0", `"id":"0","uid":"5"`, "0"},
		{"the object", `"time":1`, "page"},
		{"slashes and spaces", `"id":"a/b c"`, "a%2Fb%20c"},
		{"query, fragment, percent", `"id":"a?b#c%"`, "a%3Fb%23c%25"},
		{"quotes and backslashes", `"id":"\"\\<>"`, "%22%5C%3C%3E"},
		{"control characters", `"id":"\u0000\n"`, "%00%0A"},
		{"upper case stays", `"id":"aBC"`, "aBC"},
		{"what is not ASCII", `"id":"ä"`, "%C3%A4"},
		{"what is not ASCII, escaped", `"id":"\u00e4"`, "%C3%A4"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ev := parseOne(t, `{"object":"page","entry":[{`+tt.members+`,"changed_fields":["a"]}]}`)
			if got, want := ev.Source(), "https://graph.facebook.com/"+tt.want; got != want {
				t.Errorf("source: got %s, want %s", got, want)
			}
		})
	}
}

func TestTypeHoldsPlainCharactersOnly(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, object, field, want string }{
		{"plain", `"page"`, `"a-z_09"`, "page.a-z_09"},
		{"upper case", `"Page"`, `"Feed"`, "page.feed"},
		{"dots and slashes", `"a.b"`, `"c/d e"`, "a_b.c_d_e"},
		{"not ASCII", `"Ä"`, `"tëst"`, "_.t_st"},
		{"not ASCII, escaped", `"\u00c4"`, `"\ud83d\ude00x"`, "_._x"},
		{"the Kelvin sign is no k", `"\u212a"`, `"K"`, "_.k"},
		{"control characters and quotes", `"\u0000"`, `"\"\\"`, "_.__"},
		{"empty object", `""`, `"a"`, "unknown.a"},
		{"empty field", `"page"`, `""`, "page.unrecognized"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ev := parseOne(t, `{"object":`+tt.object+`,"entry":[{"id":"1","changes":[{"field":`+tt.field+`}]}]}`)
			if got, want := ev.Type(), "com.facebook."+tt.want; got != want {
				t.Errorf("type: got %s, want %s", got, want)
			}
		})
	}
}

func TestAppendJSONArrayIsABatchOfCloudEvents(t *testing.T) {
	t.Parallel()
	if got := string(event.AppendJSONArray([]byte("before"), nil)); got != "before[]" {
		t.Errorf("no events: got %s, want before[]", got)
	}
	events := parse(t, `{"object":"page","entry":[{"id":"1","changed_fields":["a","b"],"changes":[{"field":"c","value":[1, 2]}]}]}`)
	for n := 1; n <= len(events); n++ {
		var want []string
		for i := range events[:n] {
			want = append(want, string(events[i].AppendJSON(nil)))
		}
		got := event.AppendJSONArray(nil, events[:n])
		if string(got) != "["+strings.Join(want, ",")+"]" {
			t.Errorf("%d events: got %s, want [%s]", n, got, strings.Join(want, ","))
		}
		if !json.Valid(got) {
			t.Errorf("%d events: got %s, want valid JSON", n, got)
		}
	}
}

func TestEncodingJSONWritesTheSame(t *testing.T) {
	t.Parallel()
	events := parse(t, `{"object":"page","entry":[{"id":"1","changes":[{"field":"c","value":[1,"x"]}],"changed_fields":["a"]}]}`)
	got, err := json.Marshal(events)
	if err != nil {
		t.Fatal(err)
	}
	if want := event.AppendJSONArray(nil, events); string(got) != string(want) {
		t.Errorf("json.Marshal: got %s, want %s", got, want)
	}
}

func TestMediaTypes(t *testing.T) {
	t.Parallel()
	if got, want := event.MediaType, "application/cloudevents+json"; got != want {
		t.Errorf("MediaType: got %s, want %s", got, want)
	}
	if got, want := event.BatchMediaType, "application/cloudevents-batch+json"; got != want {
		t.Errorf("BatchMediaType: got %s, want %s", got, want)
	}
}
