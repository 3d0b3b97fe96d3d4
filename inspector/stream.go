package inspector

import (
	"bytes"
	"fmt"
	"net/http"
	"time"
)

const (
	// reconnect is how soon a page asks again when its stream has ended, in
	// milliseconds.
	reconnect = 500

	// keepAlive is how often a silent stream shows that it lives.
	keepAlive = 15 * time.Second

	// patience is how long a page may take to read what it is sent.
	patience = 10 * time.Second

	// chunk is about how many bytes are sent at once.
	chunk = 256 << 10
)

// serveEvents streams the events, those that are kept first, as server-sent
// events. A page that comes back names the last event it has seen, and gets
// those after it.
func (h *Handler) serveEvents(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // says to proxies that know it what the type means
	if r.Method == http.MethodHead {
		return nil
	}
	last := r.Header.Get("Last-Event-ID")
	if last == "" {
		last = r.URL.Query().Get("after")
	}
	number, _ := h.journal.number(last) // of another journal, nothing has been seen

	var out bytes.Buffer
	fmt.Fprintf(&out, "retry: %d\nevent: hello\ndata: {\"max_events\":%d,\"max_bytes\":%d}\n\n", reconnect, h.MaxEvents, h.MaxBytes)
	ticker := time.NewTicker(keepAlive)
	defer ticker.Stop()
	for {
		select {
		case <-h.stopping:
			return nil
		case <-r.Context().Done():
			return nil
		default:
		}
		records, changed := h.journal.since(number, chunk)
		for i := range records {
			h.appendEvent(&out, &records[i])
			number = records[i].number
		}
		if out.Len() > 0 {
			if err := send(w, out.Bytes()); err != nil {
				return nil // the client is gone
			}
			out.Reset()
		}
		if len(records) > 0 {
			continue // there may be more
		}
		select {
		case <-changed:
		case <-ticker.C:
			out.WriteString(": \n\n")
		case <-h.stopping:
		case <-r.Context().Done():
		}
	}
}

// send sends what there is, and waits for it no longer than patience.
func send(w http.ResponseWriter, p []byte) error {
	ctrl := http.NewResponseController(w)
	_ = ctrl.SetWriteDeadline(time.Now().Add(patience))
	if _, err := w.Write(p); err != nil {
		return err
	}
	return ctrl.Flush()
}

// appendEvent appends an event as the stream has it: its head in one line, and
// its payload in those after it.
func (h *Handler) appendEvent(out *bytes.Buffer, r *record) {
	fmt.Fprintf(out, "id: %s\ndata: ", h.journal.id(r.number))
	out.Write(r.head)
	if r.event != nil {
		// a line may end in any of these
		text := bytes.ReplaceAll(bytes.ReplaceAll(r.event, []byte("\r\n"), []byte("\n")), []byte("\r"), []byte("\n"))
		for line := range bytes.SplitSeq(text, []byte("\n")) {
			out.WriteString("\ndata: ")
			out.Write(line)
		}
	}
	out.WriteString("\n\n")
}
