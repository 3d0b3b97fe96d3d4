package inspector

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// take takes a delivery of meta_webhook: it answers for the app, or has the
// next handler do so.
func (h *Handler) take(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	body, err := bodyOf(r)
	if err != nil {
		return caddyhttp.Error(http.StatusBadRequest, err)
	}
	d := &delivery{received: time.Now(), origin: originOf(r), uri: r.RequestURI, body: body}
	answered := h.Listen.take(r, d)
	defer func() {
		answered(d)
		h.journal.add(d, h.MaxEvents, h.MaxBytes)
	}()
	if !h.Pass {
		w.WriteHeader(http.StatusOK)
		return nil
	}
	a := &answer{ResponseWriterWrapper: &caddyhttp.ResponseWriterWrapper{ResponseWriter: w}}
	defer func() {
		d.took, d.start = time.Since(d.received), a.start
		if a.status != 0 {
			d.answer = a.status
		}
	}()
	d.failure = "the handler aborted its response" // unless it returns
	err = next.ServeHTTP(a, r)
	d.answer, d.failure = outcome(r, err)
	return err
}

// outcome returns how the next handler has answered where it has not written
// an answer, and what went wrong.
func outcome(r *http.Request, err error) (status int, failure string) {
	if own, ok := errors.AsType[caddyhttp.HandlerError](err); ok && own.Err != nil {
		return own.StatusCode, startOf(own.Err)
	}
	if err != nil {
		return 0, startOf(err)
	}
	if unhandled, _ := caddyhttp.GetVar(r.Context(), "unhandled").(bool); unhandled {
		return 0, "no handler behind meta_webhook_inspector took the request"
	}
	return http.StatusOK, "" // as net/http has it
}

// startOf returns the start of what an error says, in which may be anything that
// the app has answered in place of HTTP.
func startOf(err error) string {
	text := err.Error()
	return strings.ToValidUTF8(text[:min(len(text), keptAnswer)], "\uFFFD")
}

// bodyOf returns the body of a request, and leaves it to be read by others.
// meta_webhook gives its requests a body of which there are copies.
func bodyOf(r *http.Request) ([]byte, error) {
	if r.GetBody == nil {
		body, err := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		return body, err
	}
	body, err := r.GetBody()
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return io.ReadAll(body)
}

// keptAnswer is how many bytes of the app's answer are kept.
const keptAnswer = 1 << 10

// An answer notes the status of the app's answer, and its start.
type answer struct {
	*caddyhttp.ResponseWriterWrapper
	status int
	start  []byte
}

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(status int) {
	if a.status == 0 && status >= 200 {
		a.status = status
	}
	a.ResponseWriterWrapper.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (a *answer) Write(p []byte) (int, error) {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	a.start = append(a.start, p[:min(len(p), keptAnswer-len(a.start))]...)
	return a.ResponseWriterWrapper.Write(p)
}
