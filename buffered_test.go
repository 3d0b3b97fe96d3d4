// What notifications take in memory, which a name has a budget for.

package metawebhook

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/event"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/budget"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/delivery"
)

// A slowBody gives what it has, says so, and then waits to be cut off.
type slowBody struct {
	io.Reader
	begun, cut chan struct{}
	once       sync.Once
}

func newSlowBody(text string) *slowBody {
	return &slowBody{Reader: strings.NewReader(text), begun: make(chan struct{}), cut: make(chan struct{})}
}

func (b *slowBody) Read(p []byte) (int, error) {
	if n, err := b.Reader.Read(p); err == nil {
		return n, nil
	}
	b.once.Do(func() { close(b.begun) })
	<-b.cut
	return 0, io.ErrUnexpectedEOF
}

func (*slowBody) Close() error { return nil }

// flood has strangers send n bodies of that many bytes which do not end. It
// returns when all have come as far, and what ends them.
func flood(t *testing.T, h *Handler, n, size int) (end func()) {
	t.Helper()
	var senders sync.WaitGroup
	bodies := make([]*slowBody, n)
	for i := range bodies {
		body := newSlowBody(strings.Repeat("x", size))
		r := newNotification("")
		r.Body, r.ContentLength = body, -1
		bodies[i] = body
		senders.Go(func() {
			if _, status, reason := serve(h, r, new(app)); status != 400 || reason != "body_incomplete" {
				t.Errorf("got %d %q for a body of the flood, want 400 once it is cut off", status, reason)
			}
		})
		<-body.begun
	}
	return sync.OnceFunc(func() {
		for _, body := range bodies {
			close(body.cut)
		}
		senders.Wait()
	})
}

// padded returns a notification of n bytes.
func padded(n int) string { return testBody + strings.Repeat(" ", n-len(testBody)) }

func limits(size, buffered int64) func(*Handler) {
	return func(h *Handler) { h.MaxSize, h.MaxBuffered = size, buffered }
}

// TestFloodOfForgedBodies has max_buffered at a million: half of it for large
// bodies, three quarters for small ones.
func TestFloodOfForgedBodies(t *testing.T) {
	const large, small = 100_000, 1000
	for _, tc := range []struct {
		name    string
		n, size int // of the flood
		length  int // of a genuine notification, declared
		want    int
	}{
		{"no flood, a large one", 0, 0, large, 0},
		{"two large ones, a large one", 2, large, large, 0},
		{"four large ones, a large one", 4, large, large, 503},
		{"four large ones, a small one", 4, large, small, 0},
		{"forty small ones, a large one", 40, small, large, 503},
		{"forty small ones, a small one", 40, small, small, 0},
		{"forty-five small ones, a small one", 45, small, small + firstRead, 503},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := provisioned(t, limits(large, 1_000_000))
			end := flood(t, h, tc.n, tc.size)
			defer end()
			next := new(app)
			w, status, reason := serve(h, newNotification(padded(tc.length)), next)
			if status != tc.want {
				t.Errorf("got %d %q, want %d", status, reason, tc.want)
			}
			if refused := tc.want == 503; refused != (len(next.bodies) == 0) || refused != (reason == "overloaded") {
				t.Errorf("got %d requests to the next handler and the reason %q", len(next.bodies), reason)
			}
			if got, err := strconv.Atoi(w.Header().Get("Retry-After")); tc.want == 503 && (err != nil || got < 1) {
				t.Errorf("Retry-After: got %q, want seconds", w.Header().Get("Retry-After"))
			}
			end()
			if got := h.budget.Held(); got != 0 {
				t.Errorf("got %d bytes held after the flood, want none", got)
			}
			if _, status, reason := serve(h, newNotification(padded(large)), new(app)); status != 0 {
				t.Errorf("got %d %q after the flood, want 200", status, reason)
			}
		})
	}
}

func TestDeclaredLengthIsNoReasonToReserve(t *testing.T) {
	h := provisioned(t, limits(1_000_000, 4_000_000))
	for range 50 { // fifty million bytes declared
		body := newSlowBody("{")
		r := newNotification("")
		r.Body, r.ContentLength = body, 1_000_000
		done := make(chan struct{})
		go func() { defer close(done); serve(h, r, new(app)) }()
		<-body.begun
		defer func() { close(body.cut); <-done }()
	}
	if got, most := h.budget.Held(), int64(50*firstRead); got > most {
		t.Errorf("got %d bytes held, want at most %d", got, most)
	}
	if _, status, reason := serve(h, newNotification(padded(500_000)), new(app)); status != 0 {
		t.Errorf("got %d %q, want 200", status, reason)
	}
}

// TestNotificationOfMaxSizeFitsAlone has the least max_buffered there may be.
func TestNotificationOfMaxSizeFitsAlone(t *testing.T) {
	for _, size := range []int64{int64(len(testBody)), firstRead - 1, firstRead, firstRead + 1, 2 * firstRead, 100_000, 1<<20 - 1, 4_000_000} {
		for _, declared := range []bool{true, false} {
			h := provisioned(t, limits(size, max(budget.LeastTimes*size, 100_000)))
			r := newNotification(padded(int(size)))
			if !declared {
				r.ContentLength = -1
			}
			if _, status, reason := serve(h, r, new(app)); status != 0 {
				t.Errorf("%d bytes, declared %t: got %d %q, want 200", size, declared, status, reason)
			}
		}
	}
}

func TestEverythingHeldIsGivenBack(t *testing.T) {
	failing := func(err error) *app {
		return &app{answer: func(http.ResponseWriter, *http.Request, string) error { return err }}
	}
	panicking := &app{answer: func(http.ResponseWriter, *http.Request, string) error { panic("boom") }}
	large := padded(90_000)
	for _, tc := range []struct {
		name   string
		body   string
		change func(*http.Request)
		next   *app
	}{
		{"delivered", large, nil, new(app)},
		{"no updates", `[]`, nil, new(app)},
		{"not delivered", large, nil, failing(errors.New("no"))},
		{"the next handler panics", large, nil, panicking},
		{"wrong signature", large, func(r *http.Request) { r.Header.Set(signatureHeader, sign("other", "")) }, new(app)},
		{"not JSON", strings.Repeat("{", 90_000), nil, new(app)},
		{"too large", padded(100_001), func(r *http.Request) { r.ContentLength = -1 }, new(app)},
		{"too much", string(manyUpdates(10_000)), nil, new(app)},
		{"cut off", "", func(r *http.Request) { r.Body = io.NopCloser(failingReader{io.ErrUnexpectedEOF}) }, new(app)},
		{"longer than declared", large, func(r *http.Request) { r.ContentLength = 10 }, new(app)},
		{"longer than declared, which was nothing", large, func(r *http.Request) { r.ContentLength = 0 }, new(app)},
		{"the body panics", "", func(r *http.Request) { r.Body = panickingBody{} }, new(app)},
	} {
		for _, deliver := range modes {
			h := provisioned(t, limits(100_000, 1_000_000), func(h *Handler) { h.Deliver = deliver })
			r := newNotification(tc.body)
			if tc.change != nil {
				tc.change(r)
			}
			func() {
				defer func() { _ = recover() }()
				serve(h, r, tc.next)
			}()
			if got := h.budget.Held(); got != 0 {
				t.Errorf("%s, %s: got %d bytes held afterwards, want none", tc.name, deliver, got)
			}
		}
	}
}

type panickingBody struct{}

func (panickingBody) Read([]byte) (int, error) { panic("boom") }
func (panickingBody) Close() error             { return nil }

// manyUpdates returns a notification with as many updates, each of two bytes.
func manyUpdates(n int) []byte {
	return []byte(`{"object":"page","entry":[{"id":"1","changes":[` + strings.Repeat("0,", n-1) + `0]}]}`)
}

// TestHeldWhileDelivering looks at the buffer while the next handler has the
// request.
func TestHeldWhileDelivering(t *testing.T) {
	body := padded(50_000)
	for _, tc := range []struct {
		deliver string
		events  int // that are encoded at the same time
	}{{delivery.Each, 3}, {delivery.Batch, 3}, {delivery.Original, 0}} {
		h := provisioned(t, func(h *Handler) { h.Deliver = tc.deliver })
		next := &app{answer: func(w http.ResponseWriter, r *http.Request, got string) error {
			held := h.budget.Held()
			if least := int64(len(body) + tc.events*len(got)/3); held < least {
				t.Errorf("%s: got %d bytes held, want at least %d", tc.deliver, held, least)
			}
			if most := int64(len(body) + event.Room([]byte(body)) + 3000); held > most {
				t.Errorf("%s: got %d bytes held, want at most %d", tc.deliver, held, most)
			}
			return nil
		}}
		if _, status, reason := serve(h, newNotification(body), next); status != 0 {
			t.Errorf("%s: got %d %q, want 200", tc.deliver, status, reason)
		}
	}
}

// TestWhatGrowsFromABodyIsBounded has notifications of which much more is
// made than they are.
func TestWhatGrowsFromABodyIsBounded(t *testing.T) {
	contacts := `[` + strings.Repeat(`{"wa_id":"16505551234","profile":{"name":"Ada"}},`, 2000) + `{}]`
	var messages []string
	for i := range 200 {
		messages = append(messages, `{"id":"wamid.`+strconv.Itoa(i)+`"}`)
	}
	repeating := `{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"field":"messages","value":{` +
		`"metadata":{"phone_number_id":"5"},"contacts":` + contacts + `,"messages":[` + strings.Join(messages, ",") + `]}}]}]}`
	for _, tc := range []struct {
		name, body, deliver string
		want, events        int
	}{
		{"contacts that each message repeats", repeating, delivery.Each, 0, 200},
		{"contacts that each message repeats", repeating, delivery.Batch, 503, 0}, // 20 MB
		{"contacts that each message repeats", repeating, delivery.Original, 0, 1},
		{"updates of two bytes", string(manyUpdates(100_000)), delivery.Each, 503, 0}, // 25 MB
		{"updates of two bytes", string(manyUpdates(100_000)), delivery.Batch, 503, 0},
		{"updates of two bytes", string(manyUpdates(100_000)), delivery.Original, 503, 0},
		{"as many as Meta sends, of two bytes", string(manyUpdates(1000)), delivery.Each, 0, 1000},
		{"as many as Meta sends, of two bytes", string(manyUpdates(1000)), delivery.Batch, 0, 1},
	} {
		h := provisioned(t, limits(1_000_000, 16_000_000), func(h *Handler) {
			h.Deliver = tc.deliver
			h.Dedup = &delivery.Dedup{Off: true}
		})
		next := new(app)
		_, status, reason := serve(h, newNotification(tc.body), next)
		if status != tc.want || len(next.bodies) != tc.events {
			t.Errorf("%s, %s: got %d %q and %d requests to the next handler, want %d and %d",
				tc.name, tc.deliver, status, reason, len(next.bodies), tc.want, tc.events)
		}
	}
}

// TestBufferIsTheName has handlers of two configurations side by side, as
// while Caddy reloads.
func TestBufferIsTheName(t *testing.T) {
	named := func(name string) func(*Handler) { return func(h *Handler) { h.Name = name } }
	before := provisioned(t, named("a"), limits(100_000, 400_000))
	defer flood(t, before, 1, 100_000)()
	after := provisioned(t, named("a"), limits(100_000, 410_000))
	other := provisioned(t, named("b"), limits(100_000, 400_000))
	if _, status, _ := serve(after, newNotification(padded(100_000)), new(app)); status != 503 {
		t.Errorf("handler of the same name: got error %d, want 503", status)
	}
	if _, status, _ := serve(other, newNotification(padded(100_000)), new(app)); status != 0 {
		t.Errorf("handler of another name: got error %d, want 200", status)
	}
}

func TestRefusalForTheLengthGoesOutBeforeTheBody(t *testing.T) {
	h := provisioned(t, limits(100_000, 400_000))
	defer flood(t, h, 2, 60_000)()
	r := newNotification("")
	r.Body, r.ContentLength = panickingBody{}, 100_000
	w := httptest.NewRecorder()
	err := h.ServeHTTP(w, r, new(app))
	if got, ok := errors.AsType[caddyhttp.HandlerError](err); !ok || got.StatusCode != 503 || w.Header().Get("Retry-After") == "" {
		t.Errorf("got error %v with Retry-After %q, want 503 with one", err, w.Header().Get("Retry-After"))
	}
	if got := w.Header().Get("Connection"); got != "close" {
		t.Errorf("Connection: got %q, want close, for the body is unread", got)
	}
}
