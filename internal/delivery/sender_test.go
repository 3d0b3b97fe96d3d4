package delivery

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// TestErrorsAreShort has errors in which is what an app has answered in place of
// HTTP, as net/http puts it there.
func TestErrorsAreShort(t *testing.T) {
	for _, text := range []string{
		"malformed MIME header line: " + strings.Repeat("a", 10<<20),
		strings.Repeat("é", longestError),
		"malformed MIME header line: \xff\x00",
	} {
		got := newFailure(causeError, errors.New(text), http.StatusBadGateway).Err.Error()
		if len(got) > longestError+len("\uFFFD") || !utf8.ValidString(got) || got[:20] != text[:20] {
			t.Errorf("got %d bytes, %.40q, want the start of %.40q", len(got), got, text)
		}
	}
	if got := newFailure(causeError, errStatus, http.StatusBadGateway).Err; !errors.Is(got, errStatus) {
		t.Errorf("got %v for a short error, want the error itself", got)
	}
}

// FuzzRetryAfter has an app say anything of when to try again.
func FuzzRetryAfter(f *testing.F) {
	for _, seed := range []string{"", "0", "120", "-1", "+5", "1e3", "99999999999999999999", "2147483648", "Thu, 01 Jan 2026 00:02:00 GMT", "Thu, 01 Jan 9999 00:00:00 GMT", "Thu, 01 Jan 0001 00:00:00 GMT", "soon"} {
		f.Add(seed)
	}
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, value string) {
		a := &answer{status: http.StatusServiceUnavailable, header: http.Header{"Retry-After": {value}}}
		asked := retryAfter(a, now)
		if asked < 0 {
			t.Errorf("%q: got %v, want no negative time", value, asked)
		}
		d := &Destination{}
		d.SetDefaults(new(Options))
		if pause := d.pause(3, asked); pause <= 0 || pause < asked {
			t.Errorf("%q: got a pause of %v, want at least %v", value, pause, asked)
		}
		if a.status = http.StatusInternalServerError; retryAfter(a, now) != 0 {
			t.Errorf("%q: got a time with 500, want none", value)
		}
	})
}
