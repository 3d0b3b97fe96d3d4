package inspector

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func TestDeliveriesAreTakenInPlaceOfTheApp(t *testing.T) {
	h, next := provisioned(t), new(app)
	if _, status := serve(h, newDelivery(testEvent), next); status != http.StatusOK {
		t.Errorf("got %d, want 200", status)
	}
	if len(next.bodies) != 0 {
		t.Errorf("got %q passed on, want nothing without pass", next.bodies)
	}
	records := kept(h)
	if len(records) != 1 || string(records[0].event) != testEvent {
		t.Errorf("got %d records, want the event", len(records))
	}
}

func TestPassHandsOnAndRecordsTheAnswer(t *testing.T) {
	refused := caddyhttp.Error(http.StatusBadGateway, errors.New("connection refused"))
	for name, tc := range map[string]struct {
		app    app
		answer int
		state  string
		error  string
		code   int
	}{
		"200":                 {app{status: 200}, 200, stateDone, "", 200},
		"nothing written":     {app{}, 200, stateDone, "", 200},
		"500":                 {app{status: 500, says: "oops"}, 500, stateFailed, "", 500},
		"an error":            {app{err: errors.New("no luck")}, 0, stateFailed, "no luck", 200},
		"an error of its own": {app{err: refused}, 502, stateFailed, "connection refused", 502},
	} {
		t.Run(name, func(t *testing.T) {
			h := provisioned(t, passing)
			if _, status := serve(h, newDelivery(testEvent), &tc.app); status != tc.code {
				t.Errorf("got %d, want %d", status, tc.code)
			}
			if len(tc.app.bodies) != 1 || tc.app.bodies[0] != testEvent {
				t.Errorf("got %q passed on, want the event", tc.app.bodies)
			}
			records := kept(h)
			if len(records) != 1 {
				t.Fatalf("got %d records, want one", len(records))
			}
			got := records[0]
			if got.row.Status != tc.answer || got.row.State != tc.state || got.row.Error != tc.error || string(got.start) != tc.app.says {
				t.Errorf("got %+v with the answer %q, want %d, %s, %q and %q", got.row, got.start, tc.answer, tc.state, tc.error, tc.app.says)
			}
		})
	}
}

func TestOnlyTheStartOfAnAnswerIsKept(t *testing.T) {
	h := provisioned(t, passing)
	serve(h, newDelivery(testEvent), &app{says: strings.Repeat("x", 3*keptAnswer)})
	if got := len(kept(h)[0].start); got != keptAnswer {
		t.Errorf("got %d bytes of the answer, want %d", got, keptAnswer)
	}
	serve(h, newDelivery(testEvent), &app{err: errors.New("malformed: " + strings.Repeat("x", 3*keptAnswer))})
	if got := len(kept(h)[0].row.Error); got != keptAnswer {
		t.Errorf("got %d bytes of an error in which the answer is, want %d", got, keptAnswer)
	}
}

func TestPassRecordsWhatPanics(t *testing.T) {
	h := provisioned(t, passing)
	func() {
		defer func() { _ = recover() }()
		_ = h.ServeHTTP(httptest.NewRecorder(), newDelivery(testEvent), &app{panics: true})
		t.Error("got an answer, want the panic of the handler")
	}()
	if records := kept(h); len(records) != 1 || !strings.HasPrefix(records[0].row.Error, "the handler aborted") || records[0].row.State != stateFailed {
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
		t.Errorf("got %d records and %q passed on, want the event in both", len(records), next.bodies)
	}
}
