package admin

import (
	"encoding/json"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/observe"
)

// A Destination is what the admin API shows of a destination.
type Destination struct {
	Handler     string           `json:"handler"`
	Destination string           `json:"destination"`
	State       string           `json:"state"`           // one of the states below
	Since       time.Time        `json:"since,omitzero"`  // it has been down, if it is probing
	Cause       string           `json:"cause,omitempty"` // of the failure that closed it, likewise
	Probe       time.Time        `json:"probe,omitzero"`  // the next one, likewise
	Waiting     int64            `json:"waiting"`         // events, including those whose next attempt is not due yet
	UnderWay    int64            `json:"under_way"`       // events
	Dead        int64            `json:"dead"`            // events
	Causes      map[string]int64 `json:"causes"`          // of the dead
	Oldest      time.Time        `json:"oldest,omitzero"` // since when the oldest of what waits or is under way has been waiting

	// What this process has seen in the last hour, a number for each minute,
	// the current one last: the events that were delivered, and those that
	// waited or were under way, which are fewer numbers while the process is
	// young. Rate is events delivered in a second, lately.
	Delivered []int64 `json:"delivered,omitempty"`
	Backlog   []int64 `json:"backlog,omitempty"`
	Rate      float64 `json:"rate"`
}

// The states of a destination. One that is paused may be down as well.
const (
	StateOpen         = "open"
	StateProbing      = "probing"      // it is down, and only probed
	StatePaused       = "paused"       // by a person
	StateUnconfigured = "unconfigured" // its events wait for a destination of its name
)

// A Store is what the admin API shows of the store of a handler.
type Store struct {
	Bytes    int64 `json:"bytes"`              // that are stored
	Capacity int64 `json:"capacity,omitempty"` // in bytes, absent without a limit
	Free     int64 `json:"free"`               // bytes on the disk, -1 if that is not known
	Damaged  int64 `json:"damaged"`            // batches that were set aside, since the process began
}

// A Status is what the admin API shows of a handler. Store and Destinations are
// absent without destinations, and while the store cannot say what it holds.
type Status struct {
	observe.Status
	Store        *Store        `json:"store,omitempty"`
	StoreError   string        `json:"store_error,omitempty"`
	Destinations []Destination `json:"destinations,omitempty"`
}

// An Event is what the admin API shows of the delivery of an event to a
// destination.
type Event struct {
	Handler      string    `json:"handler"`
	Number       uint64    `json:"number"` // of the delivery
	ID           string    `json:"id"`
	Destination  string    `json:"destination,omitempty"`
	State        string    `json:"state"`
	Object       string    `json:"object,omitempty"`
	Entry        string    `json:"entry,omitempty"`
	Field        string    `json:"field,omitempty"`
	Kind         string    `json:"kind,omitempty"`
	Subject      string    `json:"subject,omitempty"`
	Conversation string    `json:"conversation,omitempty"`
	Original     bool      `json:"original,omitempty"` // a whole notification
	Received     time.Time `json:"received"`
	Due          time.Time `json:"due,omitzero"` // the next attempt
	Attempts     int       `json:"attempts"`
	Tried        time.Time `json:"tried,omitzero"`   // the last attempt began
	Took         float64   `json:"took,omitempty"`   // in seconds, the last attempt
	Status       int       `json:"status,omitempty"` // of the last attempt's answer
	Cause        string    `json:"cause,omitempty"`  // why the last attempt failed
	Error        string    `json:"error,omitempty"`  // the same in words
	Replay       bool      `json:"replay,omitempty"`
	Size         int       `json:"size"` // of the body, in bytes
}

// Events is a page of a list of events.
type Events struct {
	Events []Event `json:"events"`
	Next   string  `json:"next,omitempty"` // the cursor of the next page
}

// A Story is all that is stored of an event.
type Story struct {
	Handler      string          `json:"handler"`
	ID           string          `json:"id"`
	Object       string          `json:"object,omitempty"`
	Entry        string          `json:"entry,omitempty"`
	Field        string          `json:"field,omitempty"`
	Kind         string          `json:"kind,omitempty"`
	Subject      string          `json:"subject,omitempty"`
	Conversation string          `json:"conversation,omitempty"`
	Original     bool            `json:"original,omitempty"`
	Received     time.Time       `json:"received"`
	Origin       json.RawMessage `json:"origin,omitempty"` // what requests take from Meta's
	Body         string          `json:"body"`
	Deliveries   []Delivery      `json:"deliveries"`
}

// A Delivery is what has become of an event at a destination.
type Delivery struct {
	Number      uint64    `json:"number"`
	Destination string    `json:"destination,omitempty"`
	State       string    `json:"state"`
	Since       time.Time `json:"since"` // accepted, or replayed
	Due         time.Time `json:"due,omitzero"`
	Settled     time.Time `json:"settled,omitzero"`
	Replay      bool      `json:"replay,omitempty"`
	Attempts    []Attempt `json:"attempts"`
}

// An Attempt is one try to deliver an event.
type Attempt struct {
	Started time.Time `json:"started"`
	Took    float64   `json:"took"` // in seconds
	Status  int       `json:"status,omitempty"`
	Cause   string    `json:"cause,omitempty"`
	Error   string    `json:"error,omitempty"`
	Answer  string    `json:"answer,omitempty"` // the start of the app's answer
}

// A Change is what a replay or a discard has changed, or would change.
type Change struct {
	Handler     string `json:"handler"`
	Destination string `json:"destination,omitempty"` // that gets the events, or gets them no more; absent if any does
	Events      int    `json:"events"`
	Next        string `json:"next,omitempty"` // the cursor to go on from
	DryRun      bool   `json:"dry_run,omitempty"`
}
