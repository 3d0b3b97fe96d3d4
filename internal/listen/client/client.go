// Package client listens to what a gateway delivers, and comes back when it
// loses the connection.
package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/listen"
)

// A Client listens to one stream.
type Client struct {
	URL   *url.URL // of the stream, with what is asked for in the query
	Token string
	HTTP  *http.Client

	// How long to try to come back before Run gives up.
	RetryFor time.Duration

	// Told of what happens to the connection, one at a time.
	Notice func(Notice)

	last  string // the position
	known recent
}

// A Notice is something that has happened to the connection. One of the
// members is set.
type Notice struct {
	Connected *listen.Hello
	Again     bool // it is not the first time
	Lost      error
	Gap       *listen.Gap
}

// A RefusedError is an answer that trying again does not change.
type RefusedError struct {
	Status int
	Text   string // of the answer, if that is for people
}

// Error implements error.
func (r *RefusedError) Error() string {
	text := fmt.Sprintf("%d %s", r.Status, http.StatusText(r.Status))
	if r.Text != "" {
		text += ": " + r.Text
	}
	return text
}

// Refused reports whether trying again would not change an answer.
func refused(status int) bool {
	return status >= 300 && status <= 499 && status != http.StatusRequestTimeout && status != http.StatusTooManyRequests
}

// The pauses before the client tries again grow from the first to the longest.
const (
	firstPause   = 250 * time.Millisecond
	longestPause = 15 * time.Second

	// fewTries is how often it tries at least before it gives up, however long
	// that takes: the machine may have slept.
	fewTries = 3

	// ahead is how many messages are read ahead of the one that is handled.
	ahead = 32
)

// errEnd means that the stream has come to its end.
var errEnd = errors.New("the end of the stream")

// Run has handle take each message, one at a time, in order, and none twice. It
// returns nil when the context or the stream ends, and else why there is no
// stream: a *RefusedError, or that of the last try.
func (c *Client) Run(ctx context.Context, handle func(*listen.Message)) error {
	messages := make(chan *listen.Message, ahead)
	var err error
	go func() {
		defer close(messages)
		err = c.read(ctx, messages)
	}()
	for m := range messages {
		if ctx.Err() == nil {
			handle(m)
		}
	}
	return err
}

// read reads messages until the context or the stream ends, or there is no
// coming back.
func (c *Client) read(ctx context.Context, to chan<- *listen.Message) error {
	var failing time.Time // since when there has been no stream
	pause, tries := firstPause, 0
	for first := true; ; first = false {
		began, err := c.stream(ctx, to, !first)
		switch {
		case ctx.Err() != nil, errors.Is(err, errEnd):
			return nil
		case began:
			failing, pause, tries = time.Now(), firstPause, 0
		case first, isRefusal(err):
			return err
		}
		if tries++; tries > fewTries && time.Since(failing) >= c.RetryFor {
			return fmt.Errorf("no way back within %s: %w", c.RetryFor, err)
		}
		if began {
			c.Notice(Notice{Lost: err})
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause/2 + rand.N(pause/2)): //nolint:gosec // spreads, and hides nothing
		}
		pause = min(2*pause, longestPause)
	}
}

func isRefusal(err error) bool {
	_, ok := errors.AsType[*RefusedError](err)
	return ok
}

// stream reads one connection's messages. It reports whether the stream has
// begun.
func (c *Client) stream(ctx context.Context, to chan<- *listen.Message, again bool) (began bool, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	alive := newWatch(cancel)
	defer alive.stop()
	res, err := c.open(ctx)
	if err != nil {
		return false, silence(ctx, err)
	}
	defer res.Body.Close()
	events := eventReader{bufio.NewReaderSize(res.Body, 64<<10), alive.feed, maxEvent}
	for {
		e, err := events.next()
		if err != nil {
			return began, silence(ctx, err)
		}
		switch e.name {
		case listen.EventHello:
			var hello listen.Hello
			if err := json.Unmarshal(e.data, &hello); err != nil {
				return began, errNoStream
			}
			began = true
			alive.every(time.Duration(hello.Heartbeat * float64(time.Second)))
			c.Notice(Notice{Connected: &hello, Again: again})
		case listen.EventGap:
			gap := new(listen.Gap)
			if err := json.Unmarshal(e.data, gap); err != nil {
				return began, errNoStream
			}
			c.Notice(Notice{Gap: gap})
		case listen.EventMessage:
			m := new(listen.Message)
			if err := json.Unmarshal(e.data, m); err != nil {
				return began, errNoStream
			}
			if c.known.add(m.Key) {
				alive.stop() // what takes its time now is not the gateway
				select {
				case to <- m:
				case <-ctx.Done():
					return began, ctx.Err()
				}
				alive.feed()
			}
		case listen.EventEnd:
			return began, errEnd
		}
		if e.id != "" {
			c.last = e.id
		}
	}
}

var errNoStream = errors.New("the stream is not one of a gateway, or one of another version")

// open asks for the stream.
func (c *Client) open(ctx context.Context) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.URL.String(), nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+c.Token)
	r.Header.Set("Accept", "text/event-stream")
	if c.last != "" {
		r.Header.Set("Last-Event-ID", c.last)
	}
	res, err := c.HTTP.Do(r)
	if err != nil {
		return nil, err
	}
	isStream := strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream")
	if res.StatusCode == http.StatusOK && isStream {
		return res, nil
	}
	defer res.Body.Close()
	if res.StatusCode == http.StatusOK {
		return nil, &RefusedError{res.StatusCode, "not a stream of events"}
	}
	refusal := &RefusedError{Status: res.StatusCode}
	if strings.HasPrefix(res.Header.Get("Content-Type"), "text/plain") {
		text, _ := io.ReadAll(io.LimitReader(res.Body, 512))
		refusal.Text = strings.TrimSpace(string(text))
	}
	if refused(res.StatusCode) {
		return nil, refusal
	}
	return nil, errors.New(refusal.Error())
}

// errSilent is why a stream was given up that no longer lived.
var errSilent = errors.New("nothing came from the gateway for too long")

// silence returns errSilent if that is what has ended the context, else err.
func silence(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); errors.Is(cause, errSilent) {
		return cause
	}
	return err
}

// A watch ends a stream that no longer lives.
type watch struct {
	timer *time.Timer
	most  time.Duration
}

// untilHello is how long a stream may take to begin.
const untilHello = 30 * time.Second

func newWatch(end context.CancelCauseFunc) *watch {
	return &watch{time.AfterFunc(untilHello, func() { end(errSilent) }), untilHello}
}

// every sets how often the stream shows that it lives.
func (w *watch) every(heartbeat time.Duration) {
	if heartbeat > 0 {
		w.most = 3 * min(heartbeat, untilHello)
	}
	w.feed()
}

func (w *watch) feed() { w.timer.Reset(w.most) }
func (w *watch) stop() { w.timer.Stop() }

// recent knows the keys of the messages that came last.
type recent struct {
	keys map[string]struct{}
	ring []string
	next int
}

// remembered is how many.
const remembered = 100_000

// add adds a key, and reports whether it is new.
func (r *recent) add(key string) bool {
	if r.keys == nil {
		r.keys = make(map[string]struct{})
	}
	if _, ok := r.keys[key]; ok {
		return false
	}
	r.keys[key] = struct{}{}
	if len(r.ring) < remembered {
		r.ring = append(r.ring, key)
		return true
	}
	delete(r.keys, r.ring[r.next])
	r.ring[r.next] = key
	r.next = (r.next + 1) % remembered
	return true
}
