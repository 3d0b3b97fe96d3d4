package sender

import (
	"crypto/tls"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/certs"
)

const (
	token  = "correct-horse"
	secret = "battery-staple"
)

// A setup is a server and the options of a sender to it.
type setup struct {
	handler http.HandlerFunc
	server  *tls.Config // nil: plain HTTP
	client  Options
	scheme  string // of the URL; default: the server's
}

// sender starts the server and returns a sender to it.
func (s setup) sender(t *testing.T) *Sender {
	t.Helper()
	srv := httptest.NewUnstartedServer(s.handler)
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	if s.server != nil {
		srv.TLS = s.server
		srv.StartTLS()
	} else {
		srv.Start()
	}
	t.Cleanup(srv.Close)
	callback, err := url.Parse(srv.URL + "/webhooks")
	if err != nil {
		t.Fatal(err)
	}
	if s.scheme != "" {
		callback.Scheme = s.scheme
	}
	if s.client.Timeout == 0 {
		s.client.Timeout = time.Minute
	}
	sender := New(callback, s.client)
	t.Cleanup(sender.Close)
	return sender
}

// handle answers verification requests correctly.
func handle(w http.ResponseWriter, r *http.Request) {
	if r.FormValue("hub.verify_token") != token {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	io.WriteString(w, r.FormValue("hub.challenge"))
}

// certificate makes a certificate for 127.0.0.1 that servers and clients may
// have, changed by each of the options.
func certificate(issuer *certs.Cert, options ...certs.Option) *tls.Certificate {
	return issuer.Issue("of a test", append([]certs.Option{certs.Loopback, certs.Usage()}, options...)...).TLS()
}

func TestNotificationLooksLikeMetas(t *testing.T) {
	const body = `{"object":"page","entry":[]}`
	s := setup{handler: func(w http.ResponseWriter, r *http.Request) {
		got, err := io.ReadAll(r.Body)
		if err != nil || string(got) != body {
			t.Errorf("got body %s and error %v, want %s", got, err, body)
		}
		for name, want := range map[string]string{
			"Content-Type":  "application/json",
			"User-Agent":    "facebookexternalua",
			SignatureHeader: "sha256=d0f56e6558dd16187f7277941b1c1f0c9884c63d9648dde3bf600885941c8cbd",
		} {
			if got := r.Header.Get(name); got != want {
				t.Errorf("got %s: %s, want %s", name, got, want)
			}
		}
		if r.Method != http.MethodPost || r.Proto != "HTTP/1.1" || r.URL.Path != "/webhooks" || r.ContentLength != int64(len(body)) {
			t.Errorf("got %s %s %s of %d bytes, want POST /webhooks HTTP/1.1 of %d", r.Method, r.URL, r.Proto, r.ContentLength, len(body))
		}
		w.WriteHeader(http.StatusAccepted)
		io.WriteString(w, "thanks")
	}}.sender(t)
	got, err := s.Notify(t.Context(), secret, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	if got.Status != http.StatusAccepted || string(got.Body) != "thanks" || got.Took <= 0 {
		t.Errorf("got %d %q after %s, want 202 thanks", got.Status, got.Body, got.Took)
	}
	if err := s.Refusal(got); err == nil || !strings.Contains(err.Error(), "Meta accepts only 200") {
		t.Errorf("got error %v, want that Meta accepts only 200", err)
	}
}

func TestAnswersAreBounded(t *testing.T) {
	s := setup{handler: func(w http.ResponseWriter, _ *http.Request) {
		w.Write(make([]byte, 1<<20))
	}}.sender(t)
	got, err := s.Notify(t.Context(), secret, nil)
	if err != nil || len(got.Body) != maxAnswer {
		t.Errorf("got %d bytes and error %v, want %d", len(got.Body), err, maxAnswer)
	}
}
