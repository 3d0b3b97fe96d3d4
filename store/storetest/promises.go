package storetest

import (
	"slices"
	"sync"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
)

func oneClaimant(c *check) {
	a, b := tokens()
	event := keys(1)
	c.claim(a, event, store.Claimed)
	c.claim(b, event, store.InFlight)
	c.Advance(lease - time.Second)
	c.claim(b, event, store.InFlight)
}

func delivered(c *check) {
	a, b := tokens()
	event := keys(1)
	c.claim(a, event, store.Claimed)
	c.commit(a, event, window)
	c.claim(b, event, store.Delivered)
	c.claim(a, event, store.Delivered)
}

func released(c *check) {
	a, b := tokens()
	event := keys(1)
	c.claim(a, event, store.Claimed)
	c.release(a, event)
	c.claim(b, event, store.Claimed)
	c.claim(a, event, store.InFlight)
}

func leaseEnds(c *check) {
	a, b := tokens()
	event := keys(1)
	c.claim(a, event, store.Claimed)
	c.Advance(lease + time.Second)
	c.claim(b, event, store.Claimed)
	c.claim(a, event, store.InFlight)
}

func renewal(c *check) {
	a, b := tokens()
	event := keys(1)
	c.claim(a, event, store.Claimed)
	for range 3 {
		c.Advance(lease - time.Second)
		c.claim(a, event, store.Claimed)
	}
	c.claim(b, event, store.InFlight)
	c.Advance(lease + time.Second)
	c.claim(a, event, store.Claimed) // no other claim has taken it meanwhile
	c.claim(b, event, store.InFlight)
}

func lostRenewal(c *check) {
	a, b := tokens()
	events := keys(3)
	c.claim(a, events, all(3, store.Claimed)...)
	c.Advance(lease + time.Second)
	c.claim(b, events[:2], store.Claimed, store.Claimed)
	c.commit(b, events[:1], window)
	c.claim(a, events, store.Delivered, store.InFlight, store.Claimed)
}

func lostRelease(c *check) {
	a, b := tokens()
	event := keys(1)
	c.claim(a, event, store.Claimed)
	c.Advance(lease + time.Second)
	c.claim(b, event, store.Claimed)
	c.release(a, event)
	c.claim(a, event, store.InFlight)
	c.claim(b, event, store.Claimed)
}

func lostCommit(c *check) {
	a, b := tokens()
	event := keys(1)
	c.claim(a, event, store.Claimed)
	c.Advance(lease + time.Second)
	c.claim(b, event, store.Claimed)
	c.commit(a, event, window)
	c.claim(b, event, store.Delivered)
	c.release(b, event)
	c.claim(a, event, store.Delivered)
}

func releaseAfterCommit(c *check) {
	a, b := tokens()
	event := keys(1)
	c.claim(a, event, store.Claimed)
	c.commit(a, event, window)
	c.release(a, event)
	c.claim(b, event, store.Delivered)
}

func commitAlone(c *check) {
	a, b := tokens()
	event := keys(1)
	c.commit(a, event, window)
	c.claim(b, event, store.Delivered)
}

func commitEndsClaim(c *check) {
	a, b := tokens()
	event := keys(1)
	c.claim(a, event, store.Claimed)
	c.commit(a, event, time.Second) // shorter than the lease
	c.Advance(3 * time.Second)
	c.claim(b, event, store.Claimed)
}

func windows(c *check) {
	a, b := tokens()
	events := keys(3)
	c.commit(a, events[:1], 10*time.Minute)
	c.commit(a, events[1:2], time.Hour)
	c.commit(a, events[2:], 7*24*time.Hour)
	c.Advance(10*time.Minute - time.Second)
	c.claim(b, events, all(3, store.Delivered)...)
	c.Advance(3 * time.Second)
	c.claim(b, events, store.Claimed, store.Delivered, store.Delivered)
	c.Advance(50*time.Minute - 5*time.Second)
	c.claim(b, events[1:], store.Delivered, store.Delivered)
	c.Advance(5 * time.Second)
	c.claim(b, events[1:], store.Claimed, store.Delivered)
	c.Advance(7*24*time.Hour - time.Hour - 10*time.Second)
	c.claim(b, events[2:], store.Delivered)
	c.Advance(20 * time.Second)
	c.claim(b, events[2:], store.Claimed)
}

func longWindow(c *check) {
	a, b := tokens()
	event := keys(1)
	c.commit(a, event, 250*365*24*time.Hour)
	c.claim(b, event, store.Delivered)
}

func secondWindow(c *check) {
	a, b := tokens()
	event := keys(1)
	c.commit(a, event, time.Hour)
	c.Advance(time.Hour + 2*time.Second)
	c.claim(a, event, store.Claimed)
	c.commit(a, event, time.Hour)
	c.Advance(time.Hour - time.Second)
	c.claim(b, event, store.Delivered)
	c.commit(a, keys(1), time.Hour) // whatever others do
	c.claim(b, event, store.Delivered)
	c.Advance(3 * time.Second)
	c.claim(b, event, store.Claimed)
}

func repeated(c *check) {
	a, b := tokens()
	events := keys(2)
	for range 2 {
		c.claim(a, events, store.Claimed, store.Claimed)
	}
	for range 2 {
		c.release(a, events[:1])
	}
	for range 2 {
		c.commit(a, events[1:], window)
	}
	c.claim(b, events, store.Claimed, store.Delivered)
}

func manyEvents(c *check) {
	const n = 1000
	a, b := tokens()
	events := keys(n)
	want := all(n, store.InFlight)
	var claimed, done []store.Key
	for i := range events {
		switch i % 3 {
		case 0:
			claimed = append(claimed, events[i])
		case 1:
			done, want[i] = append(done, events[i]), store.Delivered
		case 2:
			want[i] = store.Claimed
		}
	}
	c.claim(a, claimed, all(len(claimed), store.Claimed)...)
	c.commit(a, done, window)
	c.claim(b, events, want...)
	slices.Reverse(events)
	slices.Reverse(want)
	c.claim(b, events, want...)
}

func noEvents(c *check) {
	a, _ := tokens()
	c.claim(a, nil)
	c.commit(a, nil, window)
	c.release(a, nil)
}

func names(c *check) {
	a, b := tokens()
	events := keys(2)
	c.claim(a, events, store.Claimed, store.Claimed)
	c.commit(a, events[:1], window)
	for _, name := range []string{"other", "defaul", "default/", "Default", "d\n", "ünï'cödé\"; --"} {
		other := c.open(name)
		c.claimIn(other, b, events, store.Claimed, store.Claimed)
		if err := other.Release(c.Context(), a, events); err != nil {
			c.Errorf("Release: got error %v, want none", err)
		}
		c.claimIn(other, a, events, store.InFlight, store.InFlight)
	}
	c.claim(b, events, store.Delivered, store.InFlight)
}

func sharing(c *check) {
	a, b := tokens()
	events := keys(3)
	second := c.open("default")
	c.claim(a, events, all(3, store.Claimed)...)
	c.commit(a, events[:1], window)
	c.release(a, events[1:2])
	c.claimIn(second, b, events, store.Delivered, store.Claimed, store.InFlight)

	first := c.opened[0]
	c.opened = c.opened[1:]
	if err := first.Close(); err != nil {
		c.Errorf("Close: got error %v, want none", err)
	}
	c.claimIn(second, a, events, store.Delivered, store.InFlight, store.Claimed)
	c.claimIn(c.open("default"), b, events, store.Delivered, store.Claimed, store.InFlight)
}

func arguments(c *check) {
	a, b := tokens()
	events := keys(2)
	given := slices.Clone(events)
	c.claim(a, given, store.Claimed, store.Claimed)
	copy(given, keys(2))
	given = append(given[:0], events[0])
	c.commit(a, given, window)
	copy(given, keys(1))
	c.claim(b, events, store.Delivered, store.InFlight)
}

func race(c *check) {
	const claimants, n = 16, 50
	events := keys(n)
	var (
		mu  sync.Mutex
		won = make([]int, n)
	)
	together(claimants, func(int) {
		token, _ := tokens()
		for i := range events {
			states, err := c.Claim(c.Context(), token, events[i:i+1], lease)
			if err != nil {
				c.Errorf("Claim: got error %v, want none", err)
			} else if states[0] == store.Claimed {
				mu.Lock()
				won[i]++
				mu.Unlock()
			}
		}
	})
	if !slices.Equal(won, slices.Repeat([]int{1}, n)) {
		c.Errorf("got %v claimants for the events, want one for each", won)
	}
}

func atomic(c *check) {
	const claimants, n = 16, 100
	events := keys(n)
	got := make([][]store.State, claimants)
	together(claimants, func(i int) {
		token, _ := tokens()
		mine := slices.Clone(events)
		if i%2 == 1 {
			slices.Reverse(mine)
		}
		states, err := c.Claim(c.Context(), token, mine, lease)
		if err != nil {
			c.Errorf("Claim: got error %v, want none", err)
		}
		got[i] = states
	})
	winners := 0
	for _, states := range got {
		switch count(states, store.Claimed) {
		case 0:
		case n:
			winners++
		default:
			c.Errorf("got %d of %d events claimed, want all or none", count(states, store.Claimed), n)
		}
	}
	if winners != 1 {
		c.Errorf("got %d claimants with all events, want 1", winners)
	}
}

func commitRace(c *check) {
	const n = 50
	a, b := tokens()
	events := keys(n)
	c.claim(a, events, all(n, store.Claimed)...)
	together(2, func(i int) {
		for at := range events {
			event := events[at : at+1]
			if i == 0 {
				if err := c.Commit(c.Context(), a, event, window); err != nil {
					c.Errorf("Commit: got error %v, want none", err)
				}
				continue
			}
			for state := store.InFlight; state == store.InFlight; {
				states, err := c.Claim(c.Context(), b, event, lease)
				if err != nil {
					c.Errorf("Claim: got error %v, want none", err)
					return
				}
				if state = states[0]; state == store.Claimed {
					c.Errorf("got an event claimed while it was committed, want it in flight or delivered")
				}
			}
		}
	})
}

func restart(c *check) {
	if c.Restart == nil {
		c.Skip("the store does not last")
	}
	a, b := tokens()
	events := keys(100)
	c.claim(a, events, all(100, store.Claimed)...)
	c.commit(a, events[:99], window)
	c.close()
	c.Subject.Restart()
	c.Ledger = c.open("default")
	c.claim(b, events[:99], all(99, store.Delivered)...)
	c.Advance(lease + time.Second) // of the process that is gone
	c.claim(b, events[99:], store.Claimed)
}
