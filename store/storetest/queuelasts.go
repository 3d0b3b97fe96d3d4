package storetest

import (
	"fmt"
	"slices"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
)

func queueNames(q *queueCheck) {
	it := event("one", to("app", 1))
	q.accept(it)
	for _, name := range []string{"other", "defaul", "default/", "Default", "d\n", "ünï'cödé\"; --", "..", strings200} {
		other := q.open(name)
		if got, err := other.Accept(q.Context(), q.notification(it)); err != nil || !slices.Equal(got, []bool{false}) {
			q.Fatalf("name %q: got repeats %v and error %v, want a new event", name, got, err)
		}
		taken := q.takeFrom(other, "app", many, true)
		if len(taken) != 1 {
			q.Fatalf("name %q: got %d deliveries, want 1", name, len(taken))
		}
		if err := other.Pause(q.Context(), "app", true); err != nil {
			q.Errorf("name %q: Pause: got error %v, want none", name, err)
		}
	}
	if got := q.list(store.Filter{}, 10); len(got) != 1 || got[0].State != store.Waiting {
		q.Errorf("got %+v, want one that waits", got)
	}
	q.take("app", many, "one")
}

func queueSharing(q *queueCheck) {
	second := q.open("default")
	it := event("1a", to("app", 1))
	q.accept(it, event("1b", to("app", 1)))
	if got, err := second.Accept(q.Context(), q.notification(it)); err != nil || !slices.Equal(got, []bool{true}) {
		q.Errorf("got repeats %v and error %v, want a repeat", got, err)
	}
	taken := q.takeFrom(second, "app", many, true)
	q.take("app", many)
	q.settle("app", store.Done, taken...)
	q.take("app", many, "1b")
	if err := second.Pause(q.Context(), "crm", true); err != nil || !q.stats("crm").Paused {
		q.Errorf("Pause: got error %v and paused: %t, want it paused for both", err, q.stats("crm").Paused)
	}
}

func closing(q *queueCheck) {
	first := q.Queue
	second := q.open("default")
	q.accept(event("1a", to("app", 1)), event("2a", to("app", 2)))
	one := store.Want{Max: 1, Bytes: 1000}
	q.take("app", one, "1a")
	q.Queue = second
	kept := q.take("app", one, "2a")
	ended := make(chan error)
	go func() {
		_, err := first.Take(q.Context(), "app", many)
		ended <- err
	}()
	time.Sleep(q.Patience)
	if err := first.Close(); err != nil {
		q.Errorf("Close: got error %v, want none", err)
	}
	q.opened = q.opened[1:]
	select {
	case err := <-ended:
		if err == nil {
			q.Error("Take: got no error after Close, want one")
		}
	case <-time.After(q.lost()):
		q.Fatal("Take: it waits after Close, want it to return")
	}
	again := q.take("app", many, "1a")
	if again[0].Attempt != 1 {
		q.Errorf("got attempt %d, want 1", again[0].Attempt)
	}
	q.renew("app", 5, kept)
	q.settle("app", store.Done, kept...)
}

func queueRestart(q *queueCheck) { lasts(q, q.restart) }

func queueCrash(q *queueCheck) { lasts(q, q.crash) }

func lasts(q *queueCheck, end func()) {
	shelf := q.shelf()
	it := event("crm 1", to("crm", 1))
	q.accept(it, event("crm 2", to("crm", 1)))
	q.again("crm", 20, q.take("crm", many, "crm 1")[0])
	if err := q.Pause(q.Context(), "quiet", true); err != nil {
		q.Errorf("Pause: got error %v, want none", err)
	}
	before, err := listAll(q.Context(), q.Queue, store.Filter{}, 100)
	if err != nil {
		q.Fatal(err)
	}
	end()
	for range 2 {
		q.pass(6) // the leases of the process that is gone end
		after, err := listAll(q.Context(), q.Queue, store.Filter{}, 100)
		if err != nil || len(after) != len(before) {
			q.Fatalf("got %d deliveries and error %v, want %d", len(after), err, len(before))
		}
		for i := range after {
			want := before[i]
			if want.State == store.UnderWay {
				want.State = store.Waiting
			}
			got := after[i]
			if got.Number != want.Number || got.Key != want.Key || got.State != want.State || got.Attempts != want.Attempts ||
				got.Info != want.Info || got.Destination != want.Destination || !sameAttempt(got.Last, want.Last) {
				q.Errorf("got %+v, want %+v", got, want)
			}
		}
		q.restart()
	}
	if !q.stats("quiet").Paused {
		q.Error("got the destination going on, want it paused")
	}
	repeat := item{key: shelf[store.DeliveryDone], window: 100, body: "done", to: []store.Target{to("app")}}
	q.acceptIs(q.notification(repeat, it), true, true)
	q.take("crm", many)
	q.pass(10)
	if got := q.take("crm", many, "crm 1"); got[0].Attempt != 2 || !slices.Equal(got[0].Lanes, []store.Lane{1}) {
		q.Errorf("got %+v, want the second attempt", got[0])
	}
	q.take("app", many, "under way", "waiting")
	q.replay("app", states(store.DeliveryDone, store.DeliveryDead, store.Discarded, store.Unmatched), 4)
	q.take("app", many, "done", "dead", "discarded", "unmatched")
	if err := q.Pause(q.Context(), "quiet", false); err != nil {
		q.Errorf("Pause: got error %v, want none", err)
	}
}

// strings200 is a long name.
var strings200 = fmt.Sprintf("%0200d", 7)
