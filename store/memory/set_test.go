package memory_test

import (
	"testing"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/ledgertest"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
)

// TestClaimsTakeNoPlaceOfTheRemembered has more events claimed than a store
// remembers: none of those that it does is forgotten for them, and each claim
// holds.
func TestClaimsTakeNoPlaceOfTheRemembered(t *testing.T) {
	const most = 100
	name, c := ledgertest.Scope(), new(ledgertest.Clock)
	s := ledgertest.Open(t, newMemory(t, c, most), name)
	remembered, claimed := ledgertest.RandomKeys(most), ledgertest.RandomKeys(10*most)
	ledgertest.Commit(t, s, remembered, time.Hour)
	for _, token := range []store.Token{7, 8} {
		states, err := s.Claim(t.Context(), token, claimed, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		want := store.Claimed
		if token == 8 {
			want = store.InFlight
		}
		for i, state := range states {
			if state != want {
				t.Fatalf("claim %d with token %d: got %v, want %v", i, token, state, want)
			}
		}
	}
	ledgertest.WantAll(t, s, remembered, store.Delivered)
	wantEvicted(t, name, 0)
}

// TestAClaimHoldsToTheNanosecond claims for leases that are no whole seconds,
// long after the store began.
func TestAClaimHoldsToTheNanosecond(t *testing.T) {
	name, c := ledgertest.Scope(), new(ledgertest.Clock)
	s := ledgertest.Open(t, newMemory(t, c, 10), name)
	events := ledgertest.RandomKeys(1)
	state := func(token store.Token, lease time.Duration) store.State {
		t.Helper()
		states, err := s.Claim(t.Context(), token, events, lease)
		if err != nil {
			t.Fatal(err)
		}
		return states[0]
	}
	token := store.Token(1 << 63)
	for _, passed := range []time.Duration{0, time.Nanosecond, 4*time.Second + 294967296, 20 * 365 * 24 * time.Hour} {
		c.Advance(passed)
		const lease = 5*time.Second + time.Nanosecond
		if got := state(token, lease); got != store.Claimed {
			t.Fatalf("after %v: got %v, want %v", passed, got, store.Claimed)
		}
		c.Advance(lease - time.Nanosecond)
		if got := state(token+1, lease); got != store.InFlight {
			t.Errorf("after %v, a nanosecond before the lease ends: got %v, want %v", passed, got, store.InFlight)
		}
		c.Advance(time.Nanosecond)
		token++
	}
}

// TestAClaimOfWhatHasExpiredIsLikeAnyOther claims an event whose window has
// ended, and which the store has not forgotten yet.
func TestAClaimOfWhatHasExpiredIsLikeAnyOther(t *testing.T) {
	name, c := ledgertest.Scope(), new(ledgertest.Clock)
	s := ledgertest.Open(t, newMemory(t, c, 10), name)
	event, others := ledgertest.RandomKeys(1), ledgertest.RandomKeys(20)
	ledgertest.Commit(t, s, event, time.Hour)
	c.Advance(time.Hour + 2*time.Second)
	for range 3 {
		if states, err := s.Claim(t.Context(), 7, event, time.Minute); err != nil || states[0] != store.Claimed {
			t.Fatalf("got %v, %v; want %v", states, err, store.Claimed)
		}
		if err := s.Release(t.Context(), 7, event); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Claim(t.Context(), 7, event, time.Minute); err != nil {
		t.Fatal(err)
	}
	ledgertest.Commit(t, s, others[:5], time.Hour) // takes the expired one out of its queue
	if states, err := s.Claim(t.Context(), 8, event, time.Minute); err != nil || states[0] != store.InFlight {
		t.Errorf("got %v, %v; want %v", states, err, store.InFlight)
	}
	if err := s.Commit(t.Context(), 7, event, time.Hour); err != nil {
		t.Fatal(err)
	}
	ledgertest.WantAll(t, s, event, store.Delivered)
	ledgertest.Commit(t, s, others[5:], time.Hour)
	wantEvicted(t, name, 5+1+15-10)
}
