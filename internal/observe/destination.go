package observe

import (
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

// A Destination tells what happens at one destination of stored events.
type Destination struct {
	o        *Observer
	name     string
	attempts *prometheus.CounterVec
	dead     *prometheus.CounterVec
	closed   prometheus.Gauge
	history  *history
}

// Destination returns the observer of a destination, which tries an event for
// so long before it gives it up.
func (o *Observer) Destination(name string, giveUp time.Duration) *Destination {
	label := prometheus.Labels{"name": o.name, "destination": name}
	d := &Destination{
		o: o, name: name,
		attempts: attemptsTotal.MustCurryWith(label),
		dead:     deadTotal.MustCurryWith(label),
		closed:   destinationClosed.With(label),
		history:  o.state.history(name),
	}
	d.attempts.WithLabelValues(outcomeDelivered) // what has not happened yet is shown as zero
	d.closed.Set(0)                              // until it turns out to be down
	destinationGiveUp.With(label).Set(giveUp.Seconds())
	return d
}

// Attempted states that events were tried, and the cause of the failure, empty
// after a success.
func (d *Destination) Attempted(cause string, events int) {
	d.o.state.changes.Add(1)
	outcome := outcomeDelivered
	if cause != "" {
		outcome = causeLabel(cause)
	} else {
		d.history.deliver(events, time.Now())
	}
	d.attempts.WithLabelValues(outcome).Add(float64(events))
}

// Waiting states how many events wait or are under way.
func (d *Destination) Waiting(events int64) { d.history.wait(events, time.Now()) }

// History returns how many events were delivered in each minute of the last
// hour, how many waited at the end of each minute before this one, as far as
// that was stated, and how many are delivered in a second, lately.
func (d *Destination) History() (delivered, waited []int64, rate float64) {
	return d.history.hour(time.Now())
}

// Died states that events were given up after an attempt that failed.
func (d *Destination) Died(cause string, events int) {
	d.dead.WithLabelValues(causeLabel(cause)).Add(float64(events))
	suppressed, ok := d.o.state.lines.allow("dead "+d.name, moreLines)
	if !ok {
		return
	}
	d.o.logger.Error("given up", d.o.fields(suppressed,
		zap.String("destination", d.name), zap.String("cause", cause), zap.Int("events", events))...)
	d.o.events.emit(eventDead, func() map[string]any {
		return map[string]any{"name": d.o.name, "destination": d.name, "cause": cause, "events": events, "suppressed": suppressed}
	})
}

// Closed states that the destination is down, and only probed from now on, or
// that it is up again.
func (d *Destination) Closed(closed bool, cause string) {
	d.o.state.changes.Add(1)
	name, fields := eventUp, d.o.fields(0, zap.String("destination", d.name))
	if closed {
		name = eventDown
		d.closed.Set(1)
		d.o.logger.Error("destination down", append(fields, zap.String("cause", cause))...)
	} else {
		d.closed.Set(0)
		d.o.logger.Info("destination up", fields...)
	}
	d.o.events.emit(name, func() map[string]any {
		return map[string]any{"name": d.o.name, "destination": d.name, "cause": cause}
	})
}

// StoreFailed states that the store has failed in an operation for the
// destination.
func (d *Destination) StoreFailed(operation string, err error) { d.o.StoreFailed(operation, err) }

// causeLabel returns the label of a cause: statuses by their class.
func causeLabel(cause string) string {
	if status, ok := strings.CutPrefix(cause, "http_"); ok && len(status) == 3 {
		return "http_" + status[:1] + "xx"
	}
	return cause
}

// Unattended states that events wait for a destination that is not configured.
func (o *Observer) Unattended(destination string, events int64) {
	o.logger.Warn("events wait for a destination that is not configured", o.fields(0,
		zap.String("destination", destination), zap.Int64("events", events))...)
}

// MatcherFailed states that it cannot be told which events a destination gets.
func (o *Observer) MatcherFailed(destination string, err error) {
	if suppressed, ok := o.state.lines.allow("matcher "+destination, fewLines); ok {
		o.logger.Error("a destination's matcher failed", o.fields(suppressed, zap.String("destination", destination), zap.Error(err))...)
	}
}
