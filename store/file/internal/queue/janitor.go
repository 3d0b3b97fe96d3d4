package queue

import (
	"context"
	"errors"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/wal"
)

// The janitor does what need not be done at once: it removes what is old,
// writes snapshots, and has what is beyond the schedules read.
type janitor struct {
	woken  chan struct{} // has room for one
	cancel context.CancelFunc
	done   chan struct{}
}

// janitorPause is how often the janitor comes without being woken.
const janitorPause = time.Minute

func (j *janitor) start(q *Queue) {
	var ctx context.Context
	ctx, j.cancel = context.WithCancel(context.Background())
	j.done = make(chan struct{})
	go func() {
		defer close(j.done)
		for {
			stop := q.o.Clock.AfterFunc(janitorPause, j.wake)
			select {
			case <-j.woken:
			case <-ctx.Done():
			}
			stop()
			if ctx.Err() != nil {
				return
			}
			q.tidy(ctx)
		}
	}()
}

// wake has the janitor come soon.
func (j *janitor) wake() {
	select {
	case j.woken <- struct{}{}:
	default:
	}
}

func (j *janitor) stop() {
	j.cancel()
	<-j.done
}

// tidy does what is to be done now.
func (q *Queue) tidy(ctx context.Context) {
	q.mu.Lock()
	for _, d := range q.destinations {
		q.mayReadOn(d)
	}
	q.mu.Unlock()
	if err := q.remove(ctx, false); err != nil && ctx.Err() == nil {
		q.zap.Error("removing what is old", zap.Error(err))
	}
	if q.log.Full() {
		q.makeRoom()
	}
	q.expire()
	if q.snapshotDue() {
		if err := q.snapshot(); err != nil {
			q.zap.Error("writing a snapshot; opening the queue will take longer", zap.Error(err))
		}
	}
}

// snapshotDue reports whether much more was written since the last snapshot
// than another one takes.
func (q *Queue) snapshotDue() bool {
	q.order.Lock()
	last := q.last
	q.order.Unlock()
	q.mu.Lock()
	at, size := q.snapshotAt, q.snapshotSize
	q.mu.Unlock()
	if last.Segment() == at.Segment() {
		return false
	}
	var since int64
	for _, s := range q.log.Segments() {
		if s.Number > at.Segment() {
			since += s.Written
		}
	}
	return since > 4*size
}

// remove removes segments in which everything is settled and old, the oldest
// first. Where only a few deliveries stand in the way, they are moved. Under
// pressure, for want of room, one segment is removed, which need not be old.
//
// Segments go in their order only: what became of a delivery is recorded in
// segments behind its own, and would be lost.
func (q *Queue) remove(ctx context.Context, pressure bool) error {
	q.removal.Lock()
	defer q.removal.Unlock()
	if err := q.sealIdle(ctx, pressure); err != nil {
		return err
	}
	for before := []uint32(nil); ; {
		list := q.removable(pressure)
		if len(list) == 0 || slices.Equal(list, before) || pressure && before != nil {
			return ctx.Err()
		}
		before = list
		for _, number := range list {
			if err := q.moveOut(ctx, number); err != nil {
				return err
			}
		}
		// What makes them superfluous has to be on the disk before they go.
		if err := q.log.Sync(ctx); err != nil {
			return err
		}
		q.mu.Lock()
		due := q.snapshotAt.Segment() <= list[len(list)-1]
		q.mu.Unlock()
		if due {
			if err := q.snapshot(); err != nil { // which must not keep what takes the room for it
				q.zap.Warn("writing a snapshot", zap.Error(err))
			}
		}
		q.keepSeen(list[len(list)-1])
		for _, number := range list {
			if removed, err := q.removeSegment(number); err != nil || !removed {
				return err
			}
		}
	}
}

// fewUnderPressure is which part of a segment may be moved if there is no room:
// it takes from the reserve, in which what becomes of deliveries is written,
// too. See reserve.
const fewUnderPressure = 8

// removable returns the oldest segments, if most of what they hold is settled.
func (q *Queue) removable(pressure bool) (list []uint32) {
	segments := q.log.Segments()
	q.mu.Lock()
	defer q.mu.Unlock()
	beyond := make(map[uint32]bool)
	for _, d := range q.destinations {
		if d.beyond != nil {
			for number, n := range d.beyond.in {
				beyond[number] = beyond[number] || n > 0
			}
		}
	}
	old := q.now() - int64(q.o.Keep)
	live, total, few := 0, 0, 2
	if pressure {
		few = fewUnderPressure
	}
	for i, s := range segments {
		known := q.segments[s.Number]
		if known == nil {
			known = &segment{number: s.Number}
		}
		if !s.Sealed || beyond[s.Number] || !pressure && max(known.stored, known.settled) > old {
			break
		}
		live += known.live
		total += max(known.total, 1)
		if few*live <= total { // of all up to here
			list = list[:0]
			for _, s := range segments[:i+1] {
				list = append(list, s.Number)
			}
			if pressure {
				break
			}
		}
	}
	return list
}

// idle is for how long nothing was stored in a segment that is closed because
// of that.
const idle = time.Minute

// sealIdle closes the last segment if it could be removed otherwise.
func (q *Queue) sealIdle(ctx context.Context, pressure bool) error {
	segments := q.log.Segments()
	if len(segments) == 0 || pressure {
		return nil
	}
	last := segments[len(segments)-1]
	q.mu.Lock()
	s := q.segments[last.Number]
	old := q.now() - max(int64(q.o.Keep), int64(idle))
	due := !last.Sealed && s != nil && s.total > 0 && max(s.stored, s.settled) <= old && 2*s.live <= s.total
	q.mu.Unlock()
	if !due {
		return nil
	}
	if err := q.log.Seal(ctx); !errors.Is(err, wal.ErrFull) {
		return err
	}
	return nil // those before it make room for another
}

// removeSegment removes a segment, unless something is left in it that has
// changed while it was to be moved.
func (q *Queue) removeSegment(number uint32) (removed bool, err error) {
	q.mu.Lock()
	if s := q.segments[number]; s != nil && s.live > 0 {
		q.mu.Unlock()
		return false, nil
	}
	delete(q.segments, number)
	q.known = slices.DeleteFunc(q.known, func(s *segment) bool { return s.number == number })
	q.moved = slices.DeleteFunc(slices.Clone(q.moved), func(m movedDelivery) bool { return m.position.Segment() == number })
	q.mu.Unlock()
	return true, q.log.Remove(number)
}

// makeRoom removes what is settled, and reports whether it removed anything.
func (q *Queue) makeRoom() bool {
	before := len(q.log.Segments())
	if err := q.remove(context.Background(), true); err != nil {
		q.zap.Error("making room", zap.Error(err))
	}
	return len(q.log.Segments()) < before
}

// relieve makes room while some of the reserve is left, which moving what is not
// settled takes from. It is for callers that take from it themselves: the
// janitor may come too late.
func (q *Queue) relieve() {
	if (q.full.Load() || q.log.Full()) && len(q.removable(true)) > 0 {
		q.makeRoom()
	}
}
