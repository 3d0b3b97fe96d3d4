package listen

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"sync"
	"time"
)

// piece is how many bytes a listener is given patience for at a time.
const piece = 32 << 10

// The reasons why streams end.
var (
	errStopping = errors.New("the configuration has ended")
	errGone     = errors.New("the listener has gone")
)

// A stream writes server-sent events to a listener.
type stream struct {
	*Server
	w    http.ResponseWriter
	ctrl *http.ResponseController
	ctx  context.Context // of the listener's request
	done chan struct{}   // closed when the stream has ended

	sent     time.Time // the last event
	messages uint64
	failed   error
	tooSlow  bool

	mu       sync.Mutex // for the deadline of writes
	released bool
}

// newStream returns a stream to the sender of a request. A write that the
// listener does not read ends with the configuration.
func (s *Server) newStream(w http.ResponseWriter, r *http.Request) *stream {
	t := &stream{Server: s, w: w, ctrl: http.NewResponseController(w), ctx: r.Context(), done: make(chan struct{})}
	go func() {
		select {
		case <-s.Stopping:
			t.mu.Lock()
			defer t.mu.Unlock()
			if !t.released {
				_ = t.ctrl.SetWriteDeadline(time.Now())
			}
		case <-t.done:
		}
	}()
	return t
}

// release leaves the connection to what comes after the stream.
func (t *stream) release() {
	close(t.done)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.released = true
	_ = t.ctrl.SetWriteDeadline(time.Time{})
}

// message implements sink.
func (t *stream) message(m *Message, at position) error {
	id := ""
	if at.epoch != "" {
		id = at.String()
	}
	if err := t.event(EventMessage, id, m); err != nil {
		return err
	}
	t.messages++
	return nil
}

// gap implements sink.
func (t *stream) gap(g Gap, at position) error { return t.event(EventGap, at.String(), g) }

// idle implements sink. An event without data moves the listener's position,
// and nothing else.
func (t *stream) idle(at position) error {
	if err := t.ended(); err != nil {
		return err
	}
	if time.Since(t.sent) < t.Heartbeat {
		return nil
	}
	return t.write([]byte("id: " + at.String() + "\n\n"))
}

// wait waits until there may be more to send, or it is time to show that the
// stream lives.
func (t *stream) wait(more <-chan struct{}, at position) error {
	timer := time.NewTimer(max(0, t.Heartbeat-time.Since(t.sent)))
	defer timer.Stop()
	select {
	case <-more:
	case <-timer.C:
	case <-t.Stopping:
	case <-t.ctx.Done():
	}
	return t.idle(at)
}

// ended returns why the stream has to end, or nil.
func (t *stream) ended() error {
	if t.failed == nil {
		select {
		case <-t.Stopping:
			t.failed = errStopping
		case <-t.ctx.Done():
			t.failed = errGone
		default:
		}
	}
	return t.failed
}

// event writes an event, whose data is a value in JSON.
func (t *stream) event(name, id string, value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	out.Grow(len(data) + 128)
	if id != "" {
		out.WriteString("id: " + id + "\n")
	}
	out.WriteString("event: " + name + "\ndata: ")
	out.Write(data)
	out.WriteString("\n\n")
	return t.write(out.Bytes())
}

// arm sets the deadline of a write, unless the stream has to end.
func (t *stream) arm() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.ended(); err != nil {
		return err
	}
	_ = t.ctrl.SetWriteDeadline(time.Now().Add(t.Patience))
	return nil
}

// write writes some bytes, a piece at a time. A listener that does not read one
// within the patience is cut off.
func (t *stream) write(p []byte) error {
	for len(p) > 0 {
		if err := t.arm(); err != nil {
			return err
		}
		n := min(len(p), piece)
		_, err := t.w.Write(p[:n]) //nolint:gosec // a stream of events is no markup, and says so
		if err == nil {
			err = t.ctrl.Flush()
		}
		if err != nil {
			if !errors.Is(t.ended(), errStopping) {
				t.tooSlow = errors.Is(err, os.ErrDeadlineExceeded)
				t.failed = errGone
			}
			return t.failed
		}
		p = p[n:]
	}
	t.sent = time.Now()
	return nil
}
