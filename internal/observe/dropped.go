package observe

import (
	"container/list"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/event"
)

// A Refusal is what is kept for people to see of requests that were refused
// for one reason, from one address.
type Refusal struct {
	Reason string    `json:"reason"`
	Status int       `json:"status"`
	Client string    `json:"client,omitempty"` // its address
	First  time.Time `json:"first"`
	Last   time.Time `json:"last"`
	Times  int       `json:"times"`
}

// A Repeat is what is kept for people to see of an event that came again.
type Repeat struct {
	ID      string    `json:"id"`
	Object  string    `json:"object"`
	Kind    string    `json:"kind"`
	Subject string    `json:"subject,omitempty"`
	First   time.Time `json:"first"` // repeat
	Last    time.Time `json:"last"`
	Times   int       `json:"times"`
}

const (
	// mostDropped bounds how many refusals and how many repeats are kept.
	mostDropped = 100

	// longestText bounds what a sender has chosen and a person sees, in bytes.
	longestText = 200
)

// Dropped returns the latest refusals and repeats under a name, the last first.
func Dropped(name string) (refusals []Refusal, repeats []Repeat) {
	if s := stateOf(name); s != nil {
		refusals, repeats = s.refusals.all(), s.repeats.all()
	}
	return refusals, repeats
}

// Changes returns a number that grows with everything that happens under a
// name.
func Changes(name string) uint64 {
	if s := stateOf(name); s != nil {
		return s.changes.Load()
	}
	return 0
}

// stateOf returns the state of a name, nil if no handler has the name.
func stateOf(name string) (found *State) {
	states.Range(func(key, value any) bool {
		if key == name {
			found = value.(*State)
		}
		return found == nil
	})
	return found
}

// refuse keeps a refusal. Of the request, it keeps nothing but the address,
// for a URI may have a token in it.
func (s *State) refuse(r *http.Request, reason string, status int) {
	client, now := clientIP(r), time.Now()
	s.refusals.note(refusalKey{reason, client}, func(f *Refusal) {
		if f.Times == 0 {
			*f = Refusal{Reason: reason, Status: status, Client: cut(client), First: now}
		}
		f.Last = now
		f.Times++
	})
	s.changes.Add(1)
}

// repeat keeps that events came again.
func (s *State) repeat(events []event.Event) {
	now := time.Now()
	for i := range events[max(0, len(events)-mostDropped):] {
		e := &events[max(0, len(events)-mostDropped)+i]
		s.repeats.note(e.ID(), func(r *Repeat) {
			if r.Times == 0 {
				*r = Repeat{ID: e.ID().String(), Object: cut(e.Object()), Kind: cut(e.Kind()), Subject: cut(e.Subject()), First: now}
			}
			r.Last = now
			r.Times++
		})
	}
}

// cut returns a copy of the start of a text, which shares no memory with it.
func cut(text string) string {
	if len(text) > longestText {
		return strings.ToValidUTF8(text[:longestText], "") + "…"
	}
	return strings.Clone(text)
}

// A refusalKey is what refusals have in common that are shown as one.
type refusalKey struct{ reason, client string }

// A recent keeps the latest things of a kind, those with the same key as one.
type recent[K comparable, T any] struct {
	mu   sync.Mutex
	list list.List // of kept, the latest first
	at   map[K]*list.Element
}

// A kept is one of the things that a recent keeps.
type kept[K comparable, T any] struct {
	key   K
	value T
}

// note has change note something in what is kept under a key, which is empty
// if there was nothing.
func (r *recent[K, T]) note(key K, change func(*T)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.at == nil {
		r.at = make(map[K]*list.Element)
	}
	e, ok := r.at[key]
	if !ok {
		if r.list.Len() == mostDropped {
			delete(r.at, r.list.Remove(r.list.Back()).(*kept[K, T]).key)
		}
		e = r.list.PushFront(&kept[K, T]{key: key})
		r.at[key] = e
	}
	r.list.MoveToFront(e)
	change(&e.Value.(*kept[K, T]).value)
}

// all returns what is kept, the latest first.
func (r *recent[K, T]) all() []T {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]T, 0, r.list.Len())
	for e := r.list.Front(); e != nil; e = e.Next() {
		all = append(all, e.Value.(*kept[K, T]).value)
	}
	return all
}
