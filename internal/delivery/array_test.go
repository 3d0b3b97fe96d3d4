package delivery

import (
	"io"
	"net/http"
	"strconv"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/event"
)

// TestLargeBatchesAreWholeInEveryAttempt has an app that gets a batch read a
// part of it, and then all of it twice.
func TestLargeBatchesAreWholeInEveryAttempt(t *testing.T) {
	for _, n := range []int{1, 50, 200, 1000} {
		for _, signed := range []bool{false, true} {
			body, events := updates(t, n)
			want := string(event.AppendJSONArray(nil, events))
			m := newMessage(events[0].ID(), events)
			m.setArray(events, len(body), signed)
			if got, held := m.Body != nil, signed || len(body) < largeArray; got != held {
				t.Errorf("%d events of %d bytes, signed %t: held as a whole: got %t, want %t", n, len(body), signed, got, held)
			}
			d := newDelivery(t, nil, events, nil)
			d.chain.Handler = caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
				if got := r.Header.Get("Content-Length"); got != strconv.Itoa(len(want)) || r.ContentLength != int64(len(want)) {
					t.Errorf("%d events: length: got %s and %d, want %d", n, got, r.ContentLength, len(want))
				}
				if _, err := io.CopyN(io.Discard, r.Body, int64(len(want)/2)); err != nil {
					t.Errorf("%d events: reading half of them: %v", n, err)
				}
				again, err := r.GetBody()
				if err != nil {
					t.Fatal(err)
				}
				for _, body := range []io.ReadCloser{r.Body, again} {
					_ = r.Body.Close() // which begins anew
					if got, err := io.ReadAll(body); err != nil || string(got) != want {
						t.Errorf("%d events: got %d bytes, %v; want the %d of the array", n, len(got), err, len(want))
					}
				}
				w.WriteHeader(http.StatusOK)
				return nil
			})
			if _, f := d.Send(d.ctx, &d.chain, d.origin, &m); f != nil {
				t.Errorf("%d events: got failure %v, want none", n, f.Err)
			}
		}
	}
}
