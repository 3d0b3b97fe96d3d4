package admin

import (
	"errors"
	"net/http"
	"net/url"
	"reflect"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
)

// FuzzSelection has operators, and pages that operate, ask for anything. What
// changes something must not take a query for one that selects more than it
// says.
func FuzzSelection(f *testing.F) {
	for _, seed := range []string{
		"", "state=dead", "state=dead&state=waiting", "state=", "state=&state=dead", "destination=app&limit=10&cursor=5-9", "dry_run=true", "dry_run=1",
		"id=01000000000000000000000000000000", "id=", "id=00&id=01", "from=2026-01-02T15:04:05Z", "from=0001-01-01T00:00:00Z", "until=0001-01-01T00:00:00Z",
		"until=9999-12-31T23:59:59%2B23:59", "since=2h", "since=-1h", "since=999999d", "limit=0", "limit=1e3", "text=%00%ff", "conversation=a%0ab", "handler=x&to=y", "%zz", "a;b", "kind=a&kind=b",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		sel, err := selectionOf(&http.Request{URL: &url.URL{RawQuery: query}})
		if err != nil {
			answer, ok := errors.AsType[caddy.APIError](err)
			if !ok || answer.HTTPStatus != http.StatusBadRequest {
				t.Errorf("%q: got error %v, want 400", query, err)
			}
			return
		}
		if sel.limit < 1 || sel.limit > MaxLimit {
			t.Errorf("%q: got the limit %d, want 1 to %d", query, sel.limit, MaxLimit)
		}
		if all := reflect.DeepEqual(sel.filter, store.Filter{}); all == sel.narrow {
			t.Errorf("%q: got the filter %+v, which selects everything: %t, and narrow: %t", query, sel.filter, all, sel.narrow)
		}
		values, err := url.ParseQuery(query)
		if err != nil {
			t.Fatalf("%q: got a selection of a malformed query", query)
		}
		if want := values.Get("dry_run") == "true"; sel.dryRun != want {
			t.Errorf("%q: got a dry run: %t, want %t", query, sel.dryRun, want)
		}
		for name, given := range values {
			if len(given) > 1 && name != "state" && name != "id" {
				t.Errorf("%q: got %d values of %s taken, want an error", query, len(given), name)
			}
		}
		again, err := selectionOf(&http.Request{URL: &url.URL{RawQuery: values.Encode()}})
		if err != nil || again.limit != sel.limit || len(again.filter.Keys) != len(sel.filter.Keys) {
			t.Errorf("%q: got %+v and error %v when it is written anew, want %+v", query, again, err, sel)
		}
	})
}
