package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
)

// A modelRun is a queue and its model.
type modelRun struct {
	*queueCheck
	model *model
	IntN  func(int) int
	told  []string // what was done
	taken []modelHeld
	made  int // events
}

// A modelHeld is a right to a delivery, now or once.
type modelHeld struct {
	of    *modelDelivery
	token store.Token
}

// tell completes what is told of the operation.
func (r *modelRun) tell(format string, args ...any) {
	r.told[len(r.told)-1] += ": " + fmt.Sprintf(format, args...)
}

func (r *modelRun) within() (context.Context, context.CancelFunc) {
	return context.WithTimeout(r.Context(), 30*time.Second)
}

// half is what leases, windows and pauses end after: some units and a half.
func (r *modelRun) half(most int) (units float64, d time.Duration) {
	units = float64(r.IntN(most)) + 0.5
	return units, r.units(units)
}

func (r *modelRun) destination() string { return []string{"app", "crm", "original"}[r.IntN(3)] }

// poolWindow is for how many units events of the pool are repeats.
const poolWindow = 6.5

// key returns one of a pool, or a new one.
func (r *modelRun) key() (key store.Key, window float64) {
	switch n := r.IntN(16); {
	case n < 5:
		return store.Key{0: 0xaa, 15: byte(n)}, poolWindow
	case n == 5:
		return store.Key{0: 0xbb}, 0
	}
	r.made++
	return store.Key{0: 0xcc, 14: byte(r.made >> 8), 15: byte(r.made)}, 40.5
}

func (r *modelRun) lanes(most int) (lanes []store.Lane) {
	for range r.IntN(most + 1) {
		if lane := store.Lane(1 + r.IntN(4)); !slices.Contains(lanes, lane) {
			lanes = append(lanes, lane)
		}
	}
	return lanes
}

func (r *modelRun) accept() error {
	n := &store.Notification{
		Received: received.Add(time.Duration(r.IntN(5)) * time.Second),
		Origin:   []byte(strings.Repeat("o", r.IntN(40))),
	}
	events := 1 + r.IntN(4)
	windows := make([]float64, 0, events)
	for range events {
		key, window := r.key()
		e := store.Event{
			Key: key, Window: r.units(window),
			Info: store.Info{
				Object: []string{"page", "user"}[r.IntN(2)], Kind: []string{"feed", "messages"}[r.IntN(2)],
				Entry: "1", Field: "f", Subject: fmt.Sprintf("s%d", r.IntN(9)), Conversation: []string{"", "a", "b"}[r.IntN(3)],
			},
			Body: []byte(strings.Repeat("b", r.IntN(200)) + fmt.Sprintf(" %x of %d", key[15], r.model.accepts)),
		}
		for _, destination := range []string{"app", "crm"} {
			if r.IntN(4) > 0 {
				e.Targets = append(e.Targets, to(destination, r.lanes(2)...))
			}
		}
		n.Events = append(n.Events, e)
		windows = append(windows, window)
	}
	if r.IntN(3) == 0 {
		n.Whole = store.Event{
			Key: store.Key{0: 0xdd, 15: byte(r.IntN(256))}, Body: []byte(fmt.Sprintf("whole of %d", len(n.Events))),
			Info: store.Info{Object: "page"}, Targets: []store.Target{to("original", r.lanes(4)...)},
		}
	}
	for i := range n.Events {
		r.tell("%d bytes %q to %v", len(n.Events[i].Body), short(n.Events[i].Body), n.Events[i].Targets)
	}
	r.tell("whole to %v", n.Whole.Targets)
	ctx, cancel := r.within()
	defer cancel()
	now := r.now()
	repeats, err := r.Accept(ctx, n)
	if err != nil {
		return err
	}
	return r.model.accept(n, windows, now, repeats)
}

func (r *modelRun) take() error {
	destination := r.destination()
	lease, d := r.half(4)
	want := store.Want{Max: 1 + r.IntN(6), Bytes: int64(1 + r.IntN(1000)), Runs: r.IntN(2) == 0, Lease: d}
	patience := r.Patience
	if len(r.model.ready(destination)) > 0 {
		patience = r.lost()
	} else if r.IntN(3) > 0 || r.Reach > 0 {
		r.tell("nothing is due")
		return nil
	}
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	got, err := r.Queue.Take(ctx, destination, want)
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if err == nil && len(got) == 0 {
		return errors.New("got nothing and no error")
	}
	var bodies []string
	for i := range got {
		bodies = append(bodies, string(short(got[i].Body)))
	}
	r.tell("%s %+v: got %q %v", destination, want, bodies, numbers(got))
	if err := r.model.take(destination, want, lease, got, r.near); err != nil {
		return err
	}
	for i := range got {
		at := slices.IndexFunc(r.model.deliveries, func(d *modelDelivery) bool { return d.number == got[i].Number })
		r.taken = append(r.taken, modelHeld{r.model.deliveries[at], got[i].Token})
	}
	return nil
}

// some returns rights to different deliveries of a destination, the latest
// ones more often.
func (r *modelRun) some(most int) (destination string, some []modelHeld) {
	destination = r.destination()
	for at := len(r.taken) - 1; at >= 0 && len(some) < most; at-- {
		h := r.taken[at]
		if h.of.destination == destination && r.IntN(3) > 0 &&
			!slices.ContainsFunc(some, func(other modelHeld) bool { return other.of == h.of }) {
			some = append(some, h)
		}
	}
	return destination, some
}

func (r *modelRun) settle() error {
	destination, some := r.some(1 + r.IntN(5))
	outcomes, afters := make([]store.Outcome, 0, len(some)), make([]float64, 0, len(some))
	for i, h := range some {
		result := []store.Result{store.Done, store.Done, store.Done, store.Again, store.Returned, store.Dead}[r.IntN(6)]
		o := store.Outcome{Held: store.Held{Number: h.of.number, Token: h.token}, Result: result, Attempt: attempt(result)}
		if result == store.Dead {
			o.Attempt.Cause = []string{"timeout", "status"}[r.IntN(2)]
		}
		o.Attempt.Status = 200 + i
		if result == store.Returned {
			o.Attempt = store.Attempt{}
		}
		after, d := r.half(3)
		o.At = r.now().Add(d)
		outcomes, afters = append(outcomes, o), append(afters, after)
		r.tell("%v is %v, mine: %t", h.of, result, r.model.mine(h.of, h.token))
	}
	ctx, cancel := r.within()
	defer cancel()
	now := r.now()
	if err := r.Queue.Settle(ctx, destination, outcomes); err != nil {
		return err
	}
	for i, h := range some {
		r.model.settle(h.of, outcomes[i], afters[i], now)
	}
	return nil
}

func (r *modelRun) renew() error {
	destination, some := r.some(4)
	lease, d := r.half(4)
	held := make([]store.Held, 0, len(some))
	var want []store.Number
	for _, h := range some {
		held = append(held, store.Held{Number: h.of.number, Token: h.token})
		if r.model.mine(h.of, h.token) {
			h.of.until = r.model.now + lease
		} else {
			want = append(want, h.of.number)
		}
		r.tell("%v", h.of)
	}
	ctx, cancel := r.within()
	defer cancel()
	got, err := r.Queue.Renew(ctx, destination, d, held)
	if err != nil {
		return err
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		return fmt.Errorf("got %v lost, want %v", got, want)
	}
	return nil
}

func (r *modelRun) passes() error {
	units := float64(1 + r.IntN(3))
	if r.Advance == nil {
		units = 1
	}
	r.tell("%v", units)
	r.pass(units)
	r.model.pass(units)
	return nil
}

func (r *modelRun) restarts() error {
	r.restart()
	r.model.died()
	return nil
}

func (r *modelRun) crashes() error {
	if r.Crash == nil {
		return nil
	}
	r.crash()
	r.pass(4) // until all leases have ended, wherever they are kept
	r.model.pass(4)
	r.model.died()
	return nil
}

func (r *modelRun) pause() error {
	destination, paused := r.destination(), r.IntN(2) == 0
	r.tell("%s: %t", destination, paused)
	r.model.paused[destination] = paused
	ctx, cancel := r.within()
	defer cancel()
	return r.Queue.Pause(ctx, destination, paused)
}

// filter returns one that finds more or less.
func (r *modelRun) filter() (f store.Filter) {
	if r.IntN(2) == 0 {
		f.Destination = r.destination()
	}
	if r.IntN(2) == 0 {
		for range 1 + r.IntN(2) {
			f.States = append(f.States, store.DeliveryState(1+r.IntN(6)))
		}
	}
	switch r.IntN(8) {
	case 0:
		f.Object = "page"
	case 1:
		f.Kind = "feed"
	case 2:
		f.Conversation = "a"
	case 3:
		f.Text = fmt.Sprintf("s%d", r.IntN(9))
	case 4:
		f.From, f.To = received.Add(time.Second), received.Add(4*time.Second)
	case 5:
		for range 2 {
			if len(r.model.events) > 0 {
				f.Keys = append(f.Keys, r.model.events[r.IntN(len(r.model.events))].Key)
			}
		}
	}
	r.tell("%+v", f)
	return f
}

func (r *modelRun) replay() error {
	destination := r.destination()
	f := r.filter()
	if r.Forgets {
		f.States = []store.DeliveryState{store.DeliveryDead}
	}
	limit, dry := 1+r.IntN(6), r.IntN(4) == 0
	r.tell("to %s, limit %d, dry: %t", destination, limit, dry)
	ctx, cancel := r.within()
	defer cancel()
	r.model.accepts++
	want := r.model.replayed(destination, &f)
	now := r.now()
	got, err := replayTo(ctx, r.Queue, destination).all(f, limit, dry)
	if err != nil {
		return err
	}
	if got != len(want) {
		return fmt.Errorf("got %d, want %v", got, want)
	}
	if !dry {
		for _, d := range want {
			d.since = now
			r.model.deliver(d)
		}
	}
	return nil
}

func (r *modelRun) discard() error {
	f := r.filter()
	limit, dry := 1+r.IntN(6), r.IntN(4) == 0
	r.tell("limit %d, dry: %t", limit, dry)
	ctx, cancel := r.within()
	defer cancel()
	now := r.now()
	got, err := discardIn(ctx, r.Queue).all(f, limit, dry)
	if err != nil {
		return err
	}
	if want := r.model.discarded(&f, now, dry); got != want {
		return fmt.Errorf("got %d, want %d", got, want)
	}
	return nil
}

func (r *modelRun) list() error { return r.listed(r.filter(), 1+r.IntN(9)) }

func (r *modelRun) wholeList() error {
	r.told = append(r.told, "list all")
	return r.listed(store.Filter{}, 1000)
}

func (r *modelRun) listed(f store.Filter, limit int) error {
	ctx, cancel := r.within()
	defer cancel()
	found, err := listAll(ctx, r.Queue, f, limit)
	if err != nil {
		return err
	}
	return r.model.listed(&f, found)
}

func (r *modelRun) story() error {
	key, _ := r.key()
	if len(r.model.events) > 0 {
		key = r.model.events[r.IntN(len(r.model.events))].Key
	}
	r.tell("%x", key)
	ctx, cancel := r.within()
	defer cancel()
	stories, err := r.Queue.Story(ctx, key)
	if err != nil {
		return err
	}
	return r.model.told(r.queueCheck, key, stories)
}

func (r *modelRun) stats() error {
	ctx, cancel := r.within()
	defer cancel()
	stats, err := r.Queue.Stats(ctx)
	if err != nil {
		return err
	}
	return r.model.figures(stats, r.near)
}
