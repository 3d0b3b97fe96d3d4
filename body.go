package metawebhook

import (
	"errors"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/budget"
)

// firstRead is how much room there is for a body before any of it has come.
// Content-Length is not authenticated; do not allocate more because of it.
const firstRead = 16 << 10

// growth is how many times as much room there is each time it was full: what
// a sender makes the server set aside, it has to send a quarter of before.
const growth = 4

// readBody reads the body of a notification, of at most MaxSize bytes and
// within BodyTimeout, into memory that is the request's share. The error is a
// refusal, and means that the body has not been read to its end.
func (h *Handler) readBody(w http.ResponseWriter, r *http.Request, share *budget.Share) ([]byte, error) {
	if r.ContentLength > h.MaxSize {
		return nil, errTooLarge
	}
	most := h.MaxSize // that there may be room for
	if r.ContentLength >= 0 {
		most = r.ContentLength
	}
	size := min(firstRead, most)
	if size < r.ContentLength && !share.Fits(r.ContentLength, share.ForLargeBody()) || !share.Take(size, share.ForSmallBody()) {
		return nil, errOverloaded
	}
	// what cannot set a deadline is no connection, and needs none
	ctrl := http.NewResponseController(w)
	_ = ctrl.SetReadDeadline(time.Now().Add(time.Duration(h.BodyTimeout)))

	body := make([]byte, 0, size+1) // and room to find the end
	for {
		// a reader of chunks waits until it has filled what it is given: never
		// ask it for more than it takes to know that the body is too large
		n, err := r.Body.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		switch {
		case int64(len(body)) > h.MaxSize:
			return nil, errTooLarge
		case err == io.EOF:
			_ = ctrl.SetReadDeadline(time.Time{})
			return body, nil
		case err != nil:
			return nil, refusedRead(err)
		}
		if len(body) < cap(body) {
			continue
		}
		if size == most {
			most = h.MaxSize // a handler before this one makes more of it than was declared
		}
		larger := min(max(growth*size, firstRead), most)
		if !share.Take(larger, share.ForLargeBody()) {
			return nil, errOverloaded
		}
		body = append(make([]byte, 0, larger+1), body...)
		share.Give(size)
		size = larger
	}
}

// refusedRead returns the refusal of a body that could not be read.
func refusedRead(err error) refusal {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return errTooLarge // by another handler, such as request_body
	}
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		return errTooSlow
	}
	return errIncomplete
}
