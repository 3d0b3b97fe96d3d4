package delivery

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/observe"
)

// A Sender sends messages to chains of handlers.
type Sender struct {
	Keys     SigningKeys
	Observer *observe.Observer

	// How long one attempt may take, from the request to the end of the
	// answer.
	Timeout time.Duration

	// How many bytes of the bodies of answers to keep.
	Keep int
}

// A Chain is the handlers that a message is for.
type Chain struct {
	Handler caddyhttp.Handler
	Server  *caddyhttp.Server

	// The request in which handlers in front of meta_webhook have left
	// variables and placeholders for those behind it; nil without any.
	Before *http.Request
}

// A Failure is why a message was not delivered.
type Failure struct {
	observe.Failure
	Cause      string        // a fixed word, or http_ and the status of the answer
	Reply      int           // the status to answer Meta with
	RetryAfter time.Duration // that the answer asks for, 0 if it does not
	Answer     []byte        // the start of its body
}

// The causes of failures, beside http_ and a status.
const (
	causeShutdown  = "shutdown"  // the process ends
	causeTimeout   = "timeout"   // the attempt took too long
	causeConnect   = "connect"   // there is no connection to the app
	causeAborted   = "aborted"   // the answer was cut off
	causeUnhandled = "unhandled" // no handler took the request
	causeNoAnswer  = "no_answer" // the handlers wrote no answer, or switched protocols
	causePanic     = "panic"     // a handler panicked
	causeError     = "error"     // a handler returned another error
)

var (
	errShutdown  = errors.New("shutting down")
	errTimeout   = errors.New("the attempt took longer than timeout")
	errUnhandled = errors.New("no handler behind meta_webhook took the request")
	errAborted   = errors.New("the answer was cut off")
	errNoAnswer  = errors.New("the handlers wrote no answer")
	errStatus    = errors.New("the answer is not 2xx")
)

// Send sends a message to a chain of handlers. It was delivered if they have
// answered 2xx, to the end of the body, in time; then the failure is nil. The
// status is that of the answer, 0 without one.
func (s *Sender) Send(ctx context.Context, to *Chain, o *Origin, m *Message) (status int, f *Failure) {
	ctx, done := s.Observer.Sending(ctx, observe.Message{
		ID: m.ID, Events: m.Events, Attributes: m.Attributes,
		Destination: m.Destination, Attempt: m.Attempt, Replay: m.Replay, Traces: m.Traces,
	})
	a := &answer{header: make(http.Header), keep: s.Keep}
	if f = s.attempt(ctx, to, o, m, a); f == nil {
		done(nil)
		return a.status, nil
	}
	f.Status, f.Answer = a.status, a.start
	f.RetryAfter = retryAfter(a, time.Now())
	done(&f.Failure)
	return f.Status, f
}

// attempt makes a request of the message, and has the handlers serve it within
// the timeout.
func (s *Sender) attempt(ctx context.Context, to *Chain, o *Origin, m *Message, a *answer) *Failure {
	if ctx.Err() != nil {
		return newFailure(causeShutdown, errShutdown, http.StatusServiceUnavailable)
	}
	timed := ctx
	if s.Timeout > 0 {
		var cancel context.CancelFunc
		timed, cancel = within(ctx, s.Timeout)
		defer cancel()
	}
	f := s.serve(timed, to, o, m, a)
	switch {
	case f == nil:
	case ctx.Err() != nil:
		return newFailure(causeShutdown, errShutdown, http.StatusServiceUnavailable)
	case timed.Err() != nil:
		return newFailure(causeTimeout, errTimeout, http.StatusGatewayTimeout)
	}
	return f
}

// serve has the handlers serve the request of a message.
func (s *Sender) serve(ctx context.Context, to *Chain, o *Origin, m *Message, a *answer) (f *Failure) {
	// One event that makes a handler panic must not take the others with it,
	// let alone, from a goroutine of ours, the whole process.
	defer func() {
		switch p := recover(); p {
		case nil:
		case http.ErrAbortHandler:
			f = newFailure(causeAborted, errAborted, http.StatusBadGateway)
		default:
			f = newFailure(causePanic, fmt.Errorf("panic: %v", p), http.StatusBadGateway)
			f.Stack = debug.Stack()
		}
	}()
	r := s.request(ctx, to, o, m, a)
	if err := to.Handler.ServeHTTP(a, r); err != nil {
		return newFailure(causeOf(err), err, statusOf(err))
	}
	// Caddy says so where a chain of handlers ends. Whatever may have been
	// answered on the way, an event that no handler took is not delivered.
	if unhandled, _ := caddyhttp.GetVar(r.Context(), "unhandled").(bool); unhandled {
		return newFailure(causeUnhandled, errUnhandled, http.StatusBadGateway)
	}
	return a.failure()
}

func newFailure(cause string, err error, reply int) *Failure {
	return &Failure{Failure: observe.Failure{Err: shortened(err)}, Cause: cause, Reply: reply}
}

// longestError is how many bytes are kept of what an error says, in which may be
// anything that the app has answered in place of HTTP.
const longestError = 1 << 10

// shortened returns an error that says no more than the start of what err does.
func shortened(err error) error {
	text := err.Error()
	if len(text) <= longestError && utf8.ValidString(text) {
		return err
	}
	return errors.New(strings.ToValidUTF8(text[:min(len(text), longestError)], "\uFFFD"))
}

// statusOf returns the status to answer with after a handler's error: the
// error's own, if that makes Meta send the notification again.
func statusOf(err error) int {
	if own, ok := errors.AsType[caddyhttp.HandlerError](err); ok && own.StatusCode >= 400 && own.StatusCode <= 599 {
		return own.StatusCode
	}
	return http.StatusBadGateway
}

// causeOf returns the cause of a failure that a handler's error is.
func causeOf(err error) string {
	if dial, ok := errors.AsType[*net.OpError](err); ok && dial.Op == "dial" {
		return causeConnect
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return causeConnect
	}
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		return causeTimeout
	}
	if own, ok := errors.AsType[caddyhttp.HandlerError](err); ok && own.StatusCode >= 400 && own.StatusCode <= 599 {
		return "http_" + strconv.Itoa(own.StatusCode)
	}
	return causeError
}

// retryAfter returns how long the app asks to be left alone, with a 429 or a
// 503.
func retryAfter(a *answer, now time.Time) time.Duration {
	if a.status != http.StatusTooManyRequests && a.status != http.StatusServiceUnavailable {
		return 0
	}
	value := a.header.Get("Retry-After")
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}
