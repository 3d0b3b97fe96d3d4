package observe

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/event"
)

func openedState(t *testing.T) *State {
	t.Helper()
	s := openState(t.Name())
	t.Cleanup(func() { _ = s.close() })
	return s
}

// from returns a request of an address, with a token in its query.
func from(client string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/webhooks?hub.verify_token=hidden", nil)
	return r.WithContext(context.WithValue(r.Context(), caddyhttp.VarsCtxKey, map[string]any{caddyhttp.ClientIPVarKey: client}))
}

func TestRefusalsOfOneSortAreOne(t *testing.T) {
	s := openedState(t)
	before := Changes(t.Name())
	for range 3 {
		s.refuse(from("192.0.2.1"), "signature_mismatch", 401)
	}
	s.refuse(from("192.0.2.2"), "signature_mismatch", 401)
	s.refuse(from("192.0.2.1"), "body_too_large", 413)
	s.refuse(from("192.0.2.1"), "signature_mismatch", 401)
	refusals, repeats := Dropped(t.Name())
	if len(refusals) != 3 || len(repeats) != 0 {
		t.Fatalf("got %+v and %+v, want three refusals", refusals, repeats)
	}
	first := refusals[0]
	if first.Reason != "signature_mismatch" || first.Status != 401 || first.Client != "192.0.2.1" || first.Times != 4 || first.Last.Before(first.First) {
		t.Errorf("got %+v first, want the one that came last, four times", first)
	}
	if strings.Contains(fmt.Sprint(refusals), "hidden") {
		t.Errorf("got %+v, want no token", refusals)
	}
	if got := Changes(t.Name()); got == before {
		t.Error("got no change told, want one")
	}
}

func TestWhatIsDroppedIsBounded(t *testing.T) {
	s := openedState(t)
	for i := range 10 * mostDropped {
		s.refuse(from(fmt.Sprint(i)), strings.Repeat("r", 10), 403)
	}
	body := `{"object":"page","entry":[{"id":"1","time":1,"changes":[`
	for i := range 3 * mostDropped {
		body += fmt.Sprintf(`{"field":"feed","value":{"post_id":"%d_%s"}},`, i, strings.Repeat("long", 1000))
	}
	events, err := event.Parse([]byte(strings.TrimSuffix(body, ",") + `]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	s.repeat(events)
	s.repeat(events[len(events)-1:])
	refusals, repeats := Dropped(t.Name())
	if len(refusals) != mostDropped || refusals[0].Client != fmt.Sprint(10*mostDropped-1) {
		t.Errorf("got %d refusals, the last of %s; want the latest %d", len(refusals), refusals[0].Client, mostDropped)
	}
	if len(repeats) != mostDropped || repeats[0].Times != 2 || repeats[0].ID != events[len(events)-1].ID().String() {
		t.Errorf("got %d repeats, the last %+v; want the latest %d", len(repeats), repeats[0], mostDropped)
	}
	for _, r := range repeats {
		if len(r.Subject) > longestText+len("…") {
			t.Fatalf("got a subject of %d bytes, want it cut", len(r.Subject))
		}
	}
}

func TestNothingIsDroppedUnderANameThatIsNotThere(t *testing.T) {
	if refusals, repeats := Dropped("nobody"); refusals != nil || repeats != nil || Changes("nobody") != 0 {
		t.Errorf("got %v and %v, want nothing", refusals, repeats)
	}
}
