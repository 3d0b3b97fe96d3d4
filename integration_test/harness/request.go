package harness

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// What the gateways of the tests are configured with.
const (
	Callback  = "/webhooks"
	Token     = "a-verify-token"
	AppSecret = "an-app-secret"

	SignatureHeader = "X-Hub-Signature-256"
)

// Hook returns the directive of a handler with the token and the secret, and
// further options.
func Hook(options ...string) string {
	return fmt.Sprintf("meta_webhook %s {\nverify_token %s\napp_secret %s\n%s\n}", Callback, Token, AppSecret, Lines(options...))
}

// Digest returns the signature of a body in hex.
func Digest(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

// Sign returns the signature header of a body.
func Sign(secret string, body []byte) string { return "sha256=" + Digest(secret, body) }

// An Answer is what the sender gets.
type Answer struct {
	Status int
	Header http.Header
	Body   string
	Proto  string
	Closed bool // the connection ends with it
}

// Request returns a request to the gateway.
func (g *Gateway) Request(method, target string, body io.Reader) *http.Request {
	g.T.Helper()
	r, err := http.NewRequestWithContext(g.T.Context(), method, g.URL(target), body)
	if err != nil {
		g.T.Fatal(err)
	}
	return r
}

// Notification returns a notification as Meta sends it: signed.
func (g *Gateway) Notification(body []byte) *http.Request {
	g.T.Helper()
	r := g.Request(http.MethodPost, Callback, bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set(SignatureHeader, Sign(AppSecret, body))
	return r
}

// Try sends a request.
func (g *Gateway) Try(r *http.Request) (Answer, error) { return Send(g.Client, r) }

// Send is try for another client.
func Send(client *http.Client, r *http.Request) (Answer, error) {
	res, err := client.Do(r)
	if err != nil {
		return Answer{}, err
	}
	return ReadAnswer(res)
}

// ReadAnswer reads a response to its end.
func ReadAnswer(res *http.Response) (Answer, error) {
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return Answer{res.StatusCode, res.Header, string(body), res.Proto, res.Close}, err
}

// Do is try, and ends the test if there is no answer.
func (g *Gateway) Do(r *http.Request) Answer {
	g.T.Helper()
	a, err := g.Try(r)
	if err != nil {
		g.T.Fatalf("%s %s: got error %v, want an answer", r.Method, r.URL, err)
	}
	return a
}

// Post sends a signed notification.
func (g *Gateway) Post(body []byte) Answer {
	g.T.Helper()
	return g.Do(g.Notification(body))
}

// Verify sends a verification request.
func (g *Gateway) Verify(token, challenge string) Answer {
	g.T.Helper()
	return g.Do(g.Request(http.MethodGet, Callback+"?"+Verification(token, challenge), nil))
}

// Verification returns the query of a verification request.
func Verification(token, challenge string) string {
	return url.Values{"hub.mode": {"subscribe"}, "hub.verify_token": {token}, "hub.challenge": {challenge}}.Encode()
}

// AskAdmin sends a request to the admin API.
func (g *Gateway) AskAdmin(method, path string) Answer {
	g.T.Helper()
	r, err := http.NewRequestWithContext(g.T.Context(), method, "http://"+g.Admin+path, nil)
	if err != nil {
		g.T.Fatal(err)
	}
	r.Close = true
	return g.Do(r)
}

// WantStatus fails the test if an answer has another status.
func WantStatus(t *testing.T, got Answer, want int) {
	t.Helper()
	if got.Status != want {
		t.Errorf("got answer %d %q, want %d", got.Status, got.Body, want)
	}
}

// Page returns a notification of Facebook Pages, with an entry for each
// argument and in it a change of the feed for each post id.
func Page(entries ...[]string) []byte {
	var b strings.Builder
	b.WriteString(`{"object":"page","entry":[`)
	for i, posts := range entries {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"id":"%d","time":1700000000,"changes":[`, 100+i)
		for j, post := range posts {
			if j > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, `{"field":"feed","value":{"item":"post","post_id":%q}}`, post)
		}
		b.WriteString(`]}`)
	}
	b.WriteString(`]}`)
	return []byte(b.String())
}

// Posts returns n post ids that start with a prefix.
func Posts(prefix string, n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("%s-%04d", prefix, i)
	}
	return ids
}

// WhatsApp returns a notification of a WhatsApp account, with a message and a
// status for each id.
func WhatsApp(messages, statuses []string) []byte {
	type object = map[string]any
	var sent, read []object
	for _, id := range messages {
		sent = append(sent, object{"id": id, "timestamp": "1700000000", "type": "text", "text": object{"body": "hello"}})
	}
	for _, id := range statuses {
		read = append(read, object{"id": id, "timestamp": "1700000001", "status": "read", "recipient_id": "1"})
	}
	value := object{"messaging_product": "whatsapp", "metadata": object{"phone_number_id": "5"}}
	if sent != nil {
		value["messages"] = sent
	}
	if read != nil {
		value["statuses"] = read
	}
	body, err := json.Marshal(object{
		"object": "whatsapp_business_account",
		"entry":  []object{{"id": "7", "changes": []object{{"field": "messages", "value": value}}}},
	})
	if err != nil {
		panic(err)
	}
	return body
}
