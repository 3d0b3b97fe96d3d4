package listen

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/event"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/rule"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
)

// A Server serves the stream of a handler's messages. Who may have it is for
// the caller to judge.
type Server struct {
	Name         string // of the handler
	MaxListeners int    // at the same time, of all servers of the name
	MaxEvents    int    // messages that were delivered inline to keep
	MaxBytes     int64  // that they take
	Stopping     <-chan struct{}
	Logger       *zap.Logger

	// How often a silent stream shows that it lives. Default: 15s.
	Heartbeat time.Duration

	// How long a listener may take to read a piece of what it is sent.
	// Default: 10s.
	Patience time.Duration

	journal *journal
}

// The defaults of the times.
const (
	defaultHeartbeat = 15 * time.Second
	defaultPatience  = 10 * time.Second
)

// Open takes up the messages that the servers of this name have kept.
func (s *Server) Open() (err error) {
	s.Heartbeat = cmp.Or(s.Heartbeat, defaultHeartbeat)
	s.Patience = cmp.Or(s.Patience, defaultPatience)
	s.journal, err = openJournal(s.Name)
	return err
}

// Close gives them back.
func (s *Server) Close() error {
	if s.journal == nil {
		return nil
	}
	return s.journal.close()
}

// Take copies a request of meta_webhook to the listeners. Nothing waits for
// them. The function that it returns takes whether the app has failed.
func (s *Server) Take(r *http.Request, body []byte, received time.Time) (answered func(failed bool)) {
	id := r.Header.Get("Webhook-Id")
	s.journal.add(copyOf(r, body, received, id), s.MaxEvents, s.MaxBytes)
	return func(failed bool) {
		if failed {
			s.journal.fail(id, s.MaxEvents)
		}
	}
}

// Enter makes room for a listener, and reports whether there is any. Each that
// succeeds needs a Leave.
func (s *Server) Enter() bool { return s.journal.enter(s.MaxListeners) }

// Leave ends what Enter began.
func (s *Server) Leave() { s.journal.leave() }

// A wish is what a listener asks for.
type wish struct {
	filter Filter
	from   time.Time
	id     string // of the one event that it is about
	last   *position
}

// wishOf reads what a request asks for.
func wishOf(r *http.Request, now time.Time) (*wish, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, errors.New("malformed query")
	}
	w := new(wish)
	texts := map[string]*string{
		"object": &w.filter.Object, "kind": &w.filter.Kind, "conversation": &w.filter.Conversation,
		"destination": &w.filter.Destination, "id": &w.id, "since": new(string),
	}
	for name, values := range query {
		to, ok := texts[name]
		switch {
		case !ok:
			return nil, fmt.Errorf("unknown parameter %q", name)
		case len(values) != 1:
			return nil, fmt.Errorf("%s: given more than once", name)
		}
		*to = values[0]
	}
	if since := *texts["since"]; since != "" {
		ago, err := caddy.ParseDuration(since)
		if err != nil || ago <= 0 {
			return nil, fmt.Errorf("since: %q is not a duration such as 2h", since)
		}
		w.from = now.Add(-ago)
	}
	if text := r.Header.Get("Last-Event-ID"); text != "" {
		last, ok := parsePosition(text)
		if !ok {
			return nil, errors.New("the Last-Event-ID is not one of this gateway's")
		}
		w.last = &last
	}
	return w, nil
}

// checkDestination reports a destination that the handler does not have.
func (s *Server) checkDestination(name string) error {
	running := stored(s.Name)
	switch {
	case name == "":
		return nil
	case running == nil:
		return errors.New("destination: the gateway delivers inline, and has none")
	}
	names := make([]string, len(running.Destinations))
	for i, d := range running.Destinations {
		names[i] = d.Name
	}
	return rule.For("destination", rule.OneOf(name, names...))
}

// ServeHTTP serves the stream to a listener.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	wish, err := wishOf(r, time.Now())
	if err == nil {
		err = s.checkDestination(wish.filter.Destination)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // says to proxies that know it what the type means
	t := s.newStream(w, r)
	defer t.release()
	log := s.Logger.With(zap.String("name", s.Name), zap.String("remote_addr", r.RemoteAddr))
	log.Info("listener connected")
	err = s.serve(t, wish)
	log.Info("listener gone", zap.Uint64("messages", t.messages), zap.Bool("too_slow", t.tooSlow), zap.NamedError("reason", err))
}

// serve serves the stream until the listener is gone, the configuration ends,
// or there is nothing more. The error says which.
func (s *Server) serve(t *stream, w *wish) error {
	hello := Hello{Name: s.Name, Stored: s.isStored(t, w.last), Heartbeat: s.Heartbeat.Seconds()}
	if w.id != "" {
		return s.serveOne(t, w, hello)
	}
	var from reader
	if hello.Stored {
		f, err := follow(t.ctx, func() queue { return queueOf(s.Name) }, w.filter, w.last, w.from, &s.journal.pace)
		if err != nil {
			return err
		}
		from = f
	} else {
		from = s.journal.read(w.filter, w.last, w.from)
	}
	if err := t.event(EventHello, from.position().String(), hello); err != nil {
		return err
	}
	for {
		if !hello.Stored && stored(s.Name) != nil {
			return errEnded // as an inline one
		}
		more, err := from.drain(t.ctx, t)
		switch {
		case t.failed != nil:
			return t.failed
		case errors.Is(err, errEnded), t.ctx.Err() != nil:
			return err
		case err != nil: // of the store, which may work again
			s.Logger.Warn("the store failed", zap.String("name", s.Name), zap.String("operation", "listen"), zap.Error(err))
			more = s.journal.pace.next()
		}
		if err := t.wait(more, from.position()); err != nil {
			return err
		}
	}
}

const (
	// startTime is how long a process may take from the configuration to the
	// start of stored delivery. The servers may start first.
	startTime = 2 * time.Second

	// changeTime is how long a listener of a store waits for it to be opened
	// again, before it is taken to be gone for good.
	changeTime = 5 * time.Second
)

// isStored reports whether the handler stores events, for destinations. It waits
// for a process that may be about to start.
func (s *Server) isStored(t *stream, last *position) bool {
	until := s.journal.began.Add(startTime)
	if last != nil && last.epoch == inStore {
		until = time.Now().Add(changeTime)
	}
	for stored(s.Name) == nil {
		if time.Now().After(until) || t.ended() != nil {
			return false
		}
		time.Sleep(10 * time.Millisecond)
	}
	return true
}

// serveOne serves the one message with an id.
func (s *Server) serveOne(t *stream, w *wish, hello Hello) error {
	var m *Message
	if hello.Stored {
		key, err := hex.DecodeString(w.id)
		if err == nil && len(key) == len(store.Key{}) {
			if m, err = again(t.ctx, queueOf(s.Name), store.Key(key), w.filter.Destination); err != nil {
				return err
			}
		}
	} else if m = s.journal.find(w.id); m != nil {
		m.describe(new(Filter))
	}
	if err := t.event(EventHello, "", hello); err != nil {
		return err
	}
	if m != nil {
		if err := t.message(m, position{}); err != nil {
			return err
		}
	}
	return t.event(EventEnd, "", struct{}{})
}

// A reader reads messages for a listener, in their order.
type reader interface {
	// position returns where the listener is.
	position() position

	// drain gives the messages that are there to the sink, and returns what is
	// closed when there may be more.
	drain(ctx context.Context, to sink) (more <-chan struct{}, err error)
}

// A sink takes what a reader reads. Its errors end the stream.
type sink interface {
	message(m *Message, at position) error
	gap(g Gap, at position) error

	// idle notes that the reader is at a position, and at work.
	idle(at position) error
}

// CheckID reports an id that no event can have.
func CheckID(id string) error {
	if decoded, err := hex.DecodeString(id); err != nil || len(decoded) != len(event.ID{}) || strings.ToLower(id) != id {
		return errors.New("must be an event's id, which has 32 hex digits")
	}
	return nil
}

// Interface guards
var (
	_ reader = (*journalReader)(nil)
	_ reader = (*follower)(nil)
	_ sink   = (*stream)(nil)
)
