package delivery

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/observe"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
)

// A worker delivers what is stored for one destination, under one
// configuration:
//
//	gate → take → send → settle
type worker struct {
	to      *Destination
	sender  Sender
	queue   store.Queue
	told    *observe.Destination
	gate    *gate
	pace    *rate.Limiter
	replays *replayPace
	bytes   int64 // of bodies that are taken at once, at most

	sending context.Context // ends the attempts under way
	running sync.WaitGroup
	held    holdings
}

const (
	// leaseTime is how long a delivery is taken for. It is renewed for as long
	// as the attempt takes; what a process that has died held goes on after it.
	leaseTime  = 30 * time.Second
	renewEvery = leaseTime / 3

	// keptAnswer is how many bytes of the answer to a failed attempt are kept.
	keptAnswer = 1 << 10
)

// run delivers until the context ends, and returns when the last attempt has
// come to its end.
func (w *worker) run(ctx context.Context) {
	renewing, done := context.WithCancel(context.WithoutCancel(ctx))
	defer done()
	go w.held.renew(renewing, w)
	var failing pauseBetween
	for {
		err := w.takeSome(ctx)
		switch {
		case err == nil:
			failing = pauseBetween{}
		case ctx.Err() != nil:
			w.running.Wait()
			return
		default:
			w.told.StoreFailed("take", err)
			_ = failing.wait(ctx) // the next call finds out
		}
	}
}

// takeSome takes what is due when there is room for it, and has it sent.
func (w *worker) takeSome(ctx context.Context) error {
	want := store.Want{Bytes: w.bytes, Lease: leaseTime}
	places := w.to.Parallel
	if batch := w.to.Deliver == Batch; batch {
		places, want.Runs, want.Collect = 1, true, time.Duration(w.to.MaxWait)
	}
	places, err := w.gate.enter(ctx, places)
	if err != nil {
		return err
	}
	if want.Max = places; want.Runs {
		want.Max = w.to.MaxEvents
	}
	taken, err := w.queue.Take(ctx, w.to.Name, want)
	messages := make([][]store.Delivery, 0, len(taken))
	switch {
	case len(taken) == 0:
	case want.Runs:
		messages = append(messages, taken)
	default:
		for i := range taken {
			messages = append(messages, taken[i:i+1])
		}
	}
	w.gate.leave(places - len(messages))
	w.send(messages)
	return err
}

// send has messages sent side by side, or returned if they may no longer pass.
func (w *worker) send(messages [][]store.Delivery) {
	pass := w.gate.spare(len(messages))
	for _, deliveries := range messages[pass:] {
		w.settle(returned(deliveries))
	}
	for _, deliveries := range messages[:pass] {
		held := w.held.add(w.sending, deliveries)
		w.running.Go(func() {
			defer w.gate.leave(1)
			defer w.held.remove(held)
			w.deliver(held)
		})
	}
}

// deliver delivers what was taken for one message.
func (w *worker) deliver(h *holding) {
	if w.pace != nil && w.pace.Wait(h.ctx) != nil {
		w.settle(returned(h.deliveries))
		return
	}
	outcomes, _ := w.attempt(h, h.deliveries)
	w.settle(outcomes)
}

// attempt sends one message of the deliveries, and returns what became of
// them. A batch that the app refuses is halved until the event that fails
// stands alone, so that it stops no other; what comes behind it in its lanes is
// returned. It reports whether the deliveries were delivered.
func (w *worker) attempt(h *holding, deliveries []store.Delivery) ([]store.Outcome, bool) {
	if mixed(deliveries) {
		return w.halve(h, deliveries)
	}
	started := time.Now()
	status, f := w.sendMessage(h.ctx, deliveries)
	took := time.Since(started)
	w.gate.note(laneOf(&deliveries[0]), f)
	if f != nil && len(deliveries) > 1 && !f.down() && f.Cause != causeShutdown {
		return w.halve(h, deliveries)
	}
	now := time.Now()
	a := attemptOf(started, took, status, f)
	outcomes := make([]store.Outcome, len(deliveries))
	for i := range deliveries {
		outcomes[i] = w.outcome(&deliveries[i], a, f, now)
	}
	w.tell(f, outcomes)
	return outcomes, f == nil
}

// halve attempts a batch that the app refused in two halves. A delivery behind
// one that failed, in the same lane, is returned untried.
func (w *worker) halve(h *holding, deliveries []store.Delivery) ([]store.Outcome, bool) {
	middle := (len(deliveries) + 1) / 2
	outcomes, first := w.attempt(h, deliveries[:middle])
	behind := make(map[store.Lane]bool)
	for i := range outcomes {
		if outcomes[i].Result != store.Done {
			for _, lane := range deliveries[i].Lanes {
				behind[lane] = true
			}
		}
	}
	var rest, held []store.Delivery
	for _, d := range deliveries[middle:] {
		if inAny(behind, d.Lanes) {
			held = append(held, d)
		} else {
			rest = append(rest, d)
		}
	}
	second := true
	if len(rest) > 0 {
		var more []store.Outcome
		more, second = w.attempt(h, rest)
		outcomes = append(outcomes, more...)
	}
	return append(outcomes, returned(held)...), first && second && held == nil
}

// mixed reports whether deliveries do not fit into one message: a whole
// notification, which is stored where a destination was configured to get
// these, is one of its own.
func mixed(deliveries []store.Delivery) bool {
	return len(deliveries) > 1 && slices.ContainsFunc(deliveries, func(d store.Delivery) bool { return d.Whole })
}

// tell states what became of an attempt.
func (w *worker) tell(f *Failure, outcomes []store.Outcome) {
	cause, dead := "", 0
	if f != nil {
		cause = f.Cause
	}
	for i := range outcomes {
		if outcomes[i].Result == store.Dead {
			dead++
		}
	}
	w.told.Attempted(cause, len(outcomes))
	if dead > 0 {
		w.told.Died(cause, dead)
	}
}

func inAny(set map[store.Lane]bool, lanes []store.Lane) bool {
	for _, lane := range lanes {
		if set[lane] {
			return true
		}
	}
	return false
}

// returned returns the outcomes of deliveries that were not attempted.
func returned(deliveries []store.Delivery) []store.Outcome {
	outcomes := make([]store.Outcome, len(deliveries))
	for i := range deliveries {
		outcomes[i] = store.Outcome{Held: deliveries[i].Held, Result: store.Returned}
	}
	return outcomes
}

// laneOf returns the lane that stands for a delivery's conversation.
func laneOf(d *store.Delivery) store.Lane {
	if len(d.Lanes) == 0 {
		return store.Lane(d.Number)
	}
	return d.Lanes[0]
}

// settle records outcomes, again and again while the store fails: what was
// delivered and is not recorded is delivered once more.
func (w *worker) settle(outcomes []store.Outcome) {
	if len(outcomes) == 0 {
		return
	}
	var failing pauseBetween
	for {
		ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
		err := w.queue.Settle(ctx, w.to.Name, outcomes)
		cancel()
		if err == nil {
			return
		}
		w.told.StoreFailed("settle", err)
		if failing.wait(w.sending) != nil || failing.total > leaseTime {
			return
		}
	}
}

// A pauseBetween is the pause between calls to a store that fails.
type pauseBetween struct{ next, total time.Duration }

// wait waits, longer each time, unless the context ends first.
func (p *pauseBetween) wait(ctx context.Context) error {
	p.next = min(max(10*time.Millisecond, 2*p.next), 5*time.Second)
	p.total += p.next
	timer := time.NewTimer(p.next)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// errLost ends an attempt whose delivery is no longer this process's.
var errLost = errors.New("the lease has ended")

// A holding is the deliveries of one message, while it is under way.
type holding struct {
	deliveries []store.Delivery
	ctx        context.Context
	cancel     context.CancelCauseFunc
	until      time.Time // the lease
}

// holdings are all holdings of a worker.
type holdings struct {
	mu  sync.Mutex
	all map[*holding]struct{}
}

func (h *holdings) add(ctx context.Context, deliveries []store.Delivery) *holding {
	one := &holding{deliveries: deliveries, until: time.Now().Add(leaseTime)}
	one.ctx, one.cancel = context.WithCancelCause(ctx)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.all == nil {
		h.all = make(map[*holding]struct{})
	}
	h.all[one] = struct{}{}
	return one
}

func (h *holdings) remove(one *holding) {
	one.cancel(nil)
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.all, one)
}

// renew renews the leases of what is under way until the context ends. An
// attempt whose lease is lost is cancelled, for it may be under way elsewhere.
func (h *holdings) renew(ctx context.Context, w *worker) {
	ticker := time.NewTicker(renewEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			h.renewAll(ctx, w)
		}
	}
}

func (h *holdings) renewAll(ctx context.Context, w *worker) {
	var held []store.Held
	byNumber := make(map[store.Number]*holding)
	h.mu.Lock()
	for one := range h.all {
		for i := range one.deliveries {
			held = append(held, one.deliveries[i].Held)
			byNumber[one.deliveries[i].Number] = one
		}
	}
	h.mu.Unlock()
	if len(held) == 0 {
		return
	}
	until := time.Now().Add(leaseTime)
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	lost, err := w.queue.Renew(ctx, w.to.Name, leaseTime, held)
	if err != nil {
		w.told.StoreFailed("renew", err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, one := range byNumber {
		if err == nil {
			one.until = until
		} else if time.Until(one.until) < renewEvery+storeTimeout {
			one.cancel(errLost) // before it ends, which it may during the next call
		}
	}
	for _, number := range lost {
		if one, ok := byNumber[number]; ok {
			one.cancel(errLost)
		}
	}
}
