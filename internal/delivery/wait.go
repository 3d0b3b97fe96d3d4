package delivery

import (
	"context"
	"time"
)

// An outcomeWait is how long to wait for what is being delivered elsewhere: as
// long as the lease and the sender, looking again less and less often.
type outcomeWait struct {
	ctx   context.Context
	most  time.Duration
	start time.Time // of the first look
	pause time.Duration
}

const (
	firstPause   = 5 * time.Millisecond
	longestPause = 500 * time.Millisecond
)

// more waits for the time to look again, and reports whether there is one.
func (w *outcomeWait) more() bool {
	now := time.Now()
	if w.start.IsZero() {
		w.start = now
	}
	w.pause = min(max(firstPause, 2*w.pause), longestPause)
	if now.Add(w.pause).Sub(w.start) > w.most {
		return false
	}
	select {
	case <-time.After(w.pause):
		return true
	case <-w.ctx.Done():
		return false
	}
}

// waited reports whether there was a wait.
func (w *outcomeWait) waited() bool { return !w.start.IsZero() }
