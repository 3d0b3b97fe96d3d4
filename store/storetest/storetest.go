// Package storetest tests whether a store keeps the promises of
// [store.Ledger], and a queue those of [store.Queue].
//
// A module with a store of its own calls [Run] in a test:
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) storetest.Subject { ... })
//	}
//
// One with a queue of its own calls [TestQueue], likewise.
package storetest

import (
	"crypto/rand"
	"encoding/binary"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
)

// A Subject is what is tested: stores that share their state, and a clock.
type Subject struct {
	// Open opens the store of a name. Stores of one name share what they
	// remember.
	Open func(name string) (store.Ledger, error)

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
		{"a delivered event cannot be claimed", delivered},
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
		{"a window may be of any length", longWindow},
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
			c.Ledger = c.open("default")
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
	store.Ledger
	opened []store.Ledger
}

func (c *check) open(name string) store.Ledger {
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
func (c *check) claim(token store.Token, events []store.Key, want ...store.State) {
	c.Helper()
	c.claimIn(c.Ledger, token, events, want...)
}

func (c *check) claimIn(ledger store.Ledger, token store.Token, events []store.Key, want ...store.State) {
	c.Helper()
	got, err := ledger.Claim(c.Context(), token, events, lease)
	if err != nil {
		c.Fatalf("Claim: got error %v, want none", err)
	}
	if !slices.Equal(got, want) {
		c.Errorf("Claim: got %v, want %v", got, want)
	}
}

func (c *check) commit(token store.Token, events []store.Key, window time.Duration) {
	c.Helper()
	if err := c.Commit(c.Context(), token, events, window); err != nil {
		c.Fatalf("Commit: got error %v, want none", err)
	}
}

func (c *check) release(token store.Token, events []store.Key) {
	c.Helper()
	if err := c.Release(c.Context(), token, events); err != nil {
		c.Fatalf("Release: got error %v, want none", err)
	}
}

// keys returns n new keys.
func keys(n int) []store.Key {
	keys := make([]store.Key, n)
	for i := range keys {
		_, _ = rand.Read(keys[i][:])
	}
	return keys
}

// tokens returns two new tokens.
func tokens() (a, b store.Token) {
	var random [16]byte
	_, _ = rand.Read(random[:])
	return store.Token(binary.BigEndian.Uint64(random[:8])), store.Token(binary.BigEndian.Uint64(random[8:]))
}

// all returns n times the same state.
func all(n int, state store.State) []store.State {
	return slices.Repeat([]store.State{state}, n)
}

// count returns how many of the states are the given one.
func count(states []store.State, state store.State) (n int) {
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
