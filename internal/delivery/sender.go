package delivery

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/observe"
)

// A Sender sends messages to chains of handlers.
type Sender struct {
	Keys     SigningKeys
	Observer *observe.Observer
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
	Reply int // the status to answer Meta with
}

var (
	errShutdown  = errors.New("shutting down")
	errUnhandled = errors.New("no handler behind meta_webhook took the request")
	errAborted   = errors.New("the handler aborted its response")
	errStatus    = errors.New("the answer is not 2xx")
)

// Send sends a message to a chain of handlers. It returns nil if they have
// answered 2xx.
func (s *Sender) Send(ctx context.Context, to *Chain, o *Origin, m *Message) *Failure {
	ctx, done := s.Observer.Sending(ctx, observe.Message{ID: m.ID, Events: m.Events, Attributes: m.Attributes})
	f := s.attempt(ctx, to, o, m)
	if f == nil {
		done(nil)
	} else {
		done(&f.Failure)
	}
	return f
}

// attempt makes a request of the message, and has the handlers serve it.
func (s *Sender) attempt(ctx context.Context, to *Chain, o *Origin, m *Message) (f *Failure) {
	if ctx.Err() != nil {
		return &Failure{observe.Failure{Err: errShutdown}, http.StatusServiceUnavailable}
	}
	a := &answer{header: make(http.Header)}
	failed := func(reply int, err error) *Failure {
		return &Failure{observe.Failure{Status: a.status, Err: err}, reply}
	}
	// One event that makes a handler panic must not take the others with it,
	// let alone, from a goroutine of ours, the whole process.
	defer func() {
		switch p := recover(); p {
		case nil:
		case http.ErrAbortHandler:
			f = failed(http.StatusBadGateway, errAborted)
		default:
			f = failed(http.StatusBadGateway, fmt.Errorf("panic: %v", p))
			f.Stack = debug.Stack()
		}
	}()
	r := s.request(ctx, to, o, m, a)
	if err := to.Handler.ServeHTTP(a, r); err != nil {
		return failed(statusOf(err), err)
	}
	// Caddy says so where a chain of handlers ends. Whatever may have been
	// answered on the way, an event that no handler took is not delivered.
	if unhandled, _ := caddyhttp.GetVar(r.Context(), "unhandled").(bool); unhandled {
		return failed(http.StatusBadGateway, errUnhandled)
	}
	if a.status == 0 {
		return nil // as net/http has it, a handler that writes nothing answers 200
	}
	if a.status < 200 || a.status > 299 {
		return failed(http.StatusBadGateway, errStatus)
	}
	return nil
}

// statusOf returns the status to answer with after a handler's error: the
// error's own, if that makes Meta send the notification again.
func statusOf(err error) int {
	if own, ok := errors.AsType[caddyhttp.HandlerError](err); ok && own.StatusCode >= 400 && own.StatusCode <= 599 {
		return own.StatusCode
	}
	return http.StatusBadGateway
}
