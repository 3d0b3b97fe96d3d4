// Package store remembers which events were delivered, so that the repeats
// that Meta sends are not delivered again.
//
// To a [Ledger], an event is one of three things:
//
//	absent ──Claim──▶ in flight ──Commit──▶ delivered
//	   ▲                  │                     │
//	   ├───── Release, or the lease ends        │
//	   └──────────────────────────── the window ends
//
// A claimant claims an event before it delivers it. Of several that do so at
// the same time, one may go on; the others learn that the event is in flight,
// or was delivered. After a success the claimant commits, after a failure it
// releases. If it dies in between, its lease ends, and the event can be
// claimed by the next. An event is never recorded as delivered before it was:
// that would lose it.
//
// What a store cannot do is to make delivering and recording one step. A crash
// between the two delivers an event twice.
//
// Stores are Caddy modules in the namespace http.meta_webhook.store; memory,
// file and postgres have packages of their own beside this one. Package
// [github.com/caddy-meta-webhook/caddy-meta-webhook/store/storetest] tests
// whether a store keeps the promises made here.
package store

import (
	"context"
	"encoding/hex"
	"time"
)

// An Opener is what a module in the namespace http.meta_webhook.store has to
// be.
type Opener interface {
	// Open returns the store of the handler of this name. What is remembered
	// under one name is never seen under another.
	//
	// All stores of one name that a module of the same configuration opens in
	// one process share their state, whether they are open at the same time
	// or, for a store that lasts, one after the other. A configuration that
	// is being loaded opens its store before the last one closes its own, so
	// that the state lives on.
	//
	// A store that could serve later, such as a database out of reach for the
	// moment, opens all the same. An error refuses the configuration.
	//
	// It is called when a configuration starts. One that is only validated
	// opens nothing; the module is provisioned for that as well, and must not
	// make, lock or connect to anything then.
	Open(name string) (Ledger, error)
}

// A Ledger remembers the events of one handler. Its methods may be called by
// many goroutines at once, and keep none of their arguments. They may fail;
// a call that failed can be repeated, and may or may not have had its effect.
type Ledger interface {
	// Claim asks for the right to deliver these events, no two of which are
	// the same, and returns for each of them what it is. Those that are
	// Claimed are the caller's from now until the lease has passed.
	//
	// Claim is atomic: of two calls with events in common, one comes first as
	// a whole.
	//
	// A second claim with the same token renews: what no other claimant holds is
	// Claimed for another lease. What is not is lost,
	// and not to be delivered.
	Claim(ctx context.Context, token Token, events []Key, lease time.Duration) ([]State, error)

	// Commit records that these events were delivered. From now until the
	// window has passed they are Delivered, and at most a second longer.
	//
	// It is not for the token to decide: that an event was delivered stays
	// true when the lease has ended and the event is in flight again. So the
	// record is made whichever claimant holds the event, and also if none does.
	//
	// A store that lasts has the record where it lasts before Commit returns.
	Commit(ctx context.Context, token Token, events []Key, window time.Duration) error

	// Release gives back those of these events that are claimed with the
	// token. Events that are in other hands by now, or delivered, it leaves
	// alone.
	Release(ctx context.Context, token Token, events []Key) error

	// Close ends the use of the store. Nothing is called afterwards.
	Close() error
}

// A Key is the identity of an event.
type Key [16]byte

// String returns the key in hex, as events show their id.
func (k Key) String() string { return hex.EncodeToString(k[:]) }

// A Token tells a claimant from others, on every machine. It
// fences: one whose lease has ended cannot free or renew what others hold.
type Token uint64

// A State is what an event is to a store.
type State uint8

const (
	// InFlight is an event that another claimant is delivering, or was when the
	// store looked.
	InFlight State = iota

	// Claimed is an event for the caller to deliver.
	Claimed

	// Delivered is an event that was delivered, and whose window has not
	// ended.
	Delivered
)

// String returns the name of the state.
func (s State) String() string {
	switch s {
	case InFlight:
		return "in flight"
	case Claimed:
		return "claimed"
	case Delivered:
		return "delivered"
	}
	return "unknown"
}
