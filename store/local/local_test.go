package local

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
)

// A failingSet is a set that cannot be read for the moment.
type failingSet struct{ err error }

func (s *failingSet) Find([]store.Key, []store.State) error { return s.err }
func (s *failingSet) Add([]store.Key, time.Duration) error  { return s.err }

// TestAFailedRenewalKeepsTheClaim: the delivery goes on, and no other
// may begin. A claim that failed is held by no one.
func TestAFailedRenewalKeepsTheClaim(t *testing.T) {
	set := new(failingSet)
	l := NewLedger(NewClaims(time.Now), set, nil)
	events := []store.Key{{1}, {2}}
	claim := func(token store.Token, events []store.Key, want ...store.State) {
		t.Helper()
		got, err := l.Claim(t.Context(), token, events, time.Minute)
		if !errors.Is(err, set.err) {
			t.Errorf("Claim: got error %v, want %v", err, set.err)
		}
		if !slices.Equal(got, want) {
			t.Errorf("Claim: got %v, want %v", got, want)
		}
	}
	claim(1, events[:1], store.Claimed)
	set.err = errors.New("disk on fire")
	claim(1, events)
	set.err = nil
	claim(2, events, store.InFlight, store.Claimed)
}
