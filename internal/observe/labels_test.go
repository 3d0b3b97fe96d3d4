package observe

import (
	"testing"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/event"
)

// TestEveryDocumentedFieldHasALabel has a notification of every field that Meta
// documents.
func TestEveryDocumentedFieldHasALabel(t *testing.T) {
	for object, fields := range event.Documented() {
		for _, field := range fields {
			events, err := event.Parse([]byte(`{"object":"` + object + `","entry":[{"id":"1","time":1,"changes":[{"field":"` + field + `","value":{"x":1}}]}]}`))
			if err != nil || len(events) != 1 {
				t.Fatalf("%s of %s: got %d events and error %v, want one", field, object, len(events), err)
			}
			if got := label(knownObjects, events[0].Object()); got != object {
				t.Errorf("%s of %s: got the label %q for the object", field, object, got)
			}
			if kind := events[0].Kind(); label(knownKinds, kind) != kind {
				t.Errorf("%s of %s: got the label %q for the kind %s", field, object, label(knownKinds, kind), kind)
			}
		}
	}
	for _, word := range []string{"", "nonsense", "Page"} {
		if got := label(knownObjects, word); got != otherLabel {
			t.Errorf("%q: got the label %q, want %q", word, got, otherLabel)
		}
	}
}
