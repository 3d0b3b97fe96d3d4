package queue

import (
	"crypto/rand"
	"encoding/binary"
	"slices"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/internal/schedule"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/wal"
)

// A destination is what waits for one destination, and who waits for that. The
// queue's mu protects it.
type destination struct {
	name     string
	schedule *schedule.Schedule
	beyond   *beyond // what has no entry in the schedule

	paused   bool
	pausedAt wal.Position // of the record that says so

	waiting []*waiter // calls to Take, in the order in which they came
	stop    func()    // stops the timer
	due     int64     // when the timer ends, 0 without one
}

// A waiter is a call to Take.
type waiter struct {
	woken chan struct{} // has room for one
}

// destination returns the destination of a name. The lock mu is held.
func (q *Queue) destination(name string) *destination {
	d := q.destinations[name]
	if d == nil {
		var sequence [4]byte
		_, _ = rand.Read(sequence[:])
		d = &destination{name: name, schedule: schedule.New(binary.NativeEndian.Uint32(sequence[:]))}
		q.destinations[name] = d
	}
	return d
}

// wake has what is due taken, and sets the timer to what is due next. The lock
// mu is held.
func (q *Queue) wake(d *destination, now int64) {
	d.schedule.Pass(now)
	if len(d.waiting) == 0 {
		return
	}
	if d.schedule.AnyReady() && !d.paused {
		for _, w := range d.waiting {
			select {
			case w.woken <- struct{}{}:
			default:
				continue // it knows
			}
			break
		}
	}
	if next := d.schedule.Next(); next != 0 && (d.due == 0 || next < d.due) {
		q.setTimer(d, next, now)
	}
}

// longestTimer is after how long a timer ends at the latest. The clock may be
// set in between.
const longestTimer = time.Minute

func (q *Queue) setTimer(d *destination, due, now int64) {
	d.stopTimer()
	if q.closed {
		return
	}
	d.due = due
	d.stop = q.o.Clock.AfterFunc(min(time.Duration(max(0, due-now)), longestTimer), func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		if d.due == due {
			d.due, d.stop = 0, nil
			q.wake(d, q.now())
		}
	})
}

func (d *destination) stopTimer() {
	if d.stop != nil {
		d.stop()
	}
	d.due, d.stop = 0, nil
}

// left ends a call to Take.
func (d *destination) left(w *waiter) {
	if i := slices.Index(d.waiting, w); i >= 0 {
		d.waiting = slices.Delete(d.waiting, i, i+1)
	}
	if len(d.waiting) == 0 {
		d.stopTimer()
	}
}
