// The cost of a notification: of the whole handler, and of its stages.

package metawebhook

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/event"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/delivery"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/inuse"
)

// updates returns a notification of n updates that no other has, of about 175
// bytes each: as many statuses of WhatsApp, each of another conversation, ten to
// an entry.
func updates(n, number int) string {
	var b strings.Builder
	b.WriteString(`{"object":"whatsapp_business_account","entry":[`)
	for i := range n {
		switch {
		case i == 0:
			b.WriteString(`{"id":"102290129340398","changes":[`)
		case i%10 == 0:
			fmt.Fprintf(&b, `]},{"id":"10229012934%04d","changes":[`, i/10)
		default:
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"value":{"metadata":{"phone_number_id":"1065403522"},"statuses":[{"id":"wamid.%08d%08d",`+
			`"status":"read","timestamp":"1767225600","recipient_id":"1650%07d"}]},"field":"messages"}`, number, i, i)
	}
	b.WriteString(`]}]}`)
	return b.String()
}

// notified is newNotification as a server without an access log passes it.
func notified(body string) *http.Request {
	r := newNotification(body)
	return r.WithContext(context.WithValue(r.Context(), caddyhttp.ServerCtxKey, new(caddyhttp.Server)))
}

// accepts is an app that reads what it gets, and answers 200.
var accepts = caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
	_, err := io.Copy(io.Discard, r.Body)
	w.WriteHeader(http.StatusOK)
	return err
})

// benchmarkHandler measures what the handler does with requests that it has
// not seen before. They are made while the clock stands.
func benchmarkHandler(b *testing.B, h *Handler, size int, request func(i int) *http.Request, refused bool) {
	b.Helper()
	b.ReportAllocs()
	if size > 0 {
		b.SetBytes(int64(size))
	}
	ready := make([]*http.Request, max(16, min(1024, 1<<20/(size+1))))
	b.ResetTimer()
	for i := range b.N {
		if i%len(ready) == 0 {
			b.StopTimer()
			for at := range ready {
				ready[at] = request(i + at)
			}
			b.StartTimer()
		}
		w := &discard{header: make(http.Header)}
		if err := h.ServeHTTP(w, ready[i%len(ready)], accepts); (err != nil) != refused {
			b.Fatalf("got error %v, want one: %t", err, refused)
		}
	}
}

func BenchmarkHandler(b *testing.B) {
	for _, deliver := range modes {
		for _, n := range []int{1, 10, 1000} {
			b.Run(fmt.Sprintf("%s/%d", deliver, n), func(b *testing.B) {
				h := provisioned(b, func(h *Handler) { h.Deliver = deliver })
				benchmarkHandler(b, h, len(updates(n, 0)), func(i int) *http.Request { return notified(updates(n, i)) }, false)
				b.ReportMetric(float64(b.N*n)/b.Elapsed().Seconds(), "events/s")
			})
		}
	}
}

func BenchmarkHandlerRepeats(b *testing.B) {
	for _, n := range []int{1, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			h := provisioned(b)
			body := updates(n, 0)
			if _, status, _ := serve(h, notified(body), accepts); status != 0 {
				b.Fatalf("the first of them: got status %d, want 200", status)
			}
			benchmarkHandler(b, h, len(body), func(int) *http.Request { return notified(body) }, false)
		})
	}
}

func BenchmarkHandlerForged(b *testing.B) {
	body := updates(3, 0)
	forged := sign("another secret", body)
	benchmarkHandler(b, provisioned(b), len(body), func(int) *http.Request {
		r := notified(body)
		r.Header.Set(signatureHeader, forged)
		return r
	}, true)
}

func BenchmarkHandlerVerification(b *testing.B) {
	benchmarkHandler(b, provisioned(b), 0, func(int) *http.Request {
		return newRequest(http.MethodGet, "https://example.com/webhooks?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=correct%20horse", "")
	}, false)
}

// BenchmarkHandlerMemory measures what is held, per byte of the bodies, while
// the app works on many notifications at once.
func BenchmarkHandlerMemory(b *testing.B) {
	for _, deliver := range modes {
		b.Run(deliver, func(b *testing.B) {
			const inFlight = 32
			h := provisioned(b, func(h *Handler) { h.Deliver, h.Parallel = deliver, 0 })
			if deliver == delivery.Each {
				h.Parallel = 16
			}
			size, held := 0, 0.0
			for round := range b.N {
				requests := make([]*http.Request, inFlight)
				for i := range requests {
					body := updates(1000, round*inFlight+i)
					size = len(body)
					requests[i] = notified(body)
				}
				arrived, release, done := make(chan struct{}, inFlight*1000), make(chan struct{}), make(chan error, inFlight)
				next := caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
					arrived <- struct{}{}
					<-release
					w.WriteHeader(http.StatusOK)
					return nil
				})
				before := inuse.Heap()
				for _, r := range requests {
					go func() { done <- h.ServeHTTP(&discard{header: make(http.Header)}, r, next) }()
				}
				for range inFlight * max(1, h.Parallel) {
					<-arrived
				}
				held += float64(inuse.Heap()-before) / float64(inFlight*size)
				close(release)
				for range requests {
					if err := <-done; err != nil {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric(held/float64(b.N), "held-B/body-B")
		})
	}
}

// benchmarkStage measures one stage with notifications of 1, 10 and 1000
// updates.
func benchmarkStage(b *testing.B, prepare func(b *testing.B, body []byte, events []event.Event) func()) {
	b.Helper()
	for _, n := range []int{1, 10, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			body := []byte(updates(n, 0))
			events, err := event.Parse(body)
			if err != nil {
				b.Fatal(err)
			}
			stage := prepare(b, body, events)
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				stage()
			}
		})
	}
}

func BenchmarkStageRead(b *testing.B) {
	benchmarkStage(b, func(b *testing.B, body []byte, _ []event.Event) func() {
		h := provisioned(b)
		r := notified(string(body))
		w := &discard{header: make(http.Header)}
		text := string(body)
		return func() {
			r.Body = io.NopCloser(strings.NewReader(text))
			share := h.budget.Share(h.MaxBuffered)
			defer share.Free()
			if _, err := h.readBody(w, r, share); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkStageSignature(b *testing.B) {
	benchmarkStage(b, func(b *testing.B, body []byte, _ []event.Event) func() {
		h := provisioned(b)
		header := notified(string(body)).Header
		return func() {
			if sig, err := parseSignature(header); err != nil || !h.secrets.signed(body, sig) {
				b.Fatal("not signed")
			}
		}
	})
}

func BenchmarkStageParse(b *testing.B) {
	benchmarkStage(b, func(b *testing.B, body []byte, _ []event.Event) func() {
		return func() {
			if _, err := event.Parse(body); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkStageEncode(b *testing.B) {
	benchmarkStage(b, func(_ *testing.B, _ []byte, events []event.Event) func() {
		return func() { _ = event.AppendJSONArray(nil, events) }
	})
}

// A discard is a response that is dropped.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
func (d *discard) WriteHeader(int)             {}
