package sender

import (
	"context"
	"fmt"
	"net/url"
	"strings"
)

// usualPath is the path of meta_webhook in the documentation.
const usualPath = "/webhooks"

func (a Answer) redirects() bool { return a.Status >= 300 && a.Status <= 399 }

// target returns the target of a redirect from a URL, or nil if it has none. It
// has no query: that of a verification request holds the verify token.
func (a Answer) target(from *url.URL) *url.URL {
	location := a.Header.Get("Location")
	if location == "" {
		return nil
	}
	to, err := from.Parse(location)
	if err != nil || to.Host == "" {
		return nil
	}
	return &url.URL{Scheme: to.Scheme, Host: to.Host, Path: to.Path, RawPath: to.RawPath}
}

// location describes the target of a redirect.
func (a Answer) location(from *url.URL) string {
	if to := a.target(from); to != nil {
		return to.String()
	}
	return "nowhere: it has no valid Location header"
}

// afterRedirect returns advice on the callback URL to use in place of one that
// redirects. It tries the target and the usual path, but does not show the
// verify token to another host.
func (s *Sender) afterRedirect(ctx context.Context, a Answer, token string) string {
	to := a.target(s.url)
	usual := withPath(s.url, usualPath)
	switch {
	case to == nil:
	case s.mayKnow(to):
		usual = withPath(to, usualPath)
		if s.accepts(ctx, to, token) {
			return fmt.Sprintf("Use %s, which returns the challenge", to)
		}
	default:
		return fmt.Sprintf("Verify that URL, or use the one that meta_webhook serves, such as %s", usual)
	}
	if s.accepts(ctx, usual, token) {
		return fmt.Sprintf("Use %s, which returns the challenge", usual)
	}
	return fmt.Sprintf("Use the URL that meta_webhook serves, such as %s", usual)
}

// withPath returns a URL on the same host as u.
func withPath(u *url.URL, path string) *url.URL {
	return &url.URL{Scheme: u.Scheme, Host: u.Host, Path: path}
}

// mayKnow reports whether a URL may see the verify token: it is on the same host
// and protects the token as well as before.
func (s *Sender) mayKnow(u *url.URL) bool {
	return strings.EqualFold(u.Hostname(), s.url.Hostname()) && (u.Scheme == "https" || u.Scheme == s.url.Scheme)
}

// accepts reports whether a URL returns the challenge.
func (s *Sender) accepts(ctx context.Context, callback *url.URL, token string) bool {
	challenge := newChallenge()
	a, err := s.challenge(ctx, callback, challenge, token)
	return err == nil && s.judge(a, challenge) == nil
}
