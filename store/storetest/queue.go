package storetest

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
)

// A QueueConfig says how queues are tested.
type QueueConfig struct {
	// New returns what a test tests. Nothing is in its queues.
	New func(t testing.TB) QueueSubject

	// Unit is what the tests measure time in. It is much longer than what the
	// queue rounds times to, and than what it needs for a few calls. Default:
	// a minute, or two seconds where time has to pass.
	Unit time.Duration

	// Patience is how long Take may look before the tests believe that nothing
	// is due. Default: 20ms.
	Patience time.Duration

	// Among how many deliveries of a destination, the oldest, the queue finds
	// what is due, if memory bounds it. Default: all of them.
	Reach int

	// The queue may forget what is settled at any time. Only [TestModel] bears
	// that.
	Forgets bool

	// How many random runs are compared with the model, and of how many
	// operations. Default: 20 of 80. The environment variable
	// STORETEST_RUNS sets another number, and STORETEST_SEED a first seed
	// other than 1.
	Runs, Steps int
}

// A QueueSubject is what is tested: queues that share their state, and their
// clock. It keeps settled events for a day.
type QueueSubject struct {
	// Open opens the queue of a name.
	Open func(name string) (store.Queue, error)

	// Now returns the time of the queues' clock. Without it, which is right
	// for a clock that only seems to advance, the tests do not look at times
	// that the queues set themselves.
	Now func() time.Time

	// Advance lets time pass, or seem to pass, for the queues: what is due by
	// then can be taken when it returns. Without it, the tests sleep.
	Advance func(time.Duration)

	// Restart makes the queues that are opened afterwards those of a new
	// process. All have been closed before. Without it, opening again is all
	// there is to a restart.
	Restart func()

	// Crash ends the process that has the queues, and nothing is closed. The
	// queues that are opened afterwards are those of a new process. Without
	// it, no crash is tested.
	Crash func()
}

// TestQueue tests whether queues keep the promises of [store.Queue] and
// [store.Operator].
func TestQueue(t *testing.T, config QueueConfig) {
	for _, test := range queueTests {
		t.Run(test.name, func(t *testing.T) {
			q := newQueueCheck(t, config)
			test.run(q)
		})
	}
	t.Run("random operations do what they do to the model", func(t *testing.T) {
		if testing.Short() {
			config.Runs = min(config.Runs, 3)
		}
		TestModel(t, config)
	})
}

// A queueCheck is a running test.
type queueCheck struct {
	testing.TB
	QueueSubject
	QueueConfig
	store.Queue
	opened []store.Queue
}

func newQueueCheck(t testing.TB, config QueueConfig) *queueCheck {
	t.Helper()
	q := &queueCheck{TB: t, QueueSubject: config.New(t), QueueConfig: config}
	if q.Unit == 0 {
		q.Unit = time.Minute
		if q.Advance == nil {
			q.Unit = 2 * time.Second
		}
	}
	if q.Patience == 0 {
		q.Patience = 20 * time.Millisecond
	}
	t.Cleanup(q.close)
	q.Queue = q.open("default")
	return q
}

func (q *queueCheck) open(name string) store.Queue {
	q.Helper()
	queue, err := q.QueueSubject.Open(name)
	if err != nil {
		q.Fatalf("Open: got error %v, want none", err)
	}
	q.opened = append(q.opened, queue)
	return queue
}

func (q *queueCheck) close() {
	for _, queue := range q.opened {
		if err := queue.Close(); err != nil {
			q.Errorf("Close: got error %v, want none", err)
		}
	}
	q.opened = nil
}

// restart closes all queues and opens one again, in a new process.
func (q *queueCheck) restart() {
	q.Helper()
	q.close()
	if q.Restart != nil {
		q.Restart()
	}
	q.Queue = q.open("default")
}

// crash opens a queue in a new process after the last one has died.
func (q *queueCheck) crash() {
	q.Helper()
	if q.Crash == nil {
		q.Skip("no crash can be imitated")
	}
	q.opened = nil
	q.QueueSubject.Crash()
	q.Queue = q.open("default")
}

// now returns the time that an attempt may be repeated at if no unit passes.
func (q *queueCheck) now() time.Time {
	if q.Now != nil {
		return q.Now()
	}
	return time.Now()
}

// units returns a duration.
func (q *queueCheck) units(n float64) time.Duration {
	return time.Duration(n * float64(q.Unit))
}

// pass lets so many units pass.
func (q *queueCheck) pass(units float64) {
	if q.Advance == nil {
		time.Sleep(q.units(units))
		return
	}
	q.Advance(q.units(units))
}

// near reports whether a time that the queue has set is the one expected.
func (q *queueCheck) near(got, want time.Time) bool {
	if q.Now == nil {
		return got.IsZero() == want.IsZero()
	}
	return got.Sub(want).Abs() < q.Unit/4
}

// lost returns after how long a delivery that is due and does not come is taken
// for lost.
func (q *queueCheck) lost() time.Duration { return 500 * q.Patience }

// An item is an event in short, as the tests write them.
type item struct {
	key    store.Key
	window float64 // units
	body   string
	to     []store.Target
}

// to is one destination, with these lanes.
func to(destination string, lanes ...store.Lane) store.Target {
	return store.Target{Destination: destination, Lanes: lanes}
}

// event returns a new event.
func event(body string, targets ...store.Target) item {
	return item{keys(1)[0], 100, body, targets}
}

// notification returns a notification of events.
func (q *queueCheck) notification(items ...item) *store.Notification {
	n := &store.Notification{Received: received, Origin: []byte("origin")}
	for _, it := range items {
		n.Events = append(n.Events, store.Event{
			Key:     it.key,
			Window:  q.units(it.window),
			Info:    store.Info{Object: "page", Entry: "1", Field: "feed", Kind: "feed", Subject: it.body, Conversation: "of " + it.body},
			Body:    []byte(it.body),
			Targets: it.to,
		})
	}
	return n
}

// received is when notifications were received, unless a test says otherwise.
var received = time.Date(2026, 1, 2, 3, 4, 5, 678_000_000, time.UTC)

// accept stores new events, a notification each.
func (q *queueCheck) accept(items ...item) {
	q.Helper()
	for _, it := range items {
		q.acceptIs(q.notification(it), false)
	}
}

// acceptIs stores a notification, and fails the test unless these of its
// events are repeats.
func (q *queueCheck) acceptIs(n *store.Notification, repeats ...bool) {
	q.Helper()
	got, err := q.Accept(q.Context(), n)
	if err != nil {
		q.Fatalf("Accept: got error %v, want none", err)
	}
	if !slices.Equal(got, repeats) {
		q.Errorf("Accept: got repeats %v, want %v", got, repeats)
	}
}

// many takes much of what is due, one of each lane.
var many = store.Want{Max: 1000, Bytes: 1 << 30}

// take takes what is due, and fails the test unless it is these bodies in
// their order.
func (q *queueCheck) take(destination string, want store.Want, bodies ...string) []store.Delivery {
	q.Helper()
	taken := q.takeFrom(q.Queue, destination, want, len(bodies) > 0)
	if got := bodiesOf(taken); !slices.Equal(got, bodies) {
		q.Fatalf("Take: got %q, want %q", got, bodies)
	}
	return taken
}

// takeFrom takes what is due, if anything is.
func (q *queueCheck) takeFrom(queue store.Queue, destination string, want store.Want, due bool) []store.Delivery {
	q.Helper()
	if want.Lease == 0 {
		want.Lease = q.units(5)
	}
	patience := q.Patience
	if due {
		patience = q.lost()
	}
	ctx, cancel := context.WithTimeout(q.Context(), patience)
	defer cancel()
	taken, err := queue.Take(ctx, destination, want)
	switch {
	case errors.Is(err, context.DeadlineExceeded) && len(taken) == 0:
		return nil
	case err != nil:
		q.Fatalf("Take: got error %v, want none", err)
	case len(taken) == 0:
		q.Fatalf("Take: got nothing and no error, want it to wait")
	}
	return taken
}

// bodiesOf returns the bodies of deliveries.
func bodiesOf(taken []store.Delivery) []string {
	bodies := make([]string, 0, len(taken))
	for i := range taken {
		bodies = append(bodies, string(taken[i].Body))
	}
	return bodies
}

// settle records one result for deliveries of a destination.
func (q *queueCheck) settle(destination string, result store.Result, taken ...store.Delivery) {
	q.Helper()
	outcomes := make([]store.Outcome, 0, len(taken))
	for i := range taken {
		outcomes = append(outcomes, store.Outcome{Held: taken[i].Held, Result: result, At: q.now(), Attempt: attempt(result)})
	}
	q.record(destination, outcomes...)
}

// again has a delivery wait for its next attempt, for so many units.
func (q *queueCheck) again(destination string, units float64, of store.Delivery) {
	q.Helper()
	q.record(destination, store.Outcome{
		Held: of.Held, Result: store.Again, At: q.now().Add(q.units(units)), Attempt: attempt(store.Again),
	})
}

func (q *queueCheck) record(destination string, outcomes ...store.Outcome) {
	q.Helper()
	if err := q.Settle(q.Context(), destination, outcomes); err != nil {
		q.Fatalf("Settle: got error %v, want none", err)
	}
}

// attempt returns an attempt that ended so.
func attempt(result store.Result) store.Attempt {
	a := store.Attempt{Started: received.Add(time.Hour), Took: 1500 * time.Millisecond}
	switch result {
	case store.Returned:
		return store.Attempt{}
	case store.Done:
		a.Status = 200
	case store.Again:
		a.Status, a.Cause, a.Error, a.Answer = 503, "status", "the answer was 503", []byte("come again")
	case store.Dead:
		a.Cause, a.Error = "timeout", "no answer in time"
	}
	return a
}

// renew renews deliveries, and fails the test unless these are lost.
func (q *queueCheck) renew(destination string, units float64, taken []store.Delivery, lost ...store.Number) {
	q.Helper()
	got, err := q.Renew(q.Context(), destination, q.units(units), held(taken))
	if err != nil {
		q.Fatalf("Renew: got error %v, want none", err)
	}
	slices.Sort(got)
	if !slices.Equal(got, lost) {
		q.Errorf("Renew: got %v lost, want %v", got, lost)
	}
}

func held(taken []store.Delivery) []store.Held {
	held := make([]store.Held, 0, len(taken))
	for i := range taken {
		held = append(held, taken[i].Held)
	}
	return held
}
