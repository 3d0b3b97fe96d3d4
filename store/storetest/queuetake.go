package storetest

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
)

func laneOrder(q *queueCheck) {
	q.accept(event("1a", to("app", 1)), event("1b", to("app", 1)), event("2a", to("app", 2)), event("1c", to("app", 1)))
	taken := q.take("app", many, "1a", "2a")
	q.take("app", many)
	q.settle("app", store.Done, taken[1])
	q.take("app", many)
	q.accept(event("2b", to("app", 2)))
	second := q.take("app", many, "2b")
	q.settle("app", store.Done, taken[0])
	taken = q.take("app", many, "1b")
	q.settle("app", store.Done, append(taken, second...)...)
	q.settle("app", store.Done, q.take("app", many, "1c")...)
	q.take("app", many)
}

func severalLanes(q *queueCheck) {
	q.accept(
		event("12", to("app", 1, 2)), event("2", to("app", 2)), event("23", to("app", 2, 3)),
		event("3", to("app", 3)), event("1", to("app", 1)), event("4", to("app", 4)),
	)
	first := q.take("app", many, "12", "4")
	q.settle("app", store.Done, first[0])
	second := q.take("app", many, "2", "1")
	q.take("app", many)
	q.settle("app", store.Done, second[1])
	q.take("app", many)
	q.settle("app", store.Done, second[0])
	q.settle("app", store.Done, q.take("app", many, "23")...)
	q.take("app", many, "3")
}

func againHoldsLane(q *queueCheck) {
	q.accept(event("1a", to("app", 1)), event("1b", to("app", 1)), event("2a", to("app", 2)))
	taken := q.take("app", many, "1a", "2a")
	q.again("app", 3, taken[0])
	q.take("app", many)
	q.pass(2)
	q.take("app", many)
	q.pass(2)
	q.settle("app", store.Done, q.take("app", many, "1a")...)
	q.take("app", many, "1b")
}

func deadFreesLane(q *queueCheck) {
	q.accept(event("1a", to("app", 1)), event("1b", to("app", 1)))
	q.settle("app", store.Dead, q.take("app", many, "1a")...)
	q.take("app", many, "1b")
	q.pass(20)
	q.take("app", many, "1b") // again, for its lease has ended
}

func noLane(q *queueCheck) {
	q.accept(event("one", to("app")), event("two", to("app")), event("three", to("app")))
	q.take("app", store.Want{Max: 2, Bytes: 1000}, "one", "two")
	q.take("app", store.Want{Max: 2, Bytes: 1000}, "three")
}

func limits(q *queueCheck) {
	for i := range 10 {
		q.accept(event(fmt.Sprintf("of ten bytes %03d", i), to("app", store.Lane(i))))
	}
	q.take("app", store.Want{Max: 3, Bytes: 1 << 20}, "of ten bytes 000", "of ten bytes 001", "of ten bytes 002")
	q.take("app", store.Want{Max: 3, Bytes: 40}, "of ten bytes 003", "of ten bytes 004")
	q.take("app", store.Want{Max: 3, Bytes: 1}, "of ten bytes 005")
	q.take("app", store.Want{Max: 3, Bytes: 32, Runs: true}, "of ten bytes 006", "of ten bytes 007")
	q.take("app", many, "of ten bytes 008", "of ten bytes 009")
}

// all of a lane, and of others
var together1000 = store.Want{Max: 1000, Bytes: 1 << 30, Runs: true}

func runs(q *queueCheck) {
	q.accept(
		event("1a", to("app", 1)), event("2a", to("app", 2)), event("1b", to("app", 1)),
		event("13", to("app", 1, 3)), event("3a", to("app", 3)), event("2b", to("app", 2)),
	)
	inOrder := func(taken []store.Delivery, lanes ...[]string) {
		q.Helper()
		got := bodiesOf(taken)
		for _, lane := range lanes {
			for i := range lane[1:] {
				if a, b := slices.Index(got, lane[i]), slices.Index(got, lane[i+1]); a < 0 || b < a {
					q.Errorf("Take: got %q, want %q before %q", got, lane[i], lane[i+1])
				}
			}
		}
	}
	taken := q.takeFrom(q.Queue, "app", together1000, true)
	if len(taken) != 6 {
		q.Fatalf("Take: got %q, want all six", bodiesOf(taken))
	}
	inOrder(taken, []string{"1a", "1b", "13", "3a"}, []string{"2a", "2b"})
	q.accept(event("1c", to("app", 1)), event("4a", to("app", 4)))
	q.take("app", together1000, "4a") // 1c would overtake what others have
	byBody := make(map[string]store.Delivery)
	for _, d := range taken {
		byBody[string(d.Body)] = d
	}
	q.settle("app", store.Done, byBody["1b"], byBody["1a"], byBody["2b"])
	q.take("app", together1000)
	q.settle("app", store.Returned, byBody["13"], byBody["3a"], byBody["2a"])
	taken = q.takeFrom(q.Queue, "app", together1000, true)
	if len(taken) != 4 {
		q.Fatalf("Take: got %q, want four", bodiesOf(taken))
	}
	inOrder(taken, []string{"13", "3a"}, []string{"13", "1c"})
}

func runEnds(q *queueCheck) {
	q.accept(event("1a", to("app", 1)), event("1b", to("app", 1)), event("1c", to("app", 1)))
	taken := q.take("app", together1000, "1a", "1b", "1c")
	q.settle("app", store.Returned, taken[0], taken[2])
	q.again("app", 3, taken[1])
	q.settle("app", store.Done, q.take("app", together1000, "1a")...)
	q.take("app", together1000)
	q.pass(4)
	q.take("app", together1000, "1b", "1c")
}

func collects(q *queueCheck) {
	const collect = 2 * time.Second // of a clock that only seems to advance, too
	q.accept(event("one", to("app", 1)), event("two", to("app", 2)))
	q.take("app", store.Want{Max: 2, Bytes: 1000, Collect: collect}, "one", "two")
	taken := make(chan []string)
	take := func() {
		taken <- bodiesOf(q.takeFrom(q.Queue, "app", store.Want{Max: 3, Bytes: 1000, Collect: collect}, true))
	}
	go take()
	for i := range 3 {
		time.Sleep(q.Patience)
		q.accept(event(fmt.Sprint(i), to("app", store.Lane(10+i))))
	}
	if got := <-taken; !slices.Equal(got, []string{"0", "1", "2"}) {
		q.Errorf("Take: got %q, want three as soon as there are three", got)
	}
	go take()
	q.accept(event("last", to("app", 20)))
	time.Sleep(q.Patience)
	q.pass(3)
	if got := <-taken; !slices.Equal(got, []string{"last"}) {
		q.Errorf("Take: got %q, want what has come when the time is over", got)
	}
}

func takeRace(q *queueCheck) {
	const takers, n = 4, 200
	items := make([]item, n)
	for i := range items {
		items[i] = event(fmt.Sprint(i), to("app", store.Lane(i%20)))
	}
	q.acceptIs(q.notification(items...), make([]bool, n)...)
	var (
		mu       sync.Mutex
		times    = make(map[string]int)
		underWay = make(map[store.Lane]int)
		last     = make(map[store.Lane]store.Number)
		left     = n
	)
	together(takers, func(int) {
		for {
			mu.Lock()
			done := left == 0
			mu.Unlock()
			if done {
				return
			}
			taken := q.takeFrom(q.Queue, "app", store.Want{Max: 3, Bytes: 1000}, false)
			mu.Lock()
			for _, d := range taken {
				lane := d.Lanes[0]
				times[string(d.Body)]++
				if underWay[lane]++; underWay[lane] > 1 {
					q.Errorf("got two of lane %d under way", lane)
				}
				if d.Number < last[lane] {
					q.Errorf("got number %d of lane %d after %d", d.Number, lane, last[lane])
				}
				last[lane] = d.Number
			}
			mu.Unlock()
			time.Sleep(time.Millisecond)
			mu.Lock()
			for _, d := range taken {
				underWay[d.Lanes[0]]--
			}
			left -= len(taken)
			mu.Unlock()
			q.settle("app", store.Done, taken...)
		}
	})
	for i := range n {
		if got := times[fmt.Sprint(i)]; got != 1 {
			q.Errorf("event %d: got it %d times, want once", i, got)
		}
	}
}

func queueLeaseEnds(q *queueCheck) {
	q.accept(event("1a", to("app", 1)), event("1b", to("app", 1)))
	want := store.Want{Max: 10, Bytes: 1000, Lease: q.units(3)}
	first := q.take("app", want, "1a")
	q.pass(2)
	q.take("app", want)
	q.pass(2)
	if got := q.stats("app"); got.Waiting != 2 || got.UnderWay != 0 {
		q.Errorf("got %+v after the lease, want two waiting", got)
	}
	second := q.take("app", want, "1a")
	if second[0].Number != first[0].Number || second[0].Token == first[0].Token {
		q.Errorf("got %+v after %+v, want the same delivery by another right", second[0].Held, first[0].Held)
	}
	if second[0].Attempt != 1 {
		q.Errorf("got attempt %d, want 1, for nothing is known of another", second[0].Attempt)
	}
}

func queueRenewal(q *queueCheck) {
	q.accept(event("one", to("app")), event("two", to("app")))
	taken := q.take("app", store.Want{Max: 10, Bytes: 1000, Lease: q.units(3)}, "one", "two")
	for range 3 {
		q.pass(2)
		q.renew("app", 3, taken[:1])
	}
	q.take("app", many, "two")
	q.settle("app", store.Done, taken[0])
	q.pass(10)
	q.take("app", many, "two")
}

func queueLost(q *queueCheck) {
	q.accept(event("one", to("app")), event("two", to("app")))
	taken := q.take("app", store.Want{Max: 10, Bytes: 1000, Lease: q.units(3)}, "one", "two")
	q.pass(2)
	q.renew("app", 3, taken[1:])
	q.pass(2)
	q.renew("app", 3, taken, taken[0].Number) // though no other process has it
	second := q.take("app", many, "one")
	q.renew("app", 3, taken, taken[0].Number)
	q.renew("app", 3, second)
}

func settledIsLost(q *queueCheck) {
	q.accept(event("one", to("app")), event("two", to("app")), event("three", to("app")), event("four", to("app")))
	taken := q.take("app", many, "one", "two", "three", "four")
	q.settle("app", store.Done, taken[0])
	q.again("app", 2, taken[1])
	q.settle("app", store.Dead, taken[2])
	q.settle("app", store.Returned, taken[3])
	q.renew("app", 3, taken, numbers(taken)...)
	q.renew("app", 3, []store.Delivery{{Held: store.Held{Number: 1 << 40}}}, 1<<40)
}

func numbers(taken []store.Delivery) []store.Number {
	numbers := make([]store.Number, 0, len(taken))
	for i := range taken {
		numbers = append(numbers, taken[i].Number)
	}
	return numbers
}

func doneIsDone(q *queueCheck) {
	short := store.Want{Max: 1, Bytes: 1000, Lease: q.units(3)}
	for _, meanwhile := range []string{"waits", "was taken", "is dead", "was done"} {
		it := event(meanwhile, to("app", 1))
		q.accept(it)
		first := q.take("app", short, meanwhile)
		q.pass(4)
		switch meanwhile {
		case "was taken":
			q.take("app", many, meanwhile)
		case "is dead":
			q.settle("app", store.Dead, q.take("app", many, meanwhile)...)
		case "was done":
			q.settle("app", store.Done, q.take("app", many, meanwhile)...)
		}
		q.settle("app", store.Done, first...)
		q.settle("app", store.Done, first...) // as one does who has no answer
		q.pass(10)
		q.take("app", many)
		attempts := 1
		if meanwhile == "is dead" {
			attempts = 2
		}
		d := q.story(it.key).Deliveries[0]
		if d.State != store.DeliveryDone || len(d.Attempts) != attempts {
			q.Errorf("delivery that %s: got %+v, want it done after %d attempts", meanwhile, d, attempts)
		}
	}
	if got := q.stats("app"); got.Waiting+got.UnderWay != 0 || len(got.Dead) != 0 {
		q.Errorf("got %+v, want nothing left", got)
	}
}

func lateOutcome(q *queueCheck) {
	for _, result := range []store.Result{store.Returned, store.Again, store.Dead} {
		for _, taken := range []bool{false, true} {
			it := event("late", to("app", 1))
			q.accept(it)
			first := q.take("app", store.Want{Max: 1, Bytes: 1000, Lease: q.units(3)}, "late")
			q.pass(4)
			var second []store.Delivery
			if taken {
				second = q.take("app", many, "late")
			}
			q.settle("app", result, first...)
			if !taken {
				second = q.take("app", many, "late")
			}
			if second[0].Attempt != 1 {
				q.Errorf("got attempt %d after a late outcome, want 1", second[0].Attempt)
			}
			q.take("app", many)
			q.renew("app", 5, second)
			q.settle("app", store.Done, second...)
		}
	}
	q.record("app", store.Outcome{Held: store.Held{Number: 1 << 40, Token: 1}, Result: store.Dead, Attempt: attempt(store.Dead)})
	q.record("app")
}

func returned(q *queueCheck) {
	q.accept(event("1a", to("app", 1)), event("1b", to("app", 1)))
	q.settle("app", store.Returned, q.take("app", many, "1a")...)
	taken := q.take("app", many, "1a")
	if taken[0].Attempt != 1 {
		q.Errorf("got attempt %d, want 1", taken[0].Attempt)
	}
	q.again("app", 2, taken[0])
	q.pass(3)
	q.settle("app", store.Returned, q.take("app", many, "1a")...)
	if taken = q.take("app", many, "1a"); taken[0].Attempt != 2 {
		q.Errorf("got attempt %d, want 2", taken[0].Attempt)
	}
}

func attemptsCount(q *queueCheck) {
	it := event("one", to("app"))
	q.accept(it)
	for n := range 5 {
		taken := q.take("app", many, "one")
		if taken[0].Attempt != n+1 {
			q.Errorf("got attempt %d, want %d", taken[0].Attempt, n+1)
		}
		if n == 4 {
			q.settle("app", store.Done, taken...)
			break
		}
		q.again("app", 1, taken[0])
		q.pass(2)
	}
	if got := len(q.story(it.key).Deliveries[0].Attempts); got != 5 {
		q.Errorf("got %d attempts, want 5", got)
	}
}

func outcomesInOrder(q *queueCheck) {
	q.accept(event("1a", to("app", 1)), event("1b", to("app", 1)), event("2a", to("app", 2)), event("2b", to("app", 2)))
	taken := q.take("app", together1000, "1a", "1b", "2a", "2b")
	q.record("app",
		store.Outcome{Held: taken[3].Held, Result: store.Returned},
		store.Outcome{Held: taken[1].Held, Result: store.Done, Attempt: attempt(store.Done)},
		store.Outcome{Held: taken[1].Held, Result: store.Dead, Attempt: attempt(store.Dead)},
		store.Outcome{Held: taken[2].Held, Result: store.Dead, Attempt: attempt(store.Dead)},
		store.Outcome{Held: taken[0].Held, Result: store.Done, Attempt: attempt(store.Done)},
	)
	q.take("app", many, "2b")
	if got := q.stats("app").Dead; len(got) != 1 || got["timeout"] != 1 {
		q.Errorf("got dead %v, want one", got)
	}
}
