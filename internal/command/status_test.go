package command

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/admin"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/observe"
)

func TestStatusTable(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	before := func(d time.Duration) time.Time { return now.Add(-d) }
	for _, tc := range []struct {
		name string
		all  []admin.Status
		want string
	}{
		{"no handler", nil, "No meta_webhook handler is running.\n"},
		{"handlers", []admin.Status{
			{Status: observe.Status{
				Name:          "quiet",
				Verifications: map[string]uint64{"ok": 1}, Notifications: map[string]uint64{"ok": 0},
			}},
			{Status: observe.Status{
				Name: "shop", LastNotification: before(3 * time.Second), LastSuccess: before(2 * time.Minute),
				FailingSince: before(100 * time.Second), InFlight: 2, Undelivered: observe.MostOwed, OldestUndelivered: before(101 * time.Second),
				Verifications: map[string]uint64{"ok": 1, "verify_token_mismatch": 2},
				Notifications: map[string]uint64{"ok": 3, "delivery_failed": 4, "store_unavailable": 5, "in_flight": 6, "overloaded": 7, "store_full": 8, "store_busy": 9, "signature_mismatch": 7},
				Events:        map[string]uint64{"delivered": 8, "duplicate": 9, "failed": 10},
			}},
		}, "NAME   LAST NOTIFICATION  LAST SUCCESS  FAILING FOR  IN FLIGHT  UNDELIVERED  OLDEST  DELIVERED  STORED  DUPLICATE  FAILED  REFUSED\n" +
			"quiet  never              never         -            0          0            -       0          0       0          0       0\n" +
			"shop   3s ago             2m0s ago      1m40s        2          10000+       1m41s   8          0       9          10      9\n"},
		{"destinations", []admin.Status{
			{
				Status: observe.Status{Name: "shop", Events: map[string]uint64{"stored": 7, "unmatched": 1}},
				Destinations: []admin.Destination{
					{Handler: "shop", Destination: "app", State: "probing", Cause: "connect", Waiting: 500, UnderWay: 1, Oldest: before(90 * time.Second), Dead: 3, Causes: map[string]int64{"http_422": 2, "timeout": 1}},
					{Handler: "shop", Destination: "crm", State: "open", Rate: 12.34},
				},
			},
			{Status: observe.Status{Name: "lost"}, StoreError: "the store is \x1b[2Jbusy"},
		}, "NAME  LAST NOTIFICATION  LAST SUCCESS  FAILING FOR  IN FLIGHT  UNDELIVERED  OLDEST  DELIVERED  STORED  DUPLICATE  FAILED  REFUSED\n" +
			"shop  never              never         -            0          0            -       0          8       0          0       0\n" +
			"lost  never              never         -            0          0            -       0          0       0          0       0\n" +
			"\nThe store of lost: the store is \ufffd[2Jbusy\n\n" +
			"HANDLER  DESTINATION  STATE    WAITING  UNDER WAY  OLDEST  RATE    DEAD  CAUSES\n" +
			"shop     app          probing  500      1          1m30s   0/s     3     down: connect, http_422 2, timeout 1\n" +
			"shop     crm          open     0        0          -       12.3/s  0\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var b strings.Builder
			if err := printStatus(&b, tc.all, now); err != nil {
				t.Fatal(err)
			}
			if got := b.String(); got != tc.want {
				t.Errorf("got\n%swant\n%s", got, tc.want)
			}
		})
	}
}

// runStatus runs the command and returns its stdout. The error includes stderr.
func runStatus(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var b, stderr strings.Builder
	cmd := newStatusCommand()
	cmd.SetArgs(args)
	cmd.SetOut(&b)
	cmd.SetErr(&stderr)
	cmd.SilenceUsage = true // as in Caddy
	err := cmd.ExecuteContext(t.Context())
	if err != nil {
		err = fmt.Errorf("%w: %s", err, &stderr)
	}
	return b.String(), err
}

func TestStatusCommandAsksTheAdminAPI(t *testing.T) {
	answer := `[{"name":"shop"}]`
	admin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || r.URL.Path != "/meta_webhook/status" {
			w.WriteHeader(http.StatusNotFound)
		}
		fmt.Fprint(w, answer)
	}))
	address := admin.Listener.Addr().String()
	if got, err := runStatus(t, "--address", address, "--json"); got != answer+"\n" || err != nil {
		t.Errorf("got %q, %v, want %s", got, err, answer)
	}
	if got, err := runStatus(t, "--address", address); !strings.Contains(got, "\nshop ") || err != nil {
		t.Errorf("got %q, %v, want a table with shop in it", got, err)
	}
	if got, err := runStatus(t, "--address", address, "--check"); got != "" || err != nil {
		t.Errorf("--check: got %q, %v, want nothing", got, err)
	}
	answer = `[{"name":"shop","destinations":[{"destination":"app","dead":3}]}]`
	if got, err := runStatus(t, "--address", address, "--check"); got != "shop: dead events for destination app: 3\n" || err == nil {
		t.Errorf("--check: got %q, %v, want the dead events and an error", got, err)
	}
	answer = "not JSON"
	if _, err := runStatus(t, "--address", address); err == nil {
		t.Error("got no error for an answer that is not JSON")
	}
	admin.Close()
	if got, err := runStatus(t, "--address", address); got != "" || err == nil || !strings.Contains(err.Error(), address) {
		t.Errorf("got %q, %v, want an error with %s", got, err, address)
	}
	for _, args := range [][]string{{"now"}, {"--address", "a:b:c"}, {"--config", "/no/such/file.json"}} {
		if got, err := runStatus(t, args...); got != "" || err == nil {
			t.Errorf("%q: got %q and no error, want one", args, got)
		}
	}
}
