package delivery

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/event"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/observe"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/memory"
)

// updates returns the events of n statuses of WhatsApp.
func updates(b testing.TB, n int) (body []byte, events []event.Event) {
	b.Helper()
	var text strings.Builder
	text.WriteString(`{"object":"whatsapp_business_account","entry":[`)
	for i := range n {
		if i > 0 {
			text.WriteByte(',')
		}
		fmt.Fprintf(&text, `{"id":"102290129340398","changes":[{"value":{"metadata":{"phone_number_id":"1065403522"},"statuses":[`+
			`{"id":"wamid.%08d","status":"read","timestamp":"1767225600","recipient_id":"16505551234"}]},"field":"messages"}]}`, i)
	}
	text.WriteString(`]}`)
	body = []byte(text.String())
	events, err := event.Parse(body)
	if err != nil {
		b.Fatal(err)
	}
	return body, events
}

// everWindow remembers events for a minute.
type everWindow struct{}

func (everWindow) WindowOf(*event.Event) time.Duration { return time.Minute }
func (everWindow) Rejects() bool                       { return false }

// newDelivery returns a delivery of events, remembered by a ledger.
func newDelivery(b testing.TB, body []byte, events []event.Event, ledger store.Ledger) *delivery {
	b.Helper()
	ctx, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
	b.Cleanup(cancel)
	o, err := observe.New(ctx, b.Name(), zap.NewNop())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = o.Close() })
	options := new(Options)
	options.SetDefaults()
	r := httptest.NewRequest(http.MethodPost, "https://example.com/webhooks", nil)
	r = caddyhttp.PrepareRequest(r, caddy.NewReplacer(), httptest.NewRecorder(), nil)
	accepts := caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		_, err := io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusOK)
		return err
	})
	return &delivery{
		Inline: &Inline{
			Sender: Sender{Observer: o}, Options: options, Policy: everWindow{}, Lease: DefaultLease,
			Ledger: &Shared[store.Ledger]{Open: func() (store.Ledger, error) { return ledger, nil }},
		},
		Notification: &Notification{Request: r, Next: accepts, Body: body, Events: events, Told: o.Received(r, len(body))},
		ctx:          context.Background(),
		chain:        Chain{Handler: accepts, Before: r},
		origin:       OriginOf(r),
	}
}

// benchmarkStage measures one stage with notifications of 1, 10 and 1000
// updates.
func benchmarkStage(b *testing.B, prepare func(b *testing.B, body []byte, events []event.Event) func()) {
	b.Helper()
	for _, n := range []int{1, 10, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			body, events := updates(b, n)
			stage := prepare(b, body, events)
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				stage()
			}
		})
	}
}

func BenchmarkStageIdentity(b *testing.B) {
	benchmarkStage(b, func(b *testing.B, _ []byte, events []event.Event) func() {
		return func() {
			if first, _ := distinct(events); len(keys(first)) != len(events) {
				b.Fatal("not distinct")
			}
		}
	})
}

// BenchmarkStageClaim measures a claim and its record in memory.
func BenchmarkStageClaim(b *testing.B) {
	benchmarkStage(b, func(b *testing.B, body []byte, events []event.Event) func() {
		module := new(memory.Store)
		ctx, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
		b.Cleanup(cancel)
		if err := module.Provision(ctx); err != nil {
			b.Fatal(err)
		}
		ledger, err := module.Open(b.Name())
		if err != nil {
			b.Fatal(err)
		}
		round := uint64(0)
		d := newDelivery(b, body, events, ledger)
		return func() {
			l, err := d.claim(renamed{ledger, &round}, events)
			if err != nil || len(l.events) != len(events) {
				b.Fatalf("got a claim on %d events, %v; want %d", len(l.events), err, len(events))
			}
			l.note(0, len(events), nil)
			l.settle()
			round++
		}
	})
}

// renamed is a ledger to which the same events are others in each round: it
// gives their keys other names when they are claimed, and knows them by these
// from then on.
type renamed struct {
	store.Ledger
	round *uint64
}

func (r renamed) Claim(ctx context.Context, token store.Token, events []store.Key, lease time.Duration) ([]store.State, error) {
	for i := range events {
		binary.NativeEndian.PutUint64(events[i][:], binary.NativeEndian.Uint64(events[i][:])+*r.round)
	}
	return r.Ledger.Claim(ctx, token, events, lease)
}

func BenchmarkStageSend(b *testing.B) {
	benchmarkStage(b, func(b *testing.B, body []byte, events []event.Event) func() {
		d := newDelivery(b, body, events, nil)
		m := newMessage(events[0].ID(), events)
		m.ContentType, m.Body = typeJSON, body
		return func() {
			if _, f := d.Send(d.ctx, &d.chain, d.origin, &m); f != nil {
				b.Fatal(f.Err)
			}
		}
	})
}
