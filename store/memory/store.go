// Package memory is the store that remembers delivered events in the memory of
// the process.
package memory

import (
	"context"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/caddyblock"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/rule"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
)

func init() {
	caddy.RegisterModule(Store{})
}

// defaultMaxEvents is how many events a memory store remembers.
const defaultMaxEvents = 1_000_000

// reservedEvents is how many events a memory store has room for from the
// start, if it is to remember as many: 21 MB, which the system gives as they are
// used. No call waits for that much of the table to grow. And the garbage
// collector, which runs when as much has been allocated as is in use, has a
// measure: in the few megabytes of a process that does nothing but pass
// requests on, it runs twenty times a second.
const reservedEvents = 500_000

// Store remembers delivered events in the memory of the process. It is fast
// and needs nothing, lives on when the configuration is reloaded, and is empty
// after a restart: what Meta then repeats is delivered again.
type Store struct {
	// How many events to remember. When there are more, the oldest are
	// forgotten before their window ends, and a repeat of one of those is
	// delivered again; the metric
	// `caddy_meta_webhook_dedup_evicted_events_total` counts them. An event
	// takes about 40 bytes. Default: 1000000.
	MaxEvents int `json:"max_events,omitempty"`

	now func() time.Time
}

// CaddyModule returns the Caddy module information.
func (Store) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.meta_webhook.store.memory",
		New: func() caddy.Module { return new(Store) },
	}
}

// Provision sets the defaults.
func (s *Store) Provision(ctx caddy.Context) error {
	if s.MaxEvents == 0 {
		s.MaxEvents = defaultMaxEvents
	}
	if s.now == nil {
		s.now = time.Now
	}
	return register(ctx)
}

// Validate reports options that have no meaning.
func (s *Store) Validate() error { return rule.For("max_events", checkMaxEvents(s.MaxEvents)) }

func checkMaxEvents(n int) error { return rule.Between(n, 1, maxEvents) }

// memories holds the events of every memory store, by the handler's name.
var memories = caddy.NewUsagePool()

// A memory is what the stores of one name share.
type memory struct {
	name string
	set  *set
}

// Destruct implements caddy.Destructor. What has been counted goes with it.
func (m memory) Destruct() error {
	evictedEvents.DeleteLabelValues(m.name)
	return nil
}

// Open implements store.Opener.
func (s *Store) Open(name string) (store.Ledger, error) {
	shared, _, err := memories.LoadOrNew(name, func() (caddy.Destructor, error) {
		return memory{name, newSet(s.now, min(s.MaxEvents, reservedEvents))}, nil
	})
	if err != nil {
		return nil, err
	}
	evictedEvents.WithLabelValues(name) // what has not happened yet is shown as zero
	return &ledger{name, shared.(memory).set, s.MaxEvents}, nil
}

// A ledger is a memory as one configuration bounds it. No other process can be
// delivering, so a claim need not outlive its process.
type ledger struct {
	name string
	set  *set
	most int
}

// Claim implements store.Ledger.
func (l *ledger) Claim(_ context.Context, token store.Token, events []store.Key, lease time.Duration) ([]store.State, error) {
	states := make([]store.State, len(events))
	l.set.claim(token, events, states, lease)
	return states, nil
}

// Commit implements store.Ledger.
func (l *ledger) Commit(_ context.Context, _ store.Token, events []store.Key, window time.Duration) error {
	if evicted := l.set.add(events, window, l.most); evicted > 0 {
		evictedEvents.WithLabelValues(l.name).Add(float64(evicted))
	}
	return nil
}

// Release implements store.Ledger.
func (l *ledger) Release(_ context.Context, token store.Token, events []store.Key) error {
	l.set.release(token, events)
	return nil
}

// Close implements store.Ledger.
func (l *ledger) Close() error {
	_, err := memories.Delete(l.name)
	return err
}

// UnmarshalCaddyfile sets up the store from Caddyfile tokens. Syntax:
//
//	store memory {
//		max_events <number>
//	}
func (s *Store) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	return caddyblock.Module(d, func(d *caddyfile.Dispenser, option string) error {
		if option == "max_events" {
			return caddyblock.Value(d, &s.MaxEvents, caddyblock.Number, checkMaxEvents)
		}
		return caddyblock.Unrecognized(d, "store memory", option)
	})
}

// Interface guards
var (
	_ caddy.Provisioner     = (*Store)(nil)
	_ caddy.Validator       = (*Store)(nil)
	_ caddyfile.Unmarshaler = (*Store)(nil)
	_ store.Opener          = (*Store)(nil)
)
