package storetest

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
)

func figures(q *queueCheck) {
	before := q.now()
	q.accept(event("old", to("app", 1)))
	q.pass(3)
	later := q.now()
	for i := range 5 {
		q.accept(event(fmt.Sprint(i), to("app", store.Lane(2+i))))
	}
	want := func(waiting, underWay int64, oldest time.Time, dead map[string]int64) {
		q.Helper()
		got := q.stats("app")
		if got.Waiting != waiting || got.UnderWay != underWay || !maps.Equal(got.Dead, dead) || got.Paused {
			q.Errorf("got %+v, want %d waiting, %d under way, dead %v", got, waiting, underWay, dead)
		}
		if !q.near(got.Oldest, oldest) {
			q.Errorf("got oldest %v, want about %v", got.Oldest, oldest)
		}
	}
	want(6, 0, before, nil)
	taken := q.take("app", store.Want{Max: 5, Bytes: 1000}, "old", "0", "1", "2", "3")
	want(1, 5, before, nil)
	q.settle("app", store.Done, taken[0])
	q.settle("app", store.Dead, taken[1], taken[2])
	failed := attempt(store.Dead)
	failed.Cause = "status"
	q.record("app", store.Outcome{Held: taken[3].Held, Result: store.Dead, Attempt: failed})
	q.again("app", 2, taken[4])
	want(2, 0, later, map[string]int64{"timeout": 2, "status": 1})
	q.discard(store.Filter{}, 5)
	want(0, 0, time.Time{}, nil)

	stats, err := q.Stats(q.Context())
	if err != nil || stats.Bytes <= 0 {
		q.Errorf("Stats: got %d bytes and error %v, want some", stats.Bytes, err)
	}
	q.accept(event("z", to("z")), event("a", to("a")))
	if stats, err = q.Stats(q.Context()); err != nil || !slices.IsSortedFunc(stats.Destinations, func(a, b store.DestinationStats) int {
		return compare(a.Destination, b.Destination)
	}) {
		q.Errorf("Stats: got %+v and error %v, want the order of the names", stats.Destinations, err)
	}
}

func compare(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// shelf stores one delivery in each state, and returns the keys by the state.
func (q *queueCheck) shelf() map[store.DeliveryState]store.Key {
	items := map[store.DeliveryState]item{
		store.DeliveryDone: event("done", to("app")),
		store.DeliveryDead: event("dead", to("app")),
		store.Discarded:    event("discarded", to("app")),
		store.UnderWay:     event("under way", to("app")),
		store.Waiting:      event("waiting", to("app")),
		store.Unmatched:    event("unmatched"),
	}
	q.accept(items[store.DeliveryDone])
	q.settle("app", store.Done, q.take("app", many, "done")...)
	q.accept(items[store.DeliveryDead])
	q.settle("app", store.Dead, q.take("app", many, "dead")...)
	q.accept(items[store.Discarded])
	q.discard(store.Filter{States: []store.DeliveryState{store.Waiting}}, 1)
	q.accept(items[store.UnderWay])
	q.take("app", many, "under way")
	q.accept(items[store.Waiting], items[store.Unmatched])
	of := make(map[store.DeliveryState]store.Key)
	for state, it := range items {
		of[state] = it.key
	}
	return of
}

func listed(q *queueCheck) {
	shelf := q.shelf()
	n := q.notification(event("late", to("crm", 1)))
	n.Received = received.Add(time.Hour)
	n.Events[0].Info = store.Info{Object: "user", Kind: "photos", Conversation: "that one", Subject: "a subject"}
	q.acceptIs(n, false)

	all := []string{"late", "unmatched", "waiting", "under way", "discarded", "dead", "done"}
	for _, test := range []struct {
		name string
		f    store.Filter
		want []string
	}{
		{"all", store.Filter{}, all},
		{"destination", store.Filter{Destination: "app"}, all[2:]},
		{"no such destination", store.Filter{Destination: "ap"}, nil},
		{"waiting", states(store.Waiting), []string{"late", "waiting"}},
		{"under way", states(store.UnderWay), []string{"under way"}},
		{"done", states(store.DeliveryDone), []string{"done"}},
		{"dead", states(store.DeliveryDead), []string{"dead"}},
		{"discarded", states(store.Discarded), []string{"discarded"}},
		{"unmatched", states(store.Unmatched), []string{"unmatched"}},
		{"two states", states(store.DeliveryDead, store.Waiting), []string{"late", "waiting", "dead"}},
		{"keys", store.Filter{Keys: []store.Key{shelf[store.DeliveryDone], keys(1)[0], n.Events[0].Key}}, []string{"late", "done"}},
		{"object", store.Filter{Object: "user"}, all[:1]},
		{"kind", store.Filter{Kind: "feed"}, all[1:]},
		{"conversation", store.Filter{Conversation: "of dead"}, []string{"dead"}},
		{"a part of no conversation", store.Filter{Conversation: "of dea"}, nil},
		{"a part of the subject", store.Filter{Text: "nder w"}, []string{"under way"}},
		{"a part of the key", store.Filter{Text: shelf[store.Unmatched].String()[3:29]}, []string{"unmatched"}},
		{"from", store.Filter{From: n.Received}, all[:1]},
		{"before", store.Filter{To: n.Received}, all[1:]},
		{"from and before", store.Filter{From: received, To: received.Add(time.Millisecond)}, all[1:]},
		{
			"several",
			store.Filter{Object: "page", Text: "n", States: []store.DeliveryState{store.DeliveryDone, store.Discarded, store.Waiting}},
			[]string{"waiting", "done"},
		},
	} {
		if got := subjects(q.list(test.f, 100)); !slices.Equal(got, replaced(test.want, "late", "a subject")) {
			q.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
	for _, s := range q.list(store.Filter{Keys: []store.Key{shelf[store.DeliveryDead]}}, 100) {
		want := attempt(store.Dead)
		if s.Attempts != 1 || !sameAttempt(s.Last, want) || s.Size != len("dead") || !s.Received.Equal(received) ||
			s.Whole || s.Replay || s.Key != shelf[store.DeliveryDead] || s.Info.Entry != "1" {
			q.Errorf("got %+v, want all of the dead delivery", s)
		}
	}
}

func replaced(all []string, old, new string) []string {
	all = slices.Clone(all)
	for i := range all {
		if all[i] == old {
			all[i] = new
		}
	}
	return all
}

func states(states ...store.DeliveryState) store.Filter { return store.Filter{States: states} }

func subjects(found []store.Summary) []string {
	subjects := make([]string, 0, len(found))
	for i := range found {
		subjects = append(subjects, found[i].Info.Subject)
	}
	return subjects
}

func listPages(q *queueCheck) {
	var want []string
	for i := range 10 {
		q.accept(event(fmt.Sprint(i), to("app", store.Lane(i)), to("crm")))
		want = append([]string{fmt.Sprint(i)}, want...)
	}
	q.settle("app", store.Done, q.take("app", store.Want{Max: 5, Bytes: 1000}, "0", "1", "2", "3", "4")...)
	for _, limit := range []int{1, 3, 10, 11} {
		found := q.list(store.Filter{Destination: "app"}, limit)
		if got := subjects(found); !slices.Equal(got, want) {
			q.Errorf("limit %d: got %q, want %q", limit, got, want)
		}
		for i := range found[1:] {
			if found[i].Number <= found[i+1].Number {
				q.Errorf("limit %d: got number %d before %d", limit, found[i].Number, found[i+1].Number)
			}
		}
	}
	if got := len(q.list(store.Filter{}, 3)); got != 20 {
		q.Errorf("got %d deliveries to both destinations, want 20", got)
	}
	for _, cursor := range []string{"no cursor", "\x00", "-", "99999999999999999999", "5-x"} {
		_, _, err := q.List(q.Context(), store.Filter{}, cursor, 3)
		if !errors.Is(err, store.ErrCursor) {
			q.Errorf("List from %q: got error %v, want %v", cursor, err, store.ErrCursor)
		}
		if _, _, err = q.Replay(q.Context(), "app", store.Filter{}, cursor, 3, true); !errors.Is(err, store.ErrCursor) {
			q.Errorf("Replay from %q: got error %v, want %v", cursor, err, store.ErrCursor)
		}
		if _, _, err = q.Discard(q.Context(), store.Filter{}, cursor, 3, true); !errors.Is(err, store.ErrCursor) {
			q.Errorf("Discard from %q: got error %v, want %v", cursor, err, store.ErrCursor)
		}
	}
	for _, f := range []store.Filter{{Destination: "\x00"}, {Destination: "\xff"}, {Object: "\x00\xff"}, {Kind: "\x00"}, {Conversation: "\x1a0"}, {Text: "%\x00"}} {
		found, _, err := q.List(q.Context(), f, "", 3)
		if len(found) > 0 || err != nil {
			q.Errorf("%+v: got %d deliveries and error %v, want none", f, len(found), err)
		}
	}
}

func story(q *queueCheck) {
	it := event("event", to("app", 1), to("crm", 2))
	before := q.now()
	q.accept(it, event("other", to("crm", 3)))
	q.again("app", 1, q.take("app", many, "event")[0])
	q.pass(2)
	q.settle("app", store.Done, q.take("app", many, "event")...)
	q.replay("app", store.Filter{Keys: []store.Key{it.key}, Destination: "app"}, 1)
	got := q.story(it.key)
	if got.Key != it.key || string(got.Body) != "event" || string(got.Origin) != "origin" || !got.Received.Equal(received) ||
		got.Whole || got.Info.Subject != "event" {
		q.Errorf("got %+v, want all of the event", got)
	}
	want := []store.DeliveryStory{
		{Destination: "app", State: store.DeliveryDone, Since: before, Settled: q.now(), Attempts: []store.Attempt{attempt(store.Again), attempt(store.Done)}},
		{Destination: "crm", State: store.Waiting, Since: before},
		{Destination: "app", State: store.Waiting, Since: q.now(), Replay: true},
	}
	if len(got.Deliveries) != len(want) {
		q.Fatalf("got %+v, want %d deliveries", got.Deliveries, len(want))
	}
	for i, d := range got.Deliveries {
		if err := q.sameStory(d, want[i]); err != nil {
			q.Errorf("delivery %d: %v", i, err)
		}
		if i > 0 && d.Number <= got.Deliveries[i-1].Number {
			q.Errorf("delivery %d: got number %d after %d", i, d.Number, got.Deliveries[i-1].Number)
		}
	}
	stories, err := q.Story(q.Context(), keys(1)[0])
	if err != nil || len(stories) != 0 {
		q.Errorf("got %d stories and error %v of a key that is not stored, want none", len(stories), err)
	}

	// again after its window, with other targets
	q.pass(101)
	it.to = []store.Target{to("app", 1)}
	q.accept(it)
	if stories, err = q.Story(q.Context(), it.key); err != nil || len(stories) != 2 {
		q.Fatalf("got %d stories and error %v, want 2", len(stories), err)
	}
	if a, b := len(stories[0].Deliveries), len(stories[1].Deliveries); a != 1 || b != 3 {
		q.Errorf("got stories of %d and %d deliveries, want the latest first", a, b)
	}
}

// sameStory returns an error that says in what a delivery's story is not the
// one wanted.
func (q *queueCheck) sameStory(got, want store.DeliveryStory) error {
	switch {
	case got.Destination != want.Destination || got.Replay != want.Replay:
		return fmt.Errorf("got destination %q (replay: %t), want %q (replay: %t)", got.Destination, got.Replay, want.Destination, want.Replay)
	case got.State != want.State:
		return fmt.Errorf("got state %v, want %v", got.State, want.State)
	case !q.near(got.Since, want.Since):
		return fmt.Errorf("got since %v, want about %v", got.Since, want.Since)
	case !q.near(got.Settled, want.Settled):
		return fmt.Errorf("got settled %v, want about %v", got.Settled, want.Settled)
	case !slices.EqualFunc(got.Attempts, want.Attempts, sameAttempt):
		return fmt.Errorf("got attempts %+v, want %+v", got.Attempts, want.Attempts)
	}
	return nil
}

func replays(q *queueCheck) {
	it := event("one", to("app", 7))
	q.accept(it)
	first := q.take("app", many, "one")
	q.again("app", 1, first[0])
	q.pass(3)
	q.settle("app", store.Dead, q.take("app", many, "one")...)
	replayed := q.now()
	q.replay("app", states(store.DeliveryDead), 1)
	got := q.take("app", many, "one")[0]
	if got.Number <= first[0].Number || !got.Replay || got.Attempt != 1 || got.Key != it.key || !got.Received.Equal(received) ||
		string(got.Origin) != "origin" || !slices.Equal(got.Lanes, []store.Lane{7}) || got.Info.Subject != "one" {
		q.Errorf("got %+v, want a delivery of its own, of the same event", got)
	}
	if !q.near(got.Since, replayed) {
		q.Errorf("got since %v, want about %v", got.Since, replayed)
	}
	q.settle("app", store.Done, got)
	if got := q.stats("app"); got.Waiting+got.UnderWay != 0 || got.Dead["timeout"] != 1 {
		q.Errorf("got %+v, want the first delivery to be dead still", got)
	}
	found := q.list(store.Filter{Keys: []store.Key{it.key}}, 10)
	listed := make([]store.DeliveryState, 0, len(found))
	for _, s := range found {
		listed = append(listed, s.State)
	}
	if !slices.Equal(listed, []store.DeliveryState{store.DeliveryDone, store.DeliveryDead}) {
		q.Errorf("got states %v, want the replay done and the first dead", listed)
	}
}

func replayLeaves(q *queueCheck) {
	q.shelf()
	q.replay("app", store.Filter{}, 4) // not what waits, or is under way
	q.replay("app", store.Filter{}, 0)
	if got := q.stats("app"); got.Waiting != 5 || got.UnderWay != 1 {
		q.Errorf("got %+v, want five waiting and one under way", got)
	}
	q.settle("app", store.Done, q.take("app", many, "waiting", "done", "dead", "discarded", "unmatched")...)
	q.replay("app", store.Filter{}, 5) // each once, though some have two deliveries that fit
}

func replayBehind(q *queueCheck) {
	q.accept(event("1a", to("app", 1)), event("2a", to("app", 2)))
	q.settle("app", store.Done, q.take("app", many, "1a", "2a")...)
	q.replay("app", states(store.DeliveryDone), 2)
	q.accept(event("1b", to("app", 1)), event("3a", to("app", 3)), event("4a", to("app", 4)))
	one := store.Want{Max: 1, Bytes: 1000}
	for _, body := range []string{"3a", "4a", "1a"} {
		q.settle("app", store.Done, q.take("app", one, body)...)
	}
	q.settle("app", store.Done, q.take("app", one, "1b")...)
	q.take("app", one, "2a")
}

func replayOrder(q *queueCheck) {
	want := make([]string, 0, 9)
	for i := range 9 {
		q.accept(event(fmt.Sprint(i), to("app", store.Lane(i%3))))
		want = append(want, fmt.Sprint(i))
	}
	for at := 0; at < 9; at += 3 {
		q.settle("app", store.Done, q.take("app", many, want[at:at+3]...)...)
	}
	// a page at a time, with deliveries in between
	cursor, total := "", 0
	for i := 0; ; i++ {
		n, next, err := q.Replay(q.Context(), "app", store.Filter{}, cursor, 2, false)
		if err != nil || n > 2 || i > 1000 {
			q.Fatalf("Replay: got %d and error %v in call %d, want up to 2", n, err, i)
		}
		total += n
		if next == "" {
			break
		}
		q.settle("app", store.Done, q.takeFrom(q.Queue, "app", many, n > 0)...)
		cursor = next
	}
	if total != 9 {
		q.Errorf("Replay: got %d in all, want each of 9 once", total)
	}
	q.settle("app", store.Done, q.takeFrom(q.Queue, "app", many, false)...)
	found := q.list(store.Filter{}, 100)
	if len(found) != 18 {
		q.Fatalf("got %d deliveries, want 18", len(found))
	}
	got := subjects(found)[:9]
	slices.Reverse(got)
	if !slices.Equal(got, want) {
		q.Errorf("got replays of %q, want the order of the events", got)
	}
}

func replayElsewhere(q *queueCheck) {
	unmatched, lone := event("unmatched"), event("lone")
	n := q.notification(unmatched, lone, event("matched", to("app", 5, 6), to("web", 7)))
	n.Events[1].Info.Conversation = ""
	q.acceptIs(n, false, false, false)
	q.settle("app", store.Done, q.take("app", many, "matched")...)
	q.replay("crm", store.Filter{}, 3)
	for i, d := range q.take("crm", many, "unmatched", "lone", "matched") {
		want := [][]store.Lane{{store.LaneOf("of unmatched")}, nil, {5, 6}}[i]
		if !slices.Equal(d.Lanes, want) || !d.Replay {
			q.Errorf("%s: got %+v, want a replay in lanes %v", d.Body, d, want)
		}
	}
	q.replay("new", store.Filter{Destination: "web"}, 1)
	q.take("new", many, "matched")
}

func discards(q *queueCheck) {
	a, b := event("1a", to("app", 1)), event("1b", to("app", 1))
	q.accept(a, b, event("1c", to("app", 1), to("crm", 1)), event("1d", to("app", 1), to("crm", 1)))
	taken := q.take("app", many, "1a")
	q.discard(store.Filter{Keys: []store.Key{a.key}}, 0) // it is under way
	q.discard(store.Filter{Keys: []store.Key{b.key}}, 1)
	q.settle("app", store.Dead, taken...)
	crm := q.take("crm", many, "1c")
	q.settle("app", store.Done, q.take("app", many, "1c")...)
	q.discard(store.Filter{Destination: "app"}, 2)
	q.take("app", many)
	q.settle("crm", store.Done, crm...)
	q.take("crm", many, "1d") // which was discarded at the other destination alone
	q.settle("app", store.Done, taken...)
	got := map[string]store.DeliveryState{}
	for _, s := range q.list(store.Filter{Destination: "app"}, 10) {
		got[s.Info.Subject] = s.State
	}
	want := map[string]store.DeliveryState{"1a": store.Discarded, "1b": store.Discarded, "1c": store.DeliveryDone, "1d": store.Discarded}
	if !maps.Equal(got, want) {
		q.Errorf("got %v, want %v", got, want)
	}
	if len(q.stats("app").Dead) != 0 {
		q.Errorf("got dead %v, want none", q.stats("app").Dead)
	}
}

func pauses(q *queueCheck) {
	pause := func(paused bool) {
		q.Helper()
		if err := q.Pause(q.Context(), "app", paused); err != nil {
			q.Fatalf("Pause: got error %v, want none", err)
		}
		if got := q.stats("app").Paused; got != paused {
			q.Errorf("got paused: %t, want %t", got, paused)
		}
	}
	pause(true)
	pause(true)
	q.accept(event("one", to("app", 1), to("crm", 1)), event("two", to("app", 1)))
	q.take("app", many)
	q.take("crm", many, "one")
	pause(false)
	taken := q.take("app", many, "one")
	pause(true)
	q.settle("app", store.Done, taken...)
	q.take("app", many)
	q.restart()
	q.take("app", many)
	waiting := make(chan []string)
	go func() { waiting <- bodiesOf(q.takeFrom(q.Queue, "app", many, true)) }()
	time.Sleep(q.Patience)
	pause(false)
	if got := <-waiting; !slices.Equal(got, []string{"two"}) {
		q.Errorf("Take: got %q, want it to go on", got)
	}
}
