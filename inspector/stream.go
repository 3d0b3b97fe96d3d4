package inspector

import (
	"fmt"
	"net/http"
	"time"
)

const (
	// reconnect is how soon a page asks again when its stream has ended, in
	// milliseconds.
	reconnect = 500

	// attention is how often a stream looks whether anything has happened. It
	// is what has a page not ask more often.
	attention = 400 * time.Millisecond

	// keepAlive is how often a silent stream shows that it lives.
	keepAlive = 15 * time.Second

	// patience is how long a page may take to read what it is sent.
	patience = 10 * time.Second

	// mostStreams is how many pages of a name are told of changes at the same
	// time. Each is looked after all the time.
	mostStreams = 100
)

// serveStream tells a page when there is something new to ask for, as
// server-sent events.
func (h *Handler) serveStream(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // says to proxies that know it what the type means
	if r.Method == http.MethodHead {
		return nil
	}
	defer h.journal.streams.Add(-1)
	if h.journal.streams.Add(1) > mostStreams {
		w.Header().Del("Content-Type")
		w.Header().Set("Retry-After", "5")
		return h.refuseWith(r, http.StatusServiceUnavailable, errPages)
	}
	ticker := time.NewTicker(attention)
	defer ticker.Stop()
	seen, settling, sent := h.version(), false, time.Now()
	message := fmt.Sprintf("retry: %d\nevent: hello\ndata: {\"stored\":%t,\"max_events\":%d}\n\n", reconnect, h.view().IsStored(), h.MaxEvents)
	for {
		if message != "" {
			if send(w, message) != nil {
				return nil // the client is gone
			}
			message, sent = "", time.Now()
		}
		select {
		case <-ticker.C:
		case <-h.stopping:
			return nil
		case <-r.Context().Done():
			return nil
		}
		// the change that an attempt makes is noticed before it is in the store:
		// the last change is sent once more
		version := h.version()
		if version != seen || settling {
			message = "event: changed\ndata: {}\n\n"
			seen, settling = version, version != seen
		} else if time.Since(sent) >= keepAlive {
			message = ": \n\n"
		}
	}
}

// A version is what has happened so far, as numbers that grow.
type version struct{ journal, changes uint64 }

func (h *Handler) version() version { return version{h.journal.count(), h.view().Changes()} }

// send sends a message, and waits for it no longer than patience.
func send(w http.ResponseWriter, message string) error {
	ctrl := http.NewResponseController(w)
	_ = ctrl.SetWriteDeadline(time.Now().Add(patience))
	if _, err := w.Write([]byte(message)); err != nil {
		return err
	}
	return ctrl.Flush()
}
