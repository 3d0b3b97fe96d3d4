package delivery

import (
	"context"
	"time"

	"golang.org/x/time/rate"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
)

const (
	// mostReplays is how many events are replayed in a second by default.
	mostReplays = 500

	// partsInSecond is how many parts the replays of a second come in.
	partsInSecond = 10

	// replayTime is about how long a call to Replay takes at most, for a client
	// shows its progress after each call, and a server ends requests that take
	// long.
	replayTime = time.Second
)

// defaultReplayRate returns how many events are replayed to the destination in
// a second by default. That leaves live events half of its rate.
func (d *Destination) defaultReplayRate() float64 {
	if d.Rate == 0 {
		return mostReplays
	}
	half := d.Rate / 2
	if d.Deliver == Batch {
		half *= float64(d.MaxEvents)
	}
	return min(max(1, half), mostReplays)
}

// A replayPace is how fast events are put into a destination's queue again, by
// all calls together. Those that are not there yet hold up nothing: they take no
// place of live ones, and what comes in their conversations does not wait behind
// them.
type replayPace struct {
	limiter *rate.Limiter
	part    int // how many events are put into the queue at a time
}

func newReplayPace(perSecond float64) *replayPace {
	part := max(1, int(perSecond/partsInSecond))
	return &replayPace{rate.NewLimiter(rate.Limit(perSecond), part), part}
}

// Replay does as [store.Operator] says, at the pace of the destination. It
// returns after about replayTime, with the cursor to go on from.
func (s *Stored) Replay(ctx context.Context, destination string, f store.Filter, cursor string, limit int, dry bool) (n int, next string, err error) {
	pace := s.replayPace(destination)
	if dry || pace == nil {
		return s.replaySome(ctx, destination, f, cursor, limit, dry)
	}
	next = cursor
	for end := time.Now().Add(replayTime); ; {
		var part int
		var after string
		if err = pace.limiter.WaitN(ctx, 0); err == nil { // for what was replayed before
			part, after, err = s.replaySome(ctx, destination, f, next, min(limit-n, pace.part), false)
		}
		switch {
		case err != nil && n > 0:
			return n, next, nil // the next call meets the error
		case err != nil:
			return 0, "", err
		}
		pace.limiter.ReserveN(time.Now(), part)
		if n, next = n+part, after; next == "" || n >= limit || s.ended.Load() || !time.Now().Before(end) {
			return n, next, nil
		}
	}
}

// replaySome replays events at once.
func (s *Stored) replaySome(ctx context.Context, destination string, f store.Filter, cursor string, limit int, dry bool) (n int, next string, err error) {
	err = s.Operate(func(o store.Operator) (err error) {
		n, next, err = o.Replay(ctx, destination, f, cursor, limit, dry)
		return err
	})
	return n, next, err
}

// replayPace returns the pace of a destination, nil if it is not configured:
// nothing is delivered to it.
func (s *Stored) replayPace(destination string) *replayPace {
	for _, w := range s.workers {
		if w.to.Name == destination {
			return w.replays
		}
	}
	return nil
}
