package store

import (
	"context"
	"errors"
	"time"
)

// ErrCursor means that a cursor is not one that the queue has returned.
var ErrCursor = errors.New("the cursor is not one of this queue's")

// An Operator looks at what a Queue holds, and changes it on a person's word.
// Its methods never hold up Accept, Take and Settle for longer than a moment.
type Operator interface {
	// Stats returns how much waits where.
	Stats(ctx context.Context) (Stats, error)

	// List returns deliveries that fit, the latest first, up to limit of them,
	// and the cursor to go on from, which is empty at the end. It starts at
	// the latest with an empty cursor. It may look at a part of the queue only
	// and return fewer deliveries than there are, with a cursor.
	List(ctx context.Context, f Filter, cursor string, limit int) (found []Summary, next string, err error)

	// Story returns everything that is stored of the events with this key, the
	// latest first: an event that came again after its window was stored again.
	Story(ctx context.Context, key Key) ([]Story, error)

	// Replay puts events that fit into a destination's queue again, the oldest
	// first, up to limit of them, and returns how many, and the cursor to go on
	// from. The filter's Destination is where they were to be delivered before;
	// empty finds those of any, and unmatched ones. An event is replayed once,
	// however many of its deliveries fit. One that is waiting or under way at
	// the destination is left as it is. Calls that go on from a cursor do not
	// find what has come since the first. With dry set, it only counts.
	//
	// A replay is in the lanes that the event had at the destination, or else
	// at the first of its targets. An event without a target is in the lane of
	// its conversation, see [LaneOf], if it has one.
	//
	// Replay fails with ErrFull and ErrBusy as Accept does.
	Replay(ctx context.Context, destination string, f Filter, cursor string, limit int, dry bool) (n int, next string, err error)

	// Discard ends deliveries that fit and are waiting or dead, likewise. The
	// events stay for as long as others that are settled.
	Discard(ctx context.Context, f Filter, cursor string, limit int, dry bool) (n int, next string, err error)

	// Pause keeps a destination's deliveries waiting, or lets them go on. It
	// holds over restarts, for all instances.
	Pause(ctx context.Context, destination string, paused bool) error
}

// A DeliveryState is where the delivery of an event to a destination stands.
type DeliveryState uint8

// The states of deliveries. An event without a target is Unmatched.
const (
	Waiting DeliveryState = iota + 1
	UnderWay
	DeliveryDone
	DeliveryDead
	Discarded
	Unmatched
)

// String returns the state as the commands and the admin API name it.
func (s DeliveryState) String() string {
	switch s {
	case Waiting:
		return "waiting"
	case UnderWay:
		return "under_way"
	case DeliveryDone:
		return "done"
	case DeliveryDead:
		return "dead"
	case Discarded:
		return "discarded"
	case Unmatched:
		return "unmatched"
	}
	return "unknown"
}

// A Filter is what deliveries have to be. An empty member fits all.
type Filter struct {
	Destination  string
	States       []DeliveryState
	Keys         []Key
	Object, Kind string
	Conversation string
	Text         string    // a part of the key in hex, or of the subject
	From, To     time.Time // received: from From on, before To
}

// A Summary is a delivery as a list shows it.
type Summary struct {
	Number      Number
	Key         Key
	Info        Info
	Whole       bool
	Destination string // empty if Unmatched
	State       DeliveryState
	Received    time.Time
	Attempts    int
	Due         time.Time // the next attempt, if it is Waiting
	Last        Attempt   // without Answer; zero if there was none
	Replay      bool
	Size        int // of the body, in bytes
}

// A Story is all that is stored of an event.
type Story struct {
	Key        Key
	Info       Info
	Whole      bool
	Received   time.Time
	Origin     []byte
	Body       []byte
	Deliveries []DeliveryStory // in the order of their numbers
}

// A DeliveryStory is what has become of one delivery of an event.
type DeliveryStory struct {
	Number      Number
	Destination string
	State       DeliveryState
	Since       time.Time // accepted, or replayed
	Due         time.Time
	Settled     time.Time // done, dead or discarded
	Replay      bool
	Attempts    []Attempt
}

// Stats is how much a Queue holds.
type Stats struct {
	Destinations []DestinationStats // in the order of their names: all that have anything stored or are paused
	Bytes        int64              // on the disk, or in the database
	Capacity     int64              // that Bytes may reach, 0 without a limit
	Free         int64              // what the disk has left, -1 if that is not known
	Damaged      int64              // batches that were set aside, since the process began
}

// DestinationStats is how much waits for a destination.
type DestinationStats struct {
	Destination string
	Waiting     int64 // including those whose next attempt is not due yet
	UnderWay    int64
	Dead        map[string]int64 // by the last attempt's Cause
	Oldest      time.Time        // the earliest Since of what is waiting or under way; zero without any
	Paused      bool
}
