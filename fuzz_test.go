// Bodies, requests and Caddyfiles that a fuzzer makes.

package metawebhook

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/delivery"
)

// A choppyBody gives parts of the sizes that steps name, over and over.
type choppyBody struct {
	left  []byte
	steps []byte
	at    int
}

func (b *choppyBody) Read(p []byte) (int, error) {
	n := len(b.left)
	if len(b.steps) > 0 {
		n = int(b.steps[b.at%len(b.steps)])
		b.at++
		if n == 0 && b.at%2 == 0 {
			n = 1
		}
	}
	n = copy(p[:min(n, len(p))], b.left)
	b.left = b.left[n:]
	if len(b.left) == 0 {
		return n, io.EOF
	}
	return n, nil
}

func (*choppyBody) Close() error { return nil }

// FuzzBody has bodies arrive in any parts, with any length declared.
func FuzzBody(f *testing.F) {
	f.Add([]byte(testBody), []byte{1}, int64(len(testBody)), uint32(1000))
	f.Add([]byte(testBody), []byte{}, int64(-1), uint32(len(testBody)))
	f.Add([]byte(testBody), []byte{0, 255}, int64(3), uint32(len(testBody)-1))
	f.Add(bytes.Repeat([]byte("x"), 3*firstRead), []byte{255}, int64(0), uint32(5*firstRead))
	f.Add([]byte{}, []byte{7}, int64(-1), uint32(1))
	h := provisioned(f)
	f.Fuzz(func(t *testing.T, text, steps []byte, declared int64, most uint32) {
		if declared < -1 {
			return
		}
		h := &Handler{MaxSize: int64(most) + 1, MaxBuffered: 1 << 40, BodyTimeout: h.BodyTimeout, budget: h.budget}
		r := newNotification("")
		r.Body, r.ContentLength = &choppyBody{left: text, steps: steps}, declared
		share := h.budget.Share(h.MaxBuffered)
		got, err := h.readBody(httptest.NewRecorder(), r, share)
		switch tooLarge := int64(len(text)) > h.MaxSize || declared > h.MaxSize; {
		case tooLarge && err != errTooLarge:
			t.Errorf("%d bytes, %d declared, with %d at most: got %v, want %v", len(text), declared, h.MaxSize, err, errTooLarge)
		case !tooLarge && (err != nil || !bytes.Equal(got, text)):
			t.Errorf("%d bytes, %d declared: got %d bytes and %v, want them all", len(text), declared, len(got), err)
		}
		if held := h.budget.Held(); held < int64(cap(got)-1) || held > 2*int64(len(text))+2*firstRead {
			t.Errorf("%d bytes: got %d held for a buffer of %d", len(text), held, cap(got))
		}
		share.Free()
		if held := h.budget.Held(); held != 0 {
			t.Errorf("got %d bytes held afterwards, want none", held)
		}
	})
}

// FuzzServeHTTP has any request there is. The next handler must not be
// reached without the right signature, nor with anything but a POST.
func FuzzServeHTTP(f *testing.F) {
	post := "POST /webhooks?a=1 HTTP/1.1\r\nHost: example.com\r\n"
	f.Add([]byte(post+"Content-Length: 2\r\n\r\n"), []byte("{}"), true)
	f.Add([]byte(post+"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"), []byte(testBody), false)
	f.Add([]byte(post+"X-Hub-Signature-256: "+sign(testSecret, testBody)+"\r\nWebhook-Id: 1\r\n\r\n"), []byte(testBody), false)
	f.Add([]byte(post+"X-Hub-Signature-256: "+sign("", testBody)+"\r\n\r\n"), []byte(testBody), false)
	f.Add([]byte("GET /?hub.mode=subscribe&hub.challenge=1&hub.verify_token=correct+horse HTTP/1.1\r\nHost: a\r\n\r\n"), []byte{}, false)
	f.Add([]byte("PUT http://b/%zz HTTP/1.0\r\n\r\n"), []byte(testBody), true)
	handlers := make([]*Handler, len(modes))
	for i, mode := range modes {
		handlers[i] = provisioned(f, func(h *Handler) {
			h.Name, h.Deliver, h.Dedup = mode, mode, &delivery.Dedup{Off: true}
			h.MaxSize, h.MaxBuffered = 10_000, 1_000_000
		})
	}
	f.Fuzz(func(t *testing.T, head, body []byte, signed bool) {
		r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(head)))
		if err != nil {
			return
		}
		r.RemoteAddr = "192.0.2.1:1"
		if signed {
			r.Header.Set(signatureHeader, sign(testSecret, string(body)))
		}
		authentic := r.Method == http.MethodPost && len(r.Header[signatureHeader]) == 1 &&
			strings.EqualFold(r.Header.Get(signatureHeader)[min(7, len(r.Header.Get(signatureHeader))):], sign(testSecret, string(body))[7:])
		for _, h := range handlers {
			r := r.Clone(r.Context())
			r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
			next := caddyhttp.HandlerFunc(func(w http.ResponseWriter, got *http.Request) error {
				text, _ := io.ReadAll(got.Body)
				if !authentic || got.Method != http.MethodPost || len(text) == 0 {
					t.Errorf("%q with %q: got %s %q to the next handler, want nothing to reach it", head, body, got.Method, text)
				}
				if got.Header.Get("Webhook-Id") != got.Header.Get("Idempotency-Key") || len(got.Header.Get("Webhook-Id")) != 32 {
					t.Errorf("got Webhook-Id %q to the next handler, want one made here", got.Header.Get("Webhook-Id"))
				}
				return nil
			})
			w := httptest.NewRecorder()
			r = caddyhttp.PrepareRequest(r, caddy.NewReplacer(), w, nil)
			err := h.ServeHTTP(w, r, next)
			if _, isRefusal := err.(caddyhttp.HandlerError); err != nil && !isRefusal {
				t.Errorf("got error %T %v, want one with a status", err, err)
			}
			if err != nil && w.Body.Len() > 0 {
				t.Errorf("got %q beside the error %v, want nothing to be written", w.Body, err)
			}
			if held := h.budget.Held(); held != 0 {
				t.Fatalf("got %d bytes held afterwards, want none", held)
			}
		}
	})
}

// FuzzCaddyfile has any options there are. What is accepted must survive as
// JSON.
func FuzzCaddyfile(f *testing.F) {
	f.Add("verify_token a b\napp_secret c\nmax_size 4MB\nmax_buffered 64MB\nbody_timeout 10s\nparallel 3\ncloudevents\ndeliver batch\nname x")
	f.Add("client_cert a b {\nrequire all\nforwarded X-A\ntrust_pool inline {\ntrust_der AAAA\n}\n}")
	f.Add("store memory {\nmax_events 5\n}\ndedup {\nwindow 1h\nwindow page 2h\non_error reject\n}")
	f.Add("store postgres {\ndsn x\ntable y\n}")
	f.Add("dedup off")
	f.Add("store file {\npath \"\n")
	f.Add("<<<")
	f.Fuzz(func(t *testing.T, options string) {
		tokens, err := caddyfile.Tokenize([]byte("meta_webhook {\n"+options+"\n}"), "Testfile")
		if err != nil {
			return // is no Caddyfile
		}
		var h Handler
		if h.UnmarshalCaddyfile(caddyfile.NewDispenser(tokens)) != nil {
			return
		}
		text, err := json.Marshal(&h)
		if err != nil {
			t.Fatalf("%q: got error %v as JSON", options, err)
		}
		var again Handler
		if err := caddy.StrictUnmarshalJSON(text, &again); err != nil {
			t.Fatalf("%q: got error %v for %s", options, err, text)
		}
		if twice, _ := json.Marshal(&again); !bytes.Equal(twice, text) {
			t.Errorf("%q: got %s, want %s", options, twice, text)
		}
	})
}
