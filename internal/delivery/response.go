package delivery

import (
	"net/http"
	"strconv"
)

// An answer is the response of a chain of handlers. Its status counts, and
// whether its body came to its end; the body is drained, and dropped but for
// its start.
type answer struct {
	header http.Header
	status int
	keep   int    // bytes of the body
	start  []byte // of the body
	size   int64  // of the body so far
}

// Header implements http.ResponseWriter.
func (a *answer) Header() http.Header { return a.header }

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(status int) {
	informational := status >= 100 && status <= 199 && status != http.StatusSwitchingProtocols
	if a.status == 0 && !informational {
		a.status = status
	}
}

// Write implements http.ResponseWriter.
func (a *answer) Write(p []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	if room := a.keep - len(a.start); room > 0 {
		a.start = append(a.start, p[:min(room, len(p))]...)
	}
	a.size += int64(len(p))
	return len(p), nil
}

// Flush implements http.Flusher.
func (a *answer) Flush() { a.WriteHeader(http.StatusOK) }

// failure returns why an answer without an error is no success, or nil.
func (a *answer) failure() *Failure {
	switch {
	case a.status == 0, a.status == http.StatusSwitchingProtocols:
		return newFailure(causeNoAnswer, errNoAnswer, http.StatusBadGateway)
	case a.status < 200 || a.status > 299:
		return newFailure("http_"+strconv.Itoa(a.status), errStatus, http.StatusBadGateway)
	case a.cutOff():
		return newFailure(causeAborted, errAborted, http.StatusBadGateway)
	}
	return nil
}

// cutOff reports whether the body is shorter than the answer says. Some
// handlers, php_fastcgi among them, report an answer that was cut off as a
// whole one; where the app gives the length, it shows.
func (a *answer) cutOff() bool {
	length, err := strconv.ParseInt(a.header.Get("Content-Length"), 10, 64)
	return err == nil && a.size < length && a.status != http.StatusNoContent
}

// Interface guards
var (
	_ http.ResponseWriter = (*answer)(nil)
	_ http.Flusher        = (*answer)(nil)
)
