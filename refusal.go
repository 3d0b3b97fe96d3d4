package metawebhook

import (
	"errors"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/event"
)

// A refusal is why a request goes no further. Its reason is a fixed word and
// tells nothing of the request.
type refusal struct {
	status int
	reason string
}

// Error implements error.
func (f refusal) Error() string { return f.reason }

// The refusals, in the order of the checks.
var (
	errMethod = refusal{http.StatusMethodNotAllowed, "method_not_allowed"}

	errVerification = refusal{http.StatusBadRequest, "verification_malformed"}
	errToken        = refusal{http.StatusForbidden, "verify_token_mismatch"}

	errNoCert          = refusal{http.StatusForbidden, "client_cert_missing"}
	errUnverifiedCert  = refusal{http.StatusForbidden, "client_cert_not_verified"}
	errCertAuthority   = refusal{http.StatusForbidden, "client_cert_unknown_authority"}
	errCertExpired     = refusal{http.StatusForbidden, "client_cert_expired"}
	errCertNotYetValid = refusal{http.StatusForbidden, "client_cert_not_yet_valid"}
	errCertUsage       = refusal{http.StatusForbidden, "client_cert_wrong_usage"}
	errCertName        = refusal{http.StatusForbidden, "client_cert_wrong_name"}
	errCertSubject     = refusal{http.StatusForbidden, "client_cert_malformed_subject"}
	errUntrustedProxy  = refusal{http.StatusForbidden, "client_cert_untrusted_proxy"}

	errNoSignature        = refusal{http.StatusUnauthorized, "signature_missing"}
	errRepeatedSignature  = refusal{http.StatusUnauthorized, "signature_repeated"}
	errMalformedSignature = refusal{http.StatusUnauthorized, "signature_malformed"}
	errTooLarge           = refusal{http.StatusRequestEntityTooLarge, "body_too_large"}
	errTooSlow            = refusal{http.StatusRequestTimeout, "body_timeout"}
	errIncomplete         = refusal{http.StatusBadRequest, "body_incomplete"}
	errSignature          = refusal{http.StatusUnauthorized, "signature_mismatch"}
	errNotUTF8            = refusal{http.StatusBadRequest, "body_not_utf8"}
	errDuplicateName      = refusal{http.StatusBadRequest, "body_duplicate_name"}
	errNotJSON            = refusal{http.StatusBadRequest, "body_not_json"}

	errOverloaded = refusal{http.StatusServiceUnavailable, "overloaded"}
	errDedup      = refusal{http.StatusServiceUnavailable, "dedup_unavailable"}
	errInFlight   = refusal{http.StatusServiceUnavailable, "in_flight"}
)

// deliveryFailed is the reason when events could not be delivered.
const deliveryFailed = "delivery_failed"

// refusedBody returns the refusal of a body that is no notification.
func refusedBody(err error) refusal {
	switch {
	case errors.Is(err, event.ErrNotUTF8):
		return errNotUTF8
	case errors.Is(err, event.ErrDuplicateName):
		return errDuplicateName
	}
	return errNotJSON
}

// refuseUnread refuses a request whose body has not been read to its end.
func (h *Handler) refuseUnread(w http.ResponseWriter, r *http.Request, err error, shown ...zap.Field) error {
	leaveUnread(w, r)
	return h.refuse(r, err, shown...)
}

// linger is how long a connection is read from when its body is unwanted.
const linger = time.Second

// leaveUnread lets the answer go out at once and without the rest of the
// body, and ends the connection. Over HTTP/1, the server would otherwise read
// on before it answers, for as long as the sender likes.
//
// A connection that is closed on a sender who is still sending is reset, and
// the answer may be lost. The server waits a moment before it closes one whose
// body was too large, and learns that from nobody but a MaxBytesReader.
func leaveUnread(w http.ResponseWriter, r *http.Request) {
	if r.ProtoMajor != 1 || r.ContentLength == 0 {
		return
	}
	w.Header().Set("Connection", "close")
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(linger))
	for {
		wrapper, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			break
		}
		w = wrapper.Unwrap()
	}
	tooLarge := http.MaxBytesReader(w, io.NopCloser(strings.NewReader("x")), 0)
	_, _ = tooLarge.Read(make([]byte, 1))
}

// refuse returns the error that answers a request with a refusal, and tells the
// log of it, with what the request has shown of itself, and those who listen.
func (h *Handler) refuse(r *http.Request, err error, shown ...zap.Field) error {
	f, ok := errors.AsType[refusal](err)
	if !ok {
		return err
	}
	if suppressed, ok := h.record.lines.allow(f.reason, fewLines); ok {
		h.logRefusal(r, f, suppressed, shown)
		h.emitRefused(r, f, suppressed)
	}
	h.answered(r, f.reason)
	setReason(r, f.reason)
	// Caddy fills in what is not set. Where in this code it happened tells
	// nobody more than the reason, and costs more than all the rest.
	return caddyhttp.Error(f.status, caddyhttp.HandlerError{Err: f, Trace: refusedHere})
}

// refusedHere is what a refusal has for a trace.
const refusedHere = "metawebhook.(*Handler).refuse"

// refuseForNow refuses a notification that is welcome later.
func (h *Handler) refuseForNow(w http.ResponseWriter, r *http.Request, err error, shown ...zap.Field) error {
	h.retryLater(w)
	return h.refuse(r, err, shown...)
}

// retryLater says when to try again: when the claims that are held now have
// ended, if not before.
func (h *Handler) retryLater(w http.ResponseWriter) {
	w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(h.lease.Seconds()))))
}

// setReason sets the placeholder that tells an error route why.
func setReason(r *http.Request, reason string) {
	if repl, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer); ok {
		repl.Set("http.meta_webhook.error", reason)
	}
}
