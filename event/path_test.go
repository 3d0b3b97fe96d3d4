package event_test

import (
	"testing"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/event"
)

func TestDataAt(t *testing.T) {
	t.Parallel()
	change := `{"object":"page","entry":[{"id":"1","changes":[{"field":"feed","value":{"a":"x\u00e4\/","n":-1.50e2,"t":true,"z":null,` +
		`"o":{"b":[1 ,{"c":"d"}]},"":{"":"e"},"l":[[],["f"]],"\u0067":1,"s":"\ud800"}}]}]}`
	split := `{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"field":"messages","value":` +
		`{"metadata":{"phone_number_id":"5"},"contacts":[{"wa_id":"7"}],"messages":[{"id":"w","type":"text"},{"id":"v","type":"image"}],"statuses":[{"id":"s"}]}}]}]}`
	one := parseOne(t, change)
	several := parse(t, split)
	tests := []struct {
		name string
		ev   *event.Event
		path string
		want string
		ok   bool
	}{
		{"a string", one, "a", "xä/", true},
		{"a number as it is written", one, "n", "-1.50e2", true},
		{"true", one, "t", "true", true},
		{"null", one, "z", "null", true},
		{"an object", one, "o", `{"b":[1 ,{"c":"d"}]}`, true},
		{"a list", one, "o.b", `[1 ,{"c":"d"}]`, true},
		{"an element", one, "o.b.0", "1", true},
		{"a member of an element", one, "o.b.1.c", "d", true},
		{"an element of an element", one, "l.1.0", "f", true},
		{"a name in other words", one, "g", "1", true},
		{"half a surrogate pair", one, "s", `\ud800`, true},
		{"an empty name in an empty name", one, ".", "e", true},
		{"no such member", one, "b", "", false},
		{"no such element", one, "o.b.2", "", false},
		{"an element before the first", one, "o.b.-1", "", false},
		{"a number that is written otherwise", one, "o.b.01", "", false},
		{"a name in a list", one, "o.b.c", "", false},
		{"a member of a string", one, "a.b", "", false},
		{"a member of null", one, "z.b", "", false},
		{"a number in an object", one, "o.0", "", false},
		{"nothing behind the dot", one, "o.", "", false},
		{"the value around the first element", &several[0], "metadata.phone_number_id", "5", true},
		{"the first element", &several[0], "messages.0.type", "text", true},
		{"the second one stands alone", &several[1], "messages.0.type", "image", true},
		{"there is no other", &several[1], "messages.1.type", "", false},
		{"a list of other updates", &several[0], "statuses.0.id", "", false},
		{"its own list", &several[2], "statuses.0.id", "s", true},
		{"no data", parseOne(t, `{"object":"user","entry":[{"id":"1","changed_fields":["a"]}]}`), "a", "", false},
		{"no data, no path", parseOne(t, `{"object":"user","entry":[{"id":"1","changed_fields":["a"]}]}`), "", "", false},
		{"data that are a string", parseOne(t, changeAt(1, "page", "name", `"N\u0065w"`)), "", "New", true},
		{"data that are a list", parseOne(t, changeAt(1, "page", "name", `[1,"b"]`)), "1", "b", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got, ok := tt.ev.DataAt(tt.path); got != tt.want || ok != tt.ok {
				t.Errorf("DataAt(%q): got %q, %t, want %q, %t", tt.path, got, ok, tt.want, tt.ok)
			}
		})
	}
}

// Every member that the data holds is found by its path, as it is.
func TestDataAtFindsEverything(t *testing.T) {
	t.Parallel()
	for _, row := range allFieldRows() {
		ev := parseOne(t, row.notification(1, false, row.update))
		if !ev.HasData() {
			continue
		}
		data, err := readDocument(ev.AppendData(nil))
		if err != nil {
			t.Fatal(err)
		}
		data.eachPath("", func(path string, value *tree) {
			want := value.compact()
			if value.isString() {
				want = value.text()
			}
			if got, ok := ev.DataAt(path); !ok || got != want {
				t.Errorf("DataAt(%q) of %s: got %q, %t, want %q", path, data.compact(), got, ok, want)
			}
		})
	}
}
