package store

import (
	"context"
	"errors"
	"time"
)

// A QueueOpener is a module in the namespace http.meta_webhook.store whose
// stores can queue as well as remember.
type QueueOpener interface {
	Opener

	// OpenQueue returns the queue of the handler of this name. The rules of
	// Open hold for it, too: one name never sees another's events, and queues
	// of one name that are open at the same time in one process are one.
	OpenQueue(name string) (Queue, error)
}

// A Queue holds events until each destination has them. What it accepted is on
// the disk or in the database, and stays there until it was delivered, or a
// person discarded it.
//
// A destination's delivery of an event is in one of these states:
//
//	          ┌──────── Again, Returned, or the lease ends ───────┐
//	          ▼                                                   │
//	Accept ─▶ waiting ──Take──▶ under way ──Settle──▶ done        │
//	          ▲                     │    └──────────▶ dead        │
//	          │                     └─────────────────────────────┘
//	          └── Replay, of one that is done, dead or discarded
//
// Deliveries that share a [Lane] are taken in the order in which they were
// accepted, and none before the one ahead of it is done, dead or discarded:
// one that waits for another attempt holds its lane. Lanes do not hold each
// other.
//
// The methods may be called by many goroutines at once. A Queue keeps no
// argument, and what it returns is the caller's. A call that failed can be
// repeated, and may or may not have had its effect.
type Queue interface {
	// Accept stores the events of a notification that are new, for every
	// target they have, and that they were seen. It is one atomic, durable
	// write: once Accept has returned without an error, everything of it
	// survives a crash of the process and of the machine; before, nothing of
	// it counts after a crash that nothing else of it does. Calls that come at
	// the same time share the write.
	//
	// An event is a repeat if its Key was seen within its window, or earlier
	// in the same notification. Repeats are not stored again, whatever their
	// targets. Events without a window are always new. The whole notification,
	// if it has targets, is stored unless all of its events are repeats.
	//
	// Accept fails with ErrFull when there is no room, and with ErrBusy when
	// the queue cannot take the call in time.
	Accept(ctx context.Context, n *Notification) (repeats []bool, err error)

	// Take waits until deliveries to a destination are due, and takes some of
	// them under way: the oldest first, those of live events before replays of
	// other lanes, and at most one of a lane unless want.Runs is set. They are
	// the caller's until the lease ends. The error is the context's if that
	// ends first. A destination that is paused has nothing due.
	Take(ctx context.Context, destination string, want Want) ([]Delivery, error)

	// Renew takes deliveries for another lease, from now, and returns the
	// numbers of those that are no longer the caller's. Their lease has ended,
	// or they were settled.
	Renew(ctx context.Context, destination string, lease time.Duration, held []Held) (lost []Number, err error)

	// Settle records what has become of deliveries that were taken. Each is
	// recorded whole, and in the order given. Done is recorded whoever has the
	// delivery by now, and of one that is dead by now, for it stays true; the
	// others only if the delivery is still the caller's, whose lease has not
	// ended. What is done or discarded already stays as it is.
	//
	// A crash of the machine, though not one of the process, may undo what was
	// settled within the last second. Those deliveries are then due again.
	Settle(ctx context.Context, destination string, outcomes []Outcome) error

	Operator

	// Close ends the use of the queue. Calls to Take return an error; what was
	// taken through it and is under way is due again. Queues of the same name
	// that are open go on. Nothing else is called afterwards.
	Close() error
}

// The errors of Accept that are no fault of the queue.
var (
	// ErrFull means that there is no room for what is to be stored.
	ErrFull = errors.New("the store is full")

	// ErrBusy means that there is too much to do to take the call in time.
	ErrBusy = errors.New("the store is busy")
)

// A Notification is what a Queue stores of one POST of Meta.
type Notification struct {
	// When it was received.
	Received time.Time

	// What the requests made of it have in common. A store keeps it as it is.
	Origin []byte

	// Its events, in their order.
	Events []Event

	// The notification itself, for destinations that get what Meta sent. It
	// has no targets where there are none.
	Whole Event
}

// An Event is what a Queue stores of an event, or of a whole notification.
type Event struct {
	// Its identity; of a whole notification, the digest of its events'.
	Key Key

	// How long it is a repeat when it comes again; 0 if it never is. A whole
	// notification has no window of its own.
	Window time.Duration

	// What it can be found by.
	Info Info

	// What is delivered: the event in CloudEvents JSON, or Meta's bytes.
	Body []byte

	// Where it is to be delivered. An event without any is settled at once,
	// and kept like others, so that it can be replayed later.
	Targets []Target
}

// Info is what an event can be found by beside its Key.
type Info struct {
	Object, Entry, Field, Kind, Subject, Conversation string
}

// A Target is a destination for an event, and the lanes that its delivery
// keeps order in: one or none, or several for a whole notification.
type Target struct {
	Destination string
	Lanes       []Lane
}

// A Lane is a hash of what order is kept in. Two conversations that share one
// by chance wait for each other, and nothing else comes of it.
type Lane uint64

// LaneOf returns the lane of what order is kept in, such as a conversation. It
// is the same on every machine, and in every version: lanes are stored.
func LaneOf[T string | []byte](order T) Lane {
	const offset, prime = 14695981039346656037, 1099511628211 // FNV-1a
	lane := uint64(offset)
	for i := range len(order) {
		lane = (lane ^ uint64(order[i])) * prime
	}
	return Lane(lane)
}

// A Number tells the deliveries of a queue apart. Later ones have higher
// numbers; a replay is a delivery of its own.
type Number uint64

// Want is what Take may take.
type Want struct {
	// How many deliveries, at most.
	Max int

	// How many bytes of bodies, at most; but one delivery in any case.
	Bytes int64

	// Take several consecutive deliveries of one lane, in their order. The
	// caller sees to it that a later one does not overtake an earlier one that
	// fails.
	Runs bool

	// How long to wait, once something is due, for as many as Max.
	Collect time.Duration

	// For how long they are the caller's.
	Lease time.Duration
}

// A Delivery is an event on its way to a destination.
type Delivery struct {
	Held
	Key      Key
	Info     Info
	Whole    bool   // a whole notification, rather than an event
	Body     []byte // see Event.Body
	Origin   []byte // see Notification.Origin
	Lanes    []Lane
	Received time.Time // the notification
	Since    time.Time // it has been waiting for its first attempt: it was accepted, or replayed
	Attempt  int       // which one this is, from 1
	Replay   bool
}

// Held names a delivery that is under way, and by what right.
type Held struct {
	Number Number
	Token  Token
}

// An Outcome is what has become of a delivery.
type Outcome struct {
	Held
	Result  Result
	At      time.Time // when an attempt that failed may be repeated, with Again
	Attempt Attempt   // unless the Result is Returned
}

// A Result is what Settle makes of a delivery.
type Result uint8

const (
	// Returned makes it wait again, as if it had not been taken.
	Returned Result = iota

	// Done ends it: the destination has the event.
	Done

	// Again makes it wait for its next attempt.
	Again

	// Dead ends the attempts, until a person decides.
	Dead
)

// An Attempt is one try to deliver.
type Attempt struct {
	Started time.Time
	Took    time.Duration
	Status  int    // of the answer, 0 without one
	Cause   string // why it failed, as a fixed word such as timeout; empty after a success
	Error   string // the same in words
	Answer  []byte // the start of the answer's body
}
