package integration_test

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
	callback  = "/webhooks"
	token     = "a-verify-token"
	appSecret = "an-app-secret"

	signatureHeader = "X-Hub-Signature-256"
)

// hook returns the directive of a handler with the token and the secret, and
// further options.
func hook(options ...string) string {
	return fmt.Sprintf("meta_webhook %s {\nverify_token %s\napp_secret %s\n%s\n}", callback, token, appSecret, lines(options...))
}

// digest returns the signature of a body in hex.
func digest(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

// sign returns the signature header of a body.
func sign(secret string, body []byte) string { return "sha256=" + digest(secret, body) }

// An answer is what the sender gets.
type answer struct {
	status int
	header http.Header
	body   string
	proto  string
	closed bool // the connection ends with it
}

// request returns a request to the gateway.
func (g *gateway) request(method, target string, body io.Reader) *http.Request {
	g.t.Helper()
	r, err := http.NewRequestWithContext(g.t.Context(), method, g.url(target), body)
	if err != nil {
		g.t.Fatal(err)
	}
	return r
}

// notification returns a notification as Meta sends it: signed.
func (g *gateway) notification(body []byte) *http.Request {
	g.t.Helper()
	r := g.request(http.MethodPost, callback, bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set(signatureHeader, sign(appSecret, body))
	return r
}

// try sends a request.
func (g *gateway) try(r *http.Request) (answer, error) { return send(g.client, r) }

// send is try for another client.
func send(client *http.Client, r *http.Request) (answer, error) {
	res, err := client.Do(r)
	if err != nil {
		return answer{}, err
	}
	return readAnswer(res)
}

// readAnswer reads a response to its end.
func readAnswer(res *http.Response) (answer, error) {
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return answer{res.StatusCode, res.Header, string(body), res.Proto, res.Close}, err
}

// do is try, and ends the test if there is no answer.
func (g *gateway) do(r *http.Request) answer {
	g.t.Helper()
	a, err := g.try(r)
	if err != nil {
		g.t.Fatalf("%s %s: got error %v, want an answer", r.Method, r.URL, err)
	}
	return a
}

// post sends a signed notification.
func (g *gateway) post(body []byte) answer {
	g.t.Helper()
	return g.do(g.notification(body))
}

// verify sends a verification request.
func (g *gateway) verify(token, challenge string) answer {
	g.t.Helper()
	return g.do(g.request(http.MethodGet, callback+"?"+verification(token, challenge), nil))
}

// verification returns the query of a verification request.
func verification(token, challenge string) string {
	return url.Values{"hub.mode": {"subscribe"}, "hub.verify_token": {token}, "hub.challenge": {challenge}}.Encode()
}

// wantStatus fails the test if an answer has another status.
func wantStatus(t *testing.T, got answer, want int) {
	t.Helper()
	if got.status != want {
		t.Errorf("got answer %d %q, want %d", got.status, got.body, want)
	}
}

// page returns a notification of Facebook Pages, with an entry for each
// argument and in it a change of the feed for each post id.
func page(entries ...[]string) []byte {
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

// posts returns n post ids that start with a prefix.
func posts(prefix string, n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("%s-%04d", prefix, i)
	}
	return ids
}

// whatsApp returns a notification of a WhatsApp account, with a message and a
// status for each id.
func whatsApp(messages, statuses []string) []byte {
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
