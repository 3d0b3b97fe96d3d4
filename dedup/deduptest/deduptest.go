// Package deduptest tests whether a store keeps the promises of
// [dedup.Store].
//
// A module with a store of its own calls [Run] in a test:
//
//	func TestStore(t *testing.T) {
//		deduptest.Run(t, func(t *testing.T) deduptest.Subject { ... })
//	}
package deduptest

import (
	"crypto/rand"
	"encoding/binary"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/dedup"
)

// A Subject is what is tested: stores that share their state, and a clock.
type Subject struct {
	// Open opens the store of a name. Stores of one name share what they
	// remember.
	Open func(name string) (dedup.Store, error)

	// Advance lets time pass, or seem to pass, for the stores.
	Advance func(time.Duration)

	// Restart, for a store that lasts, makes the stores that are opened
	// afterwards those of a new process. All have been closed before.
	Restart func()
}

// Run runs all tests, each on a subject of its own.
func Run(t *testing.T, subject func(t *testing.T) Subject) {
	for _, test := range []struct {
		name string
		run  func(*check)
	}{
		{"an absent event is claimed by one", oneClaimant},
		{"a delivered event is nobody's to claim", delivered},
		{"a released event is the next one's", released},
		{"a lease ends", leaseEnds},
		{"claiming again renews", renewal},
		{"who has lost a claim cannot renew it", lostRenewal},
		{"who has lost a claim cannot release it", lostRelease},
		{"who has lost a claim can still commit", lostCommit},
		{"a release does not undo a commit", releaseAfterCommit},
		{"a commit needs no claim", commitAlone},
		{"a commit ends the claim", commitEndsClaim},
		{"windows end", windows},
		{"a commit after the window starts another", secondWindow},
		{"calls can be repeated", repeated},
		{"many events keep their order", manyEvents},
		{"no events are no error", noEvents},
		{"names do not see each other", names},
		{"stores of one name share", sharing},
		{"arguments are not kept", arguments},
		{"of many claimants one wins", race},
		{"claims are atomic", atomic},
		{"a commit leaves no gap", commitRace},
		{"a restart forgets nothing", restart},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := subject(t)
			c := &check{T: t, Subject: s}
			t.Cleanup(c.close)
			c.Store = c.open("default")
			test.run(c)
		})
	}
}

const (
	lease  = 15 * time.Second
	window = 36 * time.Hour
)

// A check is a running test.
type check struct {
	*testing.T
	Subject
	dedup.Store
	opened []dedup.Store
}

func (c *check) open(name string) dedup.Store {
	c.Helper()
	s, err := c.Subject.Open(name)
	if err != nil {
		c.Fatalf("Open: got error %v, want none", err)
	}
	c.opened = append(c.opened, s)
	return s
}

func (c *check) close() {
	for _, s := range c.opened {
		if err := s.Close(); err != nil {
			c.Errorf("Close: got error %v, want none", err)
		}
	}
	c.opened = nil
}

// claim claims events in a store, and fails the test unless they are in these
// states.
func (c *check) claim(token dedup.Token, events []dedup.Key, want ...dedup.State) {
	c.Helper()
	c.claimIn(c.Store, token, events, want...)
}

func (c *check) claimIn(store dedup.Store, token dedup.Token, events []dedup.Key, want ...dedup.State) {
	c.Helper()
	got, err := store.Claim(c.Context(), token, events, lease)
	if err != nil {
		c.Fatalf("Claim: got error %v, want none", err)
	}
	if !slices.Equal(got, want) {
		c.Errorf("Claim: got %v, want %v", got, want)
	}
}

func (c *check) commit(token dedup.Token, events []dedup.Key, window time.Duration) {
	c.Helper()
	if err := c.Commit(c.Context(), token, events, window); err != nil {
		c.Fatalf("Commit: got error %v, want none", err)
	}
}

func (c *check) release(token dedup.Token, events []dedup.Key) {
	c.Helper()
	if err := c.Release(c.Context(), token, events); err != nil {
		c.Fatalf("Release: got error %v, want none", err)
	}
}

// keys returns n keys that nobody has.
func keys(n int) []dedup.Key {
	keys := make([]dedup.Key, n)
	for i := range keys {
		_, _ = rand.Read(keys[i][:])
	}
	return keys
}

// tokens returns two tokens that nobody has.
func tokens() (a, b dedup.Token) {
	var random [16]byte
	_, _ = rand.Read(random[:])
	return dedup.Token(binary.BigEndian.Uint64(random[:8])), dedup.Token(binary.BigEndian.Uint64(random[8:]))
}

// all returns n times the same state.
func all(n int, state dedup.State) []dedup.State {
	return slices.Repeat([]dedup.State{state}, n)
}

// count returns how many of the states are the given one.
func count(states []dedup.State, state dedup.State) (n int) {
	for _, s := range states {
		if s == state {
			n++
		}
	}
	return n
}

// together runs n goroutines that begin at the same time, and waits for them.
func together(n int, do func(i int)) {
	var (
		running sync.WaitGroup
		start   = make(chan struct{})
	)
	for i := range n {
		running.Go(func() {
			<-start
			do(i)
		})
	}
	close(start)
	running.Wait()
}
