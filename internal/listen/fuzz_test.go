package listen

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// FuzzWish has a listener ask for anything, from anywhere.
func FuzzWish(f *testing.F) {
	for _, seed := range [][2]string{
		{"", ""},
		{"object=page&kind=feed&since=2h", "stored.5.3.1700000000000"},
		{"since=-1h", "abc.1.2.3"},
		{"id=%00&destination=%ff", "....."},
		{"since=9999999h", "x.18446744073709551615.18446744073709551615.9223372036854775807"},
		{"a=b", "x.-1.0.0"},
		{"object=a&object=b", "\n.1.1.1"},
		{"%zz", "stored.1.2"},
	} {
		f.Add(seed[0], seed[1])
	}
	now := time.Unix(1_700_000_000, 0)
	f.Fuzz(func(t *testing.T, query, last string) {
		r := &http.Request{URL: &url.URL{RawQuery: query}, Header: http.Header{"Last-Event-Id": {last}}}
		w, err := wishOf(r, now)
		if err != nil {
			return
		}
		if w.from.After(now) {
			t.Errorf("%q: got from %v, want no time to come", query, w.from)
		}
		if (w.last == nil) != (last == "") {
			t.Fatalf("%q: got the position %v", last, w.last)
		}
		if w.last == nil {
			return
		}
		if strings.Contains(w.last.epoch, ".") {
			t.Errorf("%q: got the epoch %q", last, w.last.epoch)
		}
		if again, ok := parsePosition(w.last.String()); !ok || again.String() != w.last.String() {
			t.Errorf("%q: got %v when it is written again, want %v", last, again, *w.last)
		}
	})
}

// FuzzDescribe has a message be anything that an app may be sent.
func FuzzDescribe(f *testing.F) {
	for _, seed := range []string{
		`{"specversion":"1.0","id":"1","type":"com.facebook.page.feed","metaobject":"page","partitionkey":"c"}`,
		`[{"specversion":"1.0","id":"1"},{"specversion":"1.0"}]`, `[{"specversion":"1.0"},5]`, `{"object":"page","entry":[{"id":"1","changes":[{"field":"feed","value":{}}]}]}`, `[]`, `null`, "\xff", ` [`, `{"specversion":1}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		m := &Message{Body: body}
		if fits := m.describe(new(Filter)); !fits || m.Events < 1 || m.Events > len(body)+1 {
			t.Errorf("%q: got %d events, which fit what fits all: %t", body, m.Events, fits)
		}
		if m.describe(&Filter{Object: "no object\x00"}) && !strings.Contains(string(body), `\u0000`) {
			t.Errorf("%q: got an object that it has not", body)
		}
	})
}
