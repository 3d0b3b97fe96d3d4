package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
)

var queueTests = []struct {
	name string
	run  func(*queueCheck)
}{
	{"a delivery has all of its event", wholeDelivery},
	{"text and bytes are kept as they are", anyBytes},
	{"an event goes to each of its destinations", destinations},
	{"a repeat is not stored", repeats},
	{"an event is a repeat until its window has passed", queueWindows},
	{"an event without a window is new", noWindow},
	{"a whole notification is stored unless all of it are repeats", wholeNotification},
	{"of many that accept an event one stores it", acceptRace},
	{"a large notification is stored", largeNotification},
	{"what is accepted is not the caller's to change", acceptedArguments},

	{"Take waits for an event", takeWaits},
	{"Take waits until its context ends", takeEnds},
	{"Take waits for the next attempt", takeWaitsForAttempt},
	{"deliveries of a lane wait for each other", laneOrder},
	{"a delivery waits for all of its lanes", severalLanes},
	{"an attempt that is to be repeated holds its lane", againHoldsLane},
	{"a dead delivery frees its lane", deadFreesLane},
	{"deliveries without a lane do not wait", noLane},
	{"Take keeps to its limits", limits},
	{"Take takes consecutive deliveries of a lane if asked to", runs},
	{"a run ends where a later attempt waits", runEnds},
	{"Take collects what comes in time", collects},
	{"no two take one delivery", takeRace},

	{"a lease ends", queueLeaseEnds},
	{"a lease is renewed", queueRenewal},
	{"a lease that has ended is lost", queueLost},
	{"what is settled is lost", settledIsLost},
	{"a delivery that is done is done", doneIsDone},
	{"a late outcome changes nothing else", lateOutcome},
	{"what is returned was not taken", returned},
	{"attempts are counted", attemptsCount},
	{"the outcomes of a call are recorded in order", outcomesInOrder},

	{"the figures are true", figures},
	{"a list has what fits", listed},
	{"a list has pages", listPages},
	{"a story has everything", story},
	{"a replay is a delivery of its own", replays},
	{"a replay leaves what waits", replayLeaves},
	{"a replay takes its place behind live events", replayBehind},
	{"replays keep the order of the events", replayOrder},
	{"a replay can go to another destination", replayElsewhere},
	{"a discarded delivery frees its lane", discards},
	{"a paused destination has nothing due", pauses},

	{"names do not see each other's events", queueNames},
	{"queues of one name share", queueSharing},
	{"a queue that is closed gives up what it has", closing},
	{"a restart loses nothing", queueRestart},
	{"a crash loses nothing", queueCrash},
}

func wholeDelivery(q *queueCheck) {
	n := q.notification(event("one", to("app", 1, 2, 3)), event("two", to("app", 4)))
	n.Origin = []byte("the origin")
	before := q.now()
	q.acceptIs(n, false, false)
	taken := q.take("app", many, "one", "two")
	for i := range taken {
		got := taken[i]
		want := store.Delivery{
			Held: got.Held, Key: n.Events[i].Key, Info: n.Events[i].Info, Body: n.Events[i].Body, Origin: n.Origin,
			Lanes: n.Events[i].Targets[0].Lanes, Since: got.Since, Attempt: 1,
		}
		if !got.Received.Equal(n.Received) {
			q.Errorf("got received %v, want %v", got.Received, n.Received)
		}
		if !q.near(got.Since, before) {
			q.Errorf("got since %v, want about %v", got.Since, before)
		}
		got.Received = want.Received
		if !reflect.DeepEqual(got, want) {
			q.Errorf("got\n%+v, want\n%+v", got, want)
		}
	}
	if taken[0].Number >= taken[1].Number {
		q.Errorf("got numbers %d and %d, want the later event's to be higher", taken[0].Number, taken[1].Number)
	}
}

func anyBytes(q *queueCheck) {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	const text = "ünï'cödé\"; --\\ \u2028 😀 %s $1"
	long := strings.Repeat("long ", 10_000)
	n := &store.Notification{Received: received, Origin: all, Events: []store.Event{
		{
			Key: keys(1)[0], Window: q.units(9), Body: all,
			Info:    store.Info{Object: text, Entry: text, Field: text, Kind: text, Subject: text, Conversation: text},
			Targets: []store.Target{to(text, 0, 1<<64-1)},
		},
		{Key: keys(1)[0], Window: q.units(9), Body: []byte(long), Info: store.Info{Subject: long}, Targets: []store.Target{to(text)}},
		{Key: keys(1)[0], Window: q.units(9), Targets: []store.Target{to(text)}},
	}}
	q.acceptIs(n, false, false, false)
	taken := q.takeFrom(q.Queue, text, many, true)
	if len(taken) != len(n.Events) {
		q.Fatalf("Take: got %d deliveries, want %d", len(taken), len(n.Events))
	}
	for i, got := range taken {
		want := n.Events[i]
		if !bytes.Equal(got.Body, want.Body) || got.Info != want.Info || !bytes.Equal(got.Origin, all) ||
			!slices.Equal(got.Lanes, want.Targets[0].Lanes) {
			q.Errorf("event %d: got other bytes than were stored: %+v", i, got)
		}
	}
	failure := store.Attempt{Started: received, Took: time.Second, Status: 599, Cause: "status", Error: text, Answer: all}
	q.record(text, store.Outcome{Held: taken[0].Held, Result: store.Dead, Attempt: failure})
	attempts := q.story(n.Events[0].Key).Deliveries[0].Attempts
	if len(attempts) != 1 || !sameAttempt(attempts[0], failure) {
		q.Errorf("got attempts %+v, want %+v", attempts, failure)
	}
}

// sameAttempt reports whether two attempts are the same.
func sameAttempt(a, b store.Attempt) bool {
	return a.Started.Equal(b.Started) && a.Took == b.Took && a.Status == b.Status &&
		a.Cause == b.Cause && a.Error == b.Error && bytes.Equal(a.Answer, b.Answer)
}

func destinations(q *queueCheck) {
	q.accept(event("one", to("app", 1), to("crm", 1)), event("two", to("crm", 1)))
	app := q.take("app", many, "one")
	crm := q.take("crm", many, "one")
	q.settle("app", store.Done, app...)
	q.take("app", many)
	q.take("crm", many)
	q.settle("crm", store.Done, crm...)
	q.take("crm", many, "two")
}

func repeats(q *queueCheck) {
	one, two := event("one", to("app")), event("two", to("app"))
	n := q.notification(one, two, one)
	q.acceptIs(n, false, false, true)
	again := two
	again.to = []store.Target{to("crm")}
	q.acceptIs(q.notification(again, event("three", to("app")), one), true, false, true)
	taken := q.take("app", many, "one", "two", "three")
	q.settle("app", store.Done, taken...)
	q.acceptIs(q.notification(one, two), true, true)
	q.take("app", many)
	q.take("crm", many)
}

func queueWindows(q *queueCheck) {
	short, long := event("short", to("app")), event("long", to("app"))
	short.window, long.window = 3, 8
	q.acceptIs(q.notification(short, long), false, false)
	q.settle("app", store.Done, q.take("app", many, "short", "long")...)
	q.pass(2)
	q.acceptIs(q.notification(short, long), true, true) // which prolongs nothing
	q.pass(2)
	q.acceptIs(q.notification(short, long), false, true)
	q.take("app", many, "short")
	q.pass(2)
	q.acceptIs(q.notification(short, long), true, true)
	q.pass(3)
	q.acceptIs(q.notification(short, long), false, false)
}

func noWindow(q *queueCheck) {
	sample := event("sample", to("app"))
	sample.window = 0
	q.accept(sample, sample)
	q.acceptIs(q.notification(sample, sample), false, false)
	q.take("app", many, "sample", "sample", "sample", "sample")
}

func wholeNotification(q *queueCheck) {
	one, two := event("one"), event("two")
	of := func(items ...item) *store.Notification {
		n := q.notification(items...)
		n.Whole = store.Event{
			Key: keys(1)[0], Body: []byte(fmt.Sprint("whole of ", len(items))), Targets: []store.Target{to("original", 1, 2)},
			Info: store.Info{Object: "page"},
		}
		return n
	}
	q.acceptIs(of(one), false)
	q.acceptIs(of(one), true)
	q.acceptIs(of(one, two), true, false)
	q.acceptIs(of(two, one), true, true)
	sample := event("sample")
	sample.window = 0
	q.acceptIs(of(sample, sample, one), false, false, true)
	for _, body := range []string{"whole of 1", "whole of 2", "whole of 3"} {
		taken := q.take("original", many, body)
		if !taken[0].Whole || taken[0].Info.Object != "page" || !slices.Equal(taken[0].Lanes, []store.Lane{1, 2}) {
			q.Errorf("got %+v, want a whole notification", taken[0])
		}
		q.settle("original", store.Done, taken...)
	}
	q.take("original", many)
}

func acceptRace(q *queueCheck) {
	const senders, n = 8, 20
	items := make([]item, n)
	for i := range items {
		items[i] = event(fmt.Sprintf("%02d", i), to("app"))
	}
	var (
		mu  sync.Mutex
		new = make([]int, n)
	)
	together(senders, func(sender int) {
		for i := range items {
			at := i
			if sender%2 == 1 {
				at = n - 1 - i
			}
			repeats, err := q.Accept(q.Context(), q.notification(items[at], items[(at+1)%n]))
			if err != nil {
				q.Errorf("Accept: got error %v, want none", err)
				return
			}
			mu.Lock()
			for j, repeat := range repeats {
				if !repeat {
					new[(at+j)%n]++
				}
			}
			mu.Unlock()
		}
	})
	if !slices.Equal(new, slices.Repeat([]int{1}, n)) {
		q.Errorf("got events new %v times, want once each", new)
	}
	taken := bodiesOf(q.takeFrom(q.Queue, "app", many, true))
	slices.Sort(taken)
	if want := slices.Compact(slices.Clone(taken)); len(taken) != n || len(want) != n {
		q.Errorf("Take: got %q, want each event once", taken)
	}
}

func largeNotification(q *queueCheck) {
	const n = 1000
	items := make([]item, n)
	want := make([]string, n)
	for i := range items {
		want[i] = fmt.Sprintf("%04d %s", i, strings.Repeat("x", 500))
		items[i] = event(want[i], to("app", store.Lane(i%10)), to("crm"))
	}
	q.acceptIs(q.notification(items...), make([]bool, n)...)
	q.take("crm", many, want...)
	q.take("app", many, want[:10]...)
}

func acceptedArguments(q *queueCheck) {
	n := q.notification(event("event", to("app", 1)), event("next", to("app", 1)))
	q.acceptIs(n, false, false)
	copy(n.Origin, "ORIGIN")
	copy(n.Events[0].Body, "EVENT")
	copy(n.Events[1].Body, "NEXT")
	n.Events[1].Targets[0].Lanes[0] = 2
	n.Events[0].Targets[0].Destination = "crm"
	taken := q.take("app", many, "event")
	if got := string(taken[0].Origin); got != "origin" {
		q.Errorf("got origin %q, want it as it was stored", got)
	}
	copy(taken[0].Body, "XXXXX")
	q.settle("app", store.Returned, taken...)
	q.settle("app", store.Done, q.take("app", many, "event")...)
	q.take("app", many, "next")
}

func takeWaits(q *queueCheck) {
	taken := make(chan []string)
	for range 2 {
		go func() { taken <- bodiesOf(q.takeFrom(q.Queue, "app", store.Want{Max: 1, Bytes: 1000}, true)) }()
	}
	time.Sleep(2 * q.Patience)
	q.accept(event("for nobody", to("crm")), event("one", to("app", 1)), event("two", to("app", 2)))
	got := slices.Concat(<-taken, <-taken)
	slices.Sort(got)
	if !slices.Equal(got, []string{"one", "two"}) {
		q.Errorf("Take: got %q, want one and two", got)
	}
}

func takeEnds(q *queueCheck) {
	ctx, cancel := context.WithCancel(q.Context())
	ended := make(chan error)
	go func() {
		_, err := q.Take(ctx, "app", many)
		ended <- err
	}()
	time.Sleep(q.Patience)
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		q.Errorf("Take: got error %v, want the context's", err)
	}
	q.accept(event("one", to("app")))
	q.take("app", many, "one")
}

func takeWaitsForAttempt(q *queueCheck) {
	q.accept(event("one", to("app")))
	q.again("app", 2, q.take("app", many, "one")[0])
	taken := make(chan []string)
	go func() { taken <- bodiesOf(q.takeFrom(q.Queue, "app", many, true)) }()
	time.Sleep(q.Patience)
	q.pass(3)
	if got := <-taken; !slices.Equal(got, []string{"one"}) {
		q.Errorf("Take: got %q, want the event again", got)
	}
}
