package inspector

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func TestDeliveriesAreTakenInPlaceOfTheApp(t *testing.T) {
	h, next := provisioned(t), new(app)
	if _, status := serve(h, newDelivery(testEvent), next); status != http.StatusOK {
		t.Errorf("got %d, want 200", status)
	}
	if len(next.bodies) != 0 {
		t.Errorf("got %q handed on, want nothing without pass", next.bodies)
	}
	records := kept(h)
	if len(records) != 1 || string(records[0].event) != testEvent {
		t.Errorf("got %d records, want the event", len(records))
	}
}

func TestPassHandsOnAndRecordsTheAnswer(t *testing.T) {
	refused := caddyhttp.Error(http.StatusBadGateway, errors.New("connection refused"))
	for name, tc := range map[string]struct {
		app  app
		want string
		code int
	}{
		"200":                 {app{status: 200}, `"answer":200`, 200},
		"nothing written":     {app{}, `"answer":200`, 200},
		"500":                 {app{status: 500}, `"answer":500`, 500},
		"an error":            {app{err: errors.New("no luck")}, `"failure":"no luck"`, 200},
		"an error of its own": {app{err: refused}, `"answer":502`, 502},
		"and its text":        {app{err: refused}, `"failure":"connection refused"`, 502},
	} {
		t.Run(name, func(t *testing.T) {
			h := provisioned(t, passing)
			if _, status := serve(h, newDelivery(testEvent), &tc.app); status != tc.code {
				t.Errorf("got %d, want %d", status, tc.code)
			}
			if len(tc.app.bodies) != 1 || tc.app.bodies[0] != testEvent {
				t.Errorf("got %q handed on, want the event", tc.app.bodies)
			}
			records := kept(h)
			if len(records) != 1 || !bytes.Contains(records[0].head, []byte(tc.want)) {
				t.Errorf("got %d records, the first %s, want one with %s", len(records), records[0].head, tc.want)
			}
		})
	}
}

func TestPassRecordsWhatPanics(t *testing.T) {
	h := provisioned(t, passing)
	func() {
		defer func() { _ = recover() }()
		_ = h.ServeHTTP(httptest.NewRecorder(), newDelivery(testEvent), &app{panics: true})
		t.Error("got an answer, want the panic of the handler")
	}()
	if records := kept(h); len(records) != 1 || !bytes.Contains(records[0].head, []byte(`"failure":"the handler aborted`)) {
		t.Errorf("got %d records, want one that says so", len(records))
	}
}

// TestBodyThatAnotherHandlerHasReplaced has no copies of its own.
func TestBodyThatAnotherHandlerHasReplaced(t *testing.T) {
	r := newDelivery(testEvent)
	r.GetBody = nil
	h, next := provisioned(t, passing), new(app)
	if _, status := serve(h, r, next); status != http.StatusOK {
		t.Errorf("got %d, want 200", status)
	}
	if records := kept(h); len(records) != 1 || string(records[0].event) != testEvent || len(next.bodies) != 1 || next.bodies[0] != testEvent {
		t.Errorf("got %d records and %q handed on, want the event in both", len(records), next.bodies)
	}
}
