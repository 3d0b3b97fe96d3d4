package sender

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"
)

// Verify sends a verification request with the verify token. It returns an error
// if there is no answer or Meta would not accept it.
func (s *Sender) Verify(ctx context.Context, token string) (Answer, error) {
	challenge := newChallenge()
	a, err := s.challenge(ctx, s.url, challenge, token)
	if err != nil {
		return a, err
	}
	err = s.judge(a, challenge)
	if a.redirects() {
		err = fmt.Errorf("%w. %s", err, s.afterRedirect(ctx, a, token))
	}
	return a, err
}

// challenge sends a verification request to a URL.
func (s *Sender) challenge(ctx context.Context, callback *url.URL, challenge, token string) (Answer, error) {
	target := *callback
	query := target.Query()
	query.Set("hub.mode", "subscribe")
	query.Set("hub.challenge", challenge)
	query.Set("hub.verify_token", token)
	target.RawQuery = query.Encode()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil)
	if err != nil {
		return Answer{}, err
	}
	r.Header.Set("User-Agent", verificationAgent)
	return s.send(r)
}

// newChallenge returns a random number, as Meta documents challenges.
func newChallenge() string {
	random, err := rand.Int(rand.Reader, big.NewInt(9_000_000_000))
	if err != nil {
		panic(err) // rand.Reader never fails
	}
	return random.Add(random, big.NewInt(1_000_000_000)).String()
}

// judge returns an error if Meta would not accept an answer.
func (s *Sender) judge(a Answer, challenge string) error {
	if a.Status != http.StatusOK {
		return s.refusal(a, verificationHints)
	}
	if string(a.Body) == challenge {
		return nil
	}
	return fmt.Errorf("200 OK, but the body must be exactly the challenge, %s: %s", challenge, difference(a.Body, challenge))
}

// difference describes how a body differs from the challenge.
func difference(body []byte, challenge string) string {
	before, after, found := strings.Cut(string(body), challenge)
	switch {
	case len(body) == 0:
		return "it is empty. Another handler answered, not meta_webhook"
	case !found && isHTML(body):
		return "it is an HTML page without the challenge. Another handler answered, not meta_webhook: perhaps the app or a login page"
	case !found:
		return "got " + Quote(body)
	case isHTML(body):
		return "it has HTML around it. Write the challenge without a template or layout"
	case before == "\ufeff":
		return "it begins with a byte order mark. Save the source file as UTF-8 without BOM"
	case before == `"` && strings.TrimSpace(after) == `"`:
		return "it has quotes around it. Write the challenge as text, not as JSON"
	case strings.TrimSpace(before+after) == "":
		return fmt.Sprintf("it has white space around it: %q before and %q after", before, after)
	}
	return "it has other text around it, got " + Quote(body)
}

// isHTML reports whether a body looks like markup.
func isHTML(body []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(body, "\ufeff \t\r\n"), []byte("<"))
}

// Quote returns the beginning of a body as a quoted string, which is safe to
// print to a terminal.
func Quote(body []byte) string {
	const most = 200
	if len(body) <= most {
		return fmt.Sprintf("%q", body)
	}
	end := most
	for end > 0 && !utf8.RuneStart(body[end]) {
		end--
	}
	return fmt.Sprintf("%q and more", body[:end])
}
