package delivery

import (
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
)

// leastAttempts is how often an event fails before it is given up. It may have
// waited behind others, or for a destination that was down, for longer than
// give_up, and a single failure says nothing about it.
const leastAttempts = 3

// outcome returns what becomes of a delivery after an attempt.
func (w *worker) outcome(d *store.Delivery, a store.Attempt, f *Failure, now time.Time) store.Outcome {
	o := store.Outcome{Held: d.Held, Attempt: a}
	if f == nil {
		o.Result = store.Done
		return o
	}
	if f.Cause == causeShutdown {
		o.Result, o.Attempt = store.Returned, store.Attempt{}
		return o
	}
	end := d.Since.Add(time.Duration(w.to.GiveUp))
	if !now.Before(end) && d.Attempt >= leastAttempts {
		o.Result = store.Dead
		return o
	}
	o.Result = store.Again
	o.At = now.Add(w.to.pause(d.Attempt, f.RetryAfter))
	if probe, closed := w.gate.nextProbe(now); closed && f.down() && f.RetryAfter == 0 {
		o.At = probe // the destination is down, which is not the event's fault
	}
	if now.Before(end) && o.At.After(end) {
		o.At = end // for a last attempt
	}
	return o
}

// attemptOf returns what is stored of an attempt.
func attemptOf(started time.Time, took time.Duration, status int, f *Failure) store.Attempt {
	a := store.Attempt{Started: started, Took: took, Status: status}
	if f != nil {
		a.Cause, a.Error, a.Answer = f.Cause, f.Err.Error(), f.Answer
	}
	return a
}

// down reports whether a failure is the destination's, rather than the
// message's: with others, it would have failed, too.
func (f *Failure) down() bool {
	switch f.Cause {
	case causeTimeout, causeConnect, "http_502", "http_503", "http_504", "http_429":
		return true
	}
	return false
}

// counts reports whether a failure counts towards closing the destination: it
// was out of reach, too slow, or answered 5xx.
func (f *Failure) counts() bool {
	return f.down() || f.Cause == causeAborted || f.Cause == causeNoAnswer || len(f.Cause) == len("http_500") && f.Cause[:6] == "http_5"
}
