package store

import (
	"fmt"
	"strconv"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

func init() {
	caddy.RegisterModule(Memory{})
}

// defaultMaxEvents is how many events a memory store remembers.
const defaultMaxEvents = 1_000_000

// reservedEvents is how many events a memory store has room for from the
// start, if it is to remember as many: 21 MB, which the system gives as they are
// used. Nobody waits for that much of the table to grow. And the garbage
// collector, which runs when as much has been allocated as is in use, has a
// measure: in the few megabytes of a process that does nothing but pass
// requests on, it runs twenty times a second.
const reservedEvents = 500_000

// Memory remembers delivered events in the memory of the process. It is fast
// and needs nothing, lives on when the configuration is reloaded, and is empty
// after a restart: what Meta then repeats is delivered again.
type Memory struct {
	// How many events to remember. When there are more, the oldest are
	// forgotten before their window ends, and a repeat of one of those is
	// delivered again; the metric
	// `caddy_meta_webhook_dedup_evicted_events_total` counts them. An event
	// takes about 40 bytes. Default: 1000000.
	MaxEvents int `json:"max_events,omitempty"`

	now func() time.Time
}

// CaddyModule returns the Caddy module information.
func (Memory) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.meta_webhook.dedup.memory",
		New: func() caddy.Module { return new(Memory) },
	}
}

// Provision sets the defaults.
func (m *Memory) Provision(ctx caddy.Context) error {
	if m.MaxEvents == 0 {
		m.MaxEvents = defaultMaxEvents
	}
	if m.now == nil {
		m.now = time.Now
	}
	return register(ctx)
}

// Validate reports options that have no meaning.
func (m *Memory) Validate() error {
	if m.MaxEvents < 1 || m.MaxEvents > maxMemorySet {
		return fmt.Errorf("max_events: must be from 1 to %d", maxMemorySet)
	}
	return nil
}

// memories holds the state of every memory store, by the handler's name.
var memories = caddy.NewUsagePool()

// A memoryState is what the memory stores of one name share.
type memoryState struct {
	name     string
	inFlight *inFlight
	set      *memorySet
}

// Destruct implements caddy.Destructor. What has been counted goes with it.
func (s memoryState) Destruct() error {
	evictedEvents.DeleteLabelValues(s.name)
	return nil
}

// Open implements Opener.
func (m *Memory) Open(name string) (Ledger, error) {
	shared, _, err := memories.LoadOrNew(name, func() (caddy.Destructor, error) {
		return memoryState{name, newInFlight(m.now), newMemorySet(m.now, min(m.MaxEvents, reservedEvents))}, nil
	})
	if err != nil {
		return nil, err
	}
	state := shared.(memoryState)
	evictedEvents.WithLabelValues(name) // what has not happened yet is shown as zero
	return &local{
		inFlight: state.inFlight,
		set:      boundedSet{state.set, m.MaxEvents, name},
		close: func() error {
			_, err := memories.Delete(name)
			return err
		},
	}, nil
}

// A boundedSet is a memory set as one configuration bounds it.
type boundedSet struct {
	*memorySet
	most int
	name string
}

func (s boundedSet) add(events []Key, window time.Duration) error {
	if evicted := s.memorySet.add(events, window, s.most); evicted > 0 {
		evictedEvents.WithLabelValues(s.name).Add(float64(evicted))
	}
	return nil
}

// UnmarshalCaddyfile sets up the store from Caddyfile tokens. Syntax:
//
//	dedup memory {
//		max_events <number>
//	}
func (m *Memory) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	return unmarshal(d, map[string]func(string) error{
		"max_events": func(value string) error {
			n, err := strconv.Atoi(value)
			if err != nil || n < 1 || n > maxMemorySet {
				return fmt.Errorf("max_events: '%s' is not a whole number from 1 to %d", value, maxMemorySet)
			}
			m.MaxEvents = n
			return nil
		},
	})
}

// Interface guards
var (
	_ caddy.Provisioner     = (*Memory)(nil)
	_ caddy.Validator       = (*Memory)(nil)
	_ caddyfile.Unmarshaler = (*Memory)(nil)
	_ Opener                = (*Memory)(nil)
)
