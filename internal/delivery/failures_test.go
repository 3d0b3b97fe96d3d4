package delivery

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
)

// TestEveryFailureIsTriedAgain has attempts fail in every way, with the event
// delivered in the next one, and with it given up. The cause says whose fault it
// was.
func TestEveryFailureIsTriedAgain(t *testing.T) {
	dial := func(err error) error {
		return caddyhttp.Error(http.StatusBadGateway, &net.OpError{Op: "dial", Net: "tcp", Err: err})
	}
	status := func(code int) func(http.ResponseWriter, *http.Request) error {
		return func(w http.ResponseWriter, _ *http.Request) error {
			w.WriteHeader(code)
			return nil
		}
	}
	for name, test := range map[string]struct {
		fails func(w http.ResponseWriter, r *http.Request) error
		cause string
	}{
		"no such host": {func(http.ResponseWriter, *http.Request) error {
			return dial(&net.DNSError{Err: "no such host", Name: "app", IsNotFound: true})
		}, "connect"},
		"the resolver fails": {func(http.ResponseWriter, *http.Request) error {
			return &net.DNSError{Err: "server misbehaving", Name: "app"}
		}, "connect"},
		"the resolver is slow": {func(http.ResponseWriter, *http.Request) error {
			return &net.DNSError{Err: "i/o timeout", Name: "app", IsTimeout: true}
		}, "connect"},
		"connection refused": {func(http.ResponseWriter, *http.Request) error { return dial(errors.New("connection refused")) }, "connect"},
		"connection reset": {func(http.ResponseWriter, *http.Request) error {
			return caddyhttp.Error(http.StatusBadGateway, io.ErrUnexpectedEOF)
		}, "http_502"},
		"context of its own": {func(http.ResponseWriter, *http.Request) error {
			return fmt.Errorf("dialing: %w", context.DeadlineExceeded)
		}, "timeout"},
		"an error":          {func(http.ResponseWriter, *http.Request) error { return errors.New("no template") }, "error"},
		"a panic":           {func(http.ResponseWriter, *http.Request) error { panic("nil map") }, "panic"},
		"an answer cut off": {func(http.ResponseWriter, *http.Request) error { panic(http.ErrAbortHandler) }, "aborted"},
		"401":               {status(http.StatusUnauthorized), "http_401"},
		"404":               {status(http.StatusNotFound), "http_404"},
		"410":               {status(http.StatusGone), "http_410"},
		"500":               {status(http.StatusInternalServerError), "http_500"},
		"a redirect":        {status(http.StatusFound), "http_302"},
		"answered on the way to no handler": {func(w http.ResponseWriter, r *http.Request) error {
			w.WriteHeader(http.StatusOK)
			return untaken(w, r)
		}, "unhandled"},
		"a switch of protocols": {status(http.StatusSwitchingProtocols), "no_answer"},
	} {
		t.Run(name, func(t *testing.T) {
			for attempts, want := range map[int]store.Result{1: store.Done, 1 << 30: store.Dead} { // that fail
				synctest.Test(t, func(t *testing.T) {
					calls := 0
					app := &testApp{answer: func(w http.ResponseWriter, r *http.Request, _ string) error {
						if calls++; calls <= attempts {
							return test.fails(w, r)
						}
						return nil
					}}
					g := newGateway(t, to(app, func(d *Destination) { d.GiveUp = caddy.Duration(time.Minute) }))
					g.run(func() {
						_ = g.accept(message([2]int{1, 0}))
						time.Sleep(2 * time.Minute)
					})
					settled := g.queue.settled
					if len(settled) < 2 || settled[0].Result != store.Again || settled[0].Attempt.Cause != test.cause {
						t.Fatalf("got %+v, want another attempt after one that failed with the cause %s", settled, test.cause)
					}
					last := settled[len(settled)-1]
					if last.Result != want || want == store.Dead && last.Attempt.Cause != test.cause || g.queue.left() != 0 {
						t.Errorf("got the result %v of cause %q in the end, and %d left, want %v", last.Result, last.Attempt.Cause, g.queue.left(), want)
					}
				})
			}
		})
	}
}
