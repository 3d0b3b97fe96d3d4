package command

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/listen"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/sender"
)

func TestLineOfAMessage(t *testing.T) {
	at := time.Date(2026, 1, 1, 12, 0, 0, 0, time.Local)
	for want, tc := range map[string]struct {
		m   listen.Message
		out forwarded
	}{
		"12:00:00  page.feed  0123": {
			m: listen.Message{Object: "page", Kind: "feed", ID: "0123", Events: 1},
		},
		"12:00:00  page.several (2 events)  0123  for app  replayed  200 OK in 12ms": {
			listen.Message{Object: "page", ID: "0123", Events: 2, Destination: "app", Replay: true},
			forwarded{Answer: sender.Answer{Status: 200, Took: 12 * time.Millisecond}},
		},
		"12:00:00  several.several  0123  error: connection refused": {
			listen.Message{ID: "0123", Events: 1}, forwarded{err: errors.New("connection refused")},
		},
		"12:00:00  several.several  0123  error: malformed: \uFFFD[2J\uFFFD\uFFFD": {
			listen.Message{ID: "0123", Events: 1}, forwarded{err: errors.New("malformed: \x1b[2J\n\x9b")},
		},
		`12:00:00  "page\x1b[2J.fe ed\u202e"  "01\n23"  for "a\ab"`: {
			m: listen.Message{Object: "page\x1b[2J", Kind: "fe ed\u202e", ID: "01\n23", Events: 1, Destination: "a\ab"},
		},
	} {
		tc.m.Received = at
		if got := line(&tc.m, tc.out); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// TestSecretsThatListenMakes are those of Standard Webhooks, and differ.
func TestSecretsThatListenMakes(t *testing.T) {
	one, two := newSigningSecret(), newSigningSecret()
	if one == two || !strings.HasPrefix(one, "whsec_") || len(one) != len("whsec_")+44 {
		t.Errorf("got %s and %s, want two of 32 bytes", one, two)
	}
}
