package metawebhook

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/event"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/budget"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/callback"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/delivery"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/observe"
)

// ServeHTTP takes a request through the checks, the cheapest first, and
// answers it:
//
//	GET   client certificate → token → challenge
//	POST  client certificate → signature → events → delivery
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if c := h.callbackAt(r.URL.Path); c != nil {
		return h.serveCallback(w, r, next, c)
	}
	if err := h.checkConnection(r); err != nil {
		return h.refuseUnread(w, r, err)
	}
	if r.Method == http.MethodGet {
		return h.serveVerification(w, r)
	}
	return h.serveNotification(w, r, next)
}

// checkConnection checks what a request shows before any of it is read.
func (h *Handler) checkConnection(r *http.Request) error {
	if r.Method != http.MethodGet && r.Method != http.MethodPost {
		return errMethod
	}
	if c := h.ClientCert; c != nil && (r.Method == http.MethodPost || c.Require == requireAll) {
		if shown, err := c.check(r); err != nil {
			return refusedWith(err, shown...)
		}
	}
	return nil
}

// serveVerification answers the request with which Meta makes sure that the
// callback URL is the app's: it echoes the challenge if the token is right.
func (h *Handler) serveVerification(w http.ResponseWriter, r *http.Request) error {
	challenge, err := h.tokens.verify(r.URL.RawQuery)
	if err != nil {
		return h.refuseUnread(w, r, err)
	}
	leaveUnread(w, r)
	h.observer.Verified(r)
	return writeChallenge(w, challenge)
}

// serveNotification authenticates a notification, delivers its events, and
// answers it.
func (h *Handler) serveNotification(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	signature, err := parseSignature(r.Header)
	if err != nil {
		return h.refuseUnread(w, r, err)
	}
	share := h.budget.Share(h.MaxBuffered)
	defer share.Free()
	body, err := h.readBody(w, r, share)
	if err != nil {
		return h.refuseUnread(w, r, err)
	}
	if !h.secrets.signed(body, signature) {
		return h.refuse(w, r, errSignature)
	}
	n := &delivery.Notification{Request: r, Next: next, Body: body, Told: h.observer.Received(r, len(body))}
	return h.deliver(w, n, share, func() error {
		if repeats := n.Told.Repeats(); repeats > 0 {
			w.Header().Set(observe.DuplicatesHeader, strconv.Itoa(repeats))
		}
		w.WriteHeader(http.StatusOK)
		return nil
	})
}

// deliver delivers the events of an authentic notification, and has confirm
// answer a success.
func (h *Handler) deliver(w http.ResponseWriter, n *delivery.Notification, share *budget.Share, confirm func() error) error {
	err := h.process(n, share)
	var answer error
	if err == nil {
		answer = confirm()
	} else {
		answer = h.refuseDelivery(w, n.Request, err)
	}
	n.Told.Answered(resultOf(err))
	return answer
}

// process makes events of an authentic notification, and delivers them.
func (h *Handler) process(n *delivery.Notification, share *budget.Share) (err error) {
	room := int64(event.Room(n.Body))
	if !share.Take(room, share.ForAuthentic()) {
		return tooMuch(room)
	}
	if n.Events, err = event.Parse(n.Body); err != nil {
		return refusedBody(err)
	}
	n.Told.Parsed(len(n.Events))
	if len(n.Events) == 0 {
		return nil
	}
	share.Give(room - int64(event.Held(n.Events)))
	if h.stored != nil {
		return h.store(n, share)
	}
	if room := h.Room(n.Events); !share.Take(room, share.ForAuthentic()) {
		return tooMuch(room)
	}
	return h.inline.Deliver(n)
}

// store stores the events of a notification for their destinations.
func (h *Handler) store(n *delivery.Notification, share *budget.Share) error {
	if room := delivery.StoredRoom(n.Events); !share.Take(room, share.ForAuthentic()) {
		return tooMuch(room)
	}
	return h.stored.Deliver(n)
}

// tooMuch refuses what does not fit into the memory that notifications may
// take.
func tooMuch(needed int64) error { return refusedWith(errOverloaded, zap.Int64("needed", needed)) }

// refuseDelivery returns the error that answers a notification which was not
// delivered.
func (h *Handler) refuseDelivery(w http.ResponseWriter, r *http.Request, err error) error {
	if undelivered, ok := errors.AsType[*delivery.UndeliveredError](err); ok {
		setReason(r, observe.DeliveryFailed)
		return caddyhttp.Error(undelivered.Status, undelivered)
	}
	return h.refuse(w, r, refusalOf(err))
}

// resultOf returns the result of a notification, as metrics and logs have it.
func resultOf(err error) string {
	if err == nil {
		return observe.ResultOK
	}
	if f, ok := errors.AsType[refusal](refusalOf(err)); ok {
		return f.reason
	}
	return observe.DeliveryFailed
}

// callbackAt returns the callback whose path this is, or nil.
func (h *Handler) callbackAt(path string) *callback.Callback {
	for _, c := range h.Callbacks {
		if c.Path == path {
			return c
		}
	}
	return nil
}

// serveCallback authenticates what Meta sends to one of the app's other
// callback URLs, delivers it as an event, and answers it.
func (h *Handler) serveCallback(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler, c *callback.Callback) error {
	if r.Method != http.MethodPost {
		return h.refuseUnread(w, r, errMethod)
	}
	share := h.budget.Share(h.MaxBuffered)
	defer share.Free()
	form, err := h.readBody(w, r, share)
	if err != nil {
		return h.refuseUnread(w, r, err)
	}
	request, err := callback.Parse(form)
	if err != nil {
		return h.refuse(w, r, refusedForm(err))
	}
	if !h.secrets.signed(request.Signed, request.Signature) {
		return h.refuse(w, r, errSignature)
	}
	body, err := c.Notification(request)
	if err != nil {
		return h.refuse(w, r, refusedForm(err))
	}
	n := &delivery.Notification{Request: r, Next: next, Body: body, Told: h.observer.Received(r, len(form))}
	return h.deliver(w, n, share, func() error {
		if c.Kind != callback.DataDeletion {
			w.WriteHeader(http.StatusOK)
			return nil
		}
		code := n.Events[0].ID().String()
		w.Header().Set("Content-Type", "application/json")
		return json.NewEncoder(w).Encode(callback.Confirmation{URL: c.Status(code), Code: code})
	})
}
