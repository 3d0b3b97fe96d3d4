package store

import (
	"errors"
	"slices"
	"testing"
	"time"
)

// A failingSet is a set that cannot be read for the moment.
type failingSet struct{ err error }

func (s *failingSet) find([]Key, []State) error      { return s.err }
func (s *failingSet) add([]Key, time.Duration) error { return s.err }

// TestAFailedRenewalKeepsTheClaim: the delivery lives on, and nobody else is
// to begin one. A claim that failed is nobody's.
func TestAFailedRenewalKeepsTheClaim(t *testing.T) {
	set := new(failingSet)
	l := &local{inFlight: newInFlight(time.Now), set: set}
	events := []Key{{1}, {2}}
	claim := func(token Token, events []Key, want ...State) {
		t.Helper()
		got, err := l.Claim(t.Context(), token, events, time.Minute)
		if !errors.Is(err, set.err) {
			t.Errorf("Claim: got error %v, want %v", err, set.err)
		}
		if !slices.Equal(got, want) {
			t.Errorf("Claim: got %v, want %v", got, want)
		}
	}
	claim(1, events[:1], Claimed)
	set.err = errors.New("disk on fire")
	claim(1, events)
	set.err = nil
	claim(2, events, InFlight, Claimed)
}
