package memory_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/ledgertest"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/memory"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/storetest"
)

func TestMemoryKeepsThePromises(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Subject {
		c := new(ledgertest.Clock)
		m := new(memory.Store)
		m.SetClock(c.Now)
		ledgertest.Provision(t, m)
		scope := ledgertest.Scope()
		return storetest.Subject{
			Open:    func(name string) (store.Ledger, error) { return m.Open(scope + name) },
			Advance: c.Advance,
		}
	})
}

// newMemory returns a store module for up to so many events.
func newMemory(t testing.TB, c *ledgertest.Clock, most int) *memory.Store {
	t.Helper()
	m := &memory.Store{MaxEvents: most}
	m.SetClock(c.Now)
	ledgertest.Provision(t, m)
	return m
}

// evicted returns what the metric of a configuration shows for a name, -1 if
// it shows nothing.
func evicted(t testing.TB, name string) float64 {
	t.Helper()
	ctx, cancel := caddy.NewContext(caddy.Context{Context: t.Context()})
	defer cancel()
	if err := new(memory.Store).Provision(ctx); err != nil {
		t.Fatal(err)
	}
	families, err := ctx.GetMetricsRegistry().Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() != "caddy_meta_webhook_dedup_evicted_events_total" {
			continue
		}
		for _, metric := range family.GetMetric() {
			if label := metric.GetLabel()[0]; label.GetName() == "name" && label.GetValue() == name {
				return metric.GetCounter().GetValue()
			}
		}
	}
	return -1
}

func wantEvicted(t testing.TB, name string, want float64) {
	t.Helper()
	if got := evicted(t, name); got != want {
		t.Errorf("evicted: got %v, want %v", got, want)
	}
}

func TestFullMemoryForgetsTheOldest(t *testing.T) {
	const most = 1000
	name := ledgertest.Scope()
	s := ledgertest.Open(t, newMemory(t, new(ledgertest.Clock), most), name)
	wantEvicted(t, name, 0)
	events := ledgertest.RandomKeys(3 * most)
	ledgertest.Commit(t, s, events[:most], time.Hour)
	ledgertest.WantAll(t, s, events[:most], store.Delivered)
	wantEvicted(t, name, 0)
	for i := most; i < 2*most; i++ {
		window := time.Hour
		if i%2 == 0 {
			window = time.Minute // the age counts, not the window
		}
		ledgertest.Commit(t, s, events[i:i+1], window)
		ledgertest.WantAll(t, s, events[i-most+1:i-most+2], store.Delivered)
		ledgertest.WantAll(t, s, events[i-most:i-most+1], store.Claimed)
	}
	wantEvicted(t, name, most)
	ledgertest.Commit(t, s, events, time.Hour) // more than there is room for
	ledgertest.WantAll(t, s, events[2*most:], store.Delivered)
	ledgertest.WantAll(t, s, events[:2*most], store.Claimed)
}

// TestWhatIsDeliveredAgainIsNew commits an event again after its window, and
// before its end: it is not the oldest any more.
func TestWhatIsDeliveredAgainIsNew(t *testing.T) {
	const most = 100
	for _, pause := range []time.Duration{time.Second, time.Hour + 2*time.Second} {
		name, c := ledgertest.Scope(), new(ledgertest.Clock)
		s := ledgertest.Open(t, newMemory(t, c, most), name)
		events := ledgertest.RandomKeys(2 * most)
		ledgertest.Commit(t, s, events[:most/2], time.Hour)
		c.Advance(pause)
		ledgertest.Commit(t, s, events[:1], time.Hour)
		ledgertest.Commit(t, s, events[most:most+most/2-1], time.Hour)
		ledgertest.Commit(t, s, events[2*most-most/2:2*most-1], time.Hour)
		ledgertest.WantAll(t, s, events[:1], store.Delivered)
		c.Advance(time.Hour - time.Second)
		ledgertest.WantAll(t, s, events[:1], store.Delivered)
		c.Advance(2 * time.Second)
		ledgertest.WantAll(t, s, events[:1], store.Claimed)
	}
}

// TestCommitsOfOneEventTakeNoRoom commits one event over and over. What that
// leaves behind goes before anything that is remembered.
func TestCommitsOfOneEventTakeNoRoom(t *testing.T) {
	const most = 10
	name, c := ledgertest.Scope(), new(ledgertest.Clock)
	s := ledgertest.Open(t, newMemory(t, c, most), name)
	event := ledgertest.RandomKeys(1)
	for range 100 * most {
		ledgertest.Commit(t, s, event, time.Hour)
		c.Advance(time.Second)
	}
	ledgertest.WantAll(t, s, event, store.Delivered)
	wantEvicted(t, name, 0)
}

func TestWhatHasExpiredIsNotEvicted(t *testing.T) {
	const most = 1000
	name, c := ledgertest.Scope(), new(ledgertest.Clock)
	s := ledgertest.Open(t, newMemory(t, c, most), name)
	for range 5 {
		ledgertest.Commit(t, s, ledgertest.RandomKeys(most/2), time.Minute)
		ledgertest.Commit(t, s, ledgertest.RandomKeys(most/2), time.Hour)
		c.Advance(time.Hour + 2*time.Second)
	}
	wantEvicted(t, name, 0)
}

func TestWindowsExpireOnTheirOwn(t *testing.T) {
	const most = 3000
	name, c := ledgertest.Scope(), new(ledgertest.Clock)
	s := ledgertest.Open(t, newMemory(t, c, most), name)
	long := ledgertest.RandomKeys(most / 2)
	ledgertest.Commit(t, s, long, 7*24*time.Hour)
	for range 100 { // in many rounds, each of which has room for one
		ledgertest.Commit(t, s, ledgertest.RandomKeys(most/3), time.Hour)
		c.Advance(time.Hour + 2*time.Second)
	}
	ledgertest.WantAll(t, s, long, store.Delivered)
	wantEvicted(t, name, 0)
}

func TestReloadKeepsMemory(t *testing.T) {
	name, c := ledgertest.Scope(), new(ledgertest.Clock)
	events := ledgertest.RandomKeys(1000)
	first := newMemory(t, c, 1000)
	s, err := first.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	ledgertest.Commit(t, s, events, time.Hour)

	second := ledgertest.Open(t, newMemory(t, c, 100), name)
	ledgertest.WantAll(t, second, events, store.Delivered)
	if err := s.Close(); err != nil {
		t.Errorf("Close: got error %v, want none", err)
	}
	ledgertest.WantAll(t, second, events, store.Delivered)
	wantEvicted(t, name, 0)

	more := ledgertest.RandomKeys(1)
	ledgertest.Commit(t, second, more, time.Hour)
	ledgertest.WantAll(t, second, append(more, events[901:]...), store.Delivered)
	ledgertest.WantAll(t, second, events[:901], store.Claimed)
	wantEvicted(t, name, 901)
}

func TestLastCloseForgets(t *testing.T) {
	name, m := ledgertest.Scope(), newMemory(t, new(ledgertest.Clock), 100)
	events := ledgertest.RandomKeys(10)
	s, err := m.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	ledgertest.Commit(t, s, events, time.Hour)
	if err := s.Close(); err != nil {
		t.Errorf("Close: got error %v, want none", err)
	}
	ledgertest.WantAll(t, ledgertest.Open(t, m, name), events, store.Claimed)
}

// TestFullMemoryInManyHands has goroutines fill a store together. It forgets
// no more than it has to.
func TestFullMemoryInManyHands(t *testing.T) {
	const most, writers, each = 5000, 16, 1000
	name := ledgertest.Scope()
	s := ledgertest.Open(t, newMemory(t, new(ledgertest.Clock), most), name)
	events := ledgertest.RandomKeys(writers * each)
	var running sync.WaitGroup
	for w := range writers {
		running.Go(func() {
			for i := range each / 5 {
				mine := events[w*each+5*i:][:5]
				ledgertest.Commit(t, s, mine, time.Hour)
			}
		})
	}
	running.Wait()
	states, err := s.Claim(t.Context(), 7, events, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	delivered := 0
	for _, state := range states {
		if state == store.Delivered {
			delivered++
		}
	}
	if delivered != most {
		t.Errorf("got %d events remembered, want %d", delivered, most)
	}
	wantEvicted(t, name, writers*each-most)
}

// TestLoweredBoundInManyHands opens a store again for far fewer events than it
// has, and has goroutines commit while it forgets them.
func TestLoweredBoundInManyHands(t *testing.T) {
	const before, most, writers = 50_000, 100, 8
	name, c := ledgertest.Scope(), new(ledgertest.Clock)
	ledgertest.Commit(t, ledgertest.Open(t, newMemory(t, c, before), name), ledgertest.RandomKeys(before), time.Hour)
	s := ledgertest.Open(t, newMemory(t, c, most), name)
	events := ledgertest.RandomKeys(most)
	var running sync.WaitGroup
	for w := range writers {
		running.Go(func() {
			for i := w; i < most; i += writers {
				if err := s.Commit(t.Context(), 1, events[i:i+1], time.Hour); err != nil {
					t.Errorf("Commit: got error %v, want none", err)
				}
			}
		})
	}
	running.Wait()
	ledgertest.WantAll(t, s, events, store.Delivered)
	wantEvicted(t, name, before)
}

func TestMemoryOptions(t *testing.T) {
	for _, most := range []int{-1, 1 << 31} {
		if err := (&memory.Store{MaxEvents: most}).Validate(); err == nil || !strings.Contains(err.Error(), "max_events") {
			t.Errorf("max_events %d: got error %v, want one that names the option", most, err)
		}
	}
	m := new(memory.Store)
	ledgertest.Provision(t, m)
	if m.MaxEvents != 1_000_000 {
		t.Errorf("max_events: got %d by default, want 1000000", m.MaxEvents)
	}
}
