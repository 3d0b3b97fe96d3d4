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
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/callback"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/delivery"
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

	errNoSignedRequest        = refusal{http.StatusUnauthorized, "signed_request_missing"}
	errMalformedSignedRequest = refusal{http.StatusUnauthorized, "signed_request_malformed"}
	errSignedRequestAlgorithm = refusal{http.StatusUnauthorized, "signed_request_algorithm"}
	errSignedRequestPayload   = refusal{http.StatusBadRequest, "signed_request_payload"}

	errOverloaded = refusal{http.StatusServiceUnavailable, "overloaded"}
	errStore      = refusal{http.StatusServiceUnavailable, "store_unavailable"}
	errStoreFull  = refusal{http.StatusServiceUnavailable, "store_full"}
	errStoreBusy  = refusal{http.StatusServiceUnavailable, "store_busy"}
	errInFlight   = refusal{http.StatusServiceUnavailable, "in_flight"}
	errMatcher    = refusal{http.StatusInternalServerError, "matcher_failed"}
)

// A refused is a refusal and what the request has shown of itself, for the log.
type refused struct {
	error
	shown []zap.Field
}

// refusedWith returns a refusal with what the request has shown of itself.
func refusedWith(err error, shown ...zap.Field) error { return refused{err, shown} }

// Unwrap returns the refusal.
func (r refused) Unwrap() error { return r.error }

// refusalOf returns the refusal that an error of the delivery stands for, or
// the error itself.
func refusalOf(err error) error {
	switch err {
	case delivery.ErrStore:
		return errStore
	case delivery.ErrStoreFull:
		return errStoreFull
	case delivery.ErrStoreBusy:
		return errStoreBusy
	case delivery.ErrMatcher:
		return errMatcher
	case delivery.ErrInFlight:
		return errInFlight
	}
	return err
}

// refusedForm returns the refusal of a callback's form.
func refusedForm(err error) refusal {
	switch err {
	case callback.ErrMissing:
		return errNoSignedRequest
	case callback.ErrAlgorithm:
		return errSignedRequestAlgorithm
	case callback.ErrPayload:
		return errSignedRequestPayload
	}
	return errMalformedSignedRequest
}

// refusedBody returns the refusal of a body that is not a notification.
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
func (h *Handler) refuseUnread(w http.ResponseWriter, r *http.Request, err error) error {
	leaveUnread(w, r)
	return h.refuse(w, r, err)
}

// refuse returns the error that answers a request with a refusal. Another
// error it returns as it is.
func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, err error) error {
	var shown []zap.Field
	if details, ok := errors.AsType[refused](err); ok {
		shown = details.shown
	}
	f, ok := errors.AsType[refusal](err)
	if !ok {
		return err
	}
	switch f.status {
	case http.StatusMethodNotAllowed:
		w.Header().Set("Allow", "GET, POST")
	case http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", retryAfter)
	}
	h.observer.Refused(r, f.reason, f.status, shown...)
	setReason(r, f.reason)
	// Caddy fills in what is not set. The place in the code says no more than
	// the reason does, and to find it costs more than all the rest.
	return caddyhttp.Error(f.status, caddyhttp.HandlerError{Err: f, Trace: refusedHere})
}

// refusedHere is the trace of a refusal.
const refusedHere = "metawebhook.(*Handler).refuse"

// retryAfter is when a notification may come again that is refused for now:
// when the claims that are held now have ended, if not before. In seconds.
var retryAfter = strconv.Itoa(int(math.Ceil(delivery.DefaultLease.Seconds())))

// linger is how long a connection is read from when its body is unwanted.
const linger = time.Second

// leaveUnread lets the answer go out at once and without the rest of the
// body, and ends the connection. Over HTTP/1, the server would otherwise read
// on before it answers, for as long as the sender likes.
//
// A connection that is closed while the sender is still sending is reset, and
// the answer may be lost. The server waits a moment before it closes one whose
// body was too large, and learns that from a MaxBytesReader alone.
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

// setReason sets the placeholder that tells an error route why.
func setReason(r *http.Request, reason string) {
	if repl, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer); ok {
		repl.Set("http.meta_webhook.error", reason)
	}
}
