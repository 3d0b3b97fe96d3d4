package observe

import (
	"strings"
	"testing"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/event"
)

func TestOwedEventsAreBounded(t *testing.T) {
	r := openState(t.Name())
	defer r.close()
	events, err := event.Parse([]byte(`{"object":"page","entry":{"id":"1","changed_fields":["a"` + strings.Repeat(`,"a"`, MostOwed+9) + `]}}`))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		r.owe(time.Now(), events)
		if got := len(r.owed); got != MostOwed {
			t.Errorf("got %d events that are owed, want %d", got, MostOwed)
		}
	}
	r.delivered(events)
	if len(r.owed) != 0 || r.owing.Load() {
		t.Errorf("got %d events that are owed, want none", len(r.owed))
	}
}
