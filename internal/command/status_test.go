package command

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestStatusTable(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	before := func(d time.Duration) time.Time { return now.Add(-d) }
	for _, tc := range []struct {
		name string
		all  []status
		want string
	}{
		{"no handler", []status{}, "No meta_webhook handler is running.\n"},
		{"handlers", []status{
			{
				Name:          "quiet",
				Verifications: map[string]uint64{"ok": 1}, Notifications: map[string]uint64{"ok": 0},
			},
			{
				Name: "shop", LastNotification: before(3 * time.Second), LastSuccess: before(2 * time.Minute),
				FailingSince: before(100 * time.Second), InFlight: 2, Undelivered: maxUndelivered, OldestUndelivered: before(101 * time.Second),
				Verifications: map[string]uint64{"ok": 1, "verify_token_mismatch": 2},
				Notifications: map[string]uint64{"ok": 3, "delivery_failed": 4, "dedup_unavailable": 5, "in_flight": 6, "overloaded": 7, "store_full": 8, "store_busy": 9, "signature_mismatch": 7},
				Events:        map[string]uint64{"delivered": 8, "duplicate": 9, "failed": 10},
			},
		}, "NAME   LAST NOTIFICATION  LAST SUCCESS  FAILING FOR  IN FLIGHT  UNDELIVERED  OLDEST  DELIVERED  DUPLICATE  FAILED  REFUSED\n" +
			"quiet  never              never         -            0          0            -       0          0          0       0\n" +
			"shop   3s ago             2m0s ago      1m40s        2          10000+       1m41s   8          9          10      9\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			text, err := json.Marshal(tc.all)
			if err != nil {
				t.Fatal(err)
			}
			var b strings.Builder
			if err := printStatus(&b, strings.NewReader(string(text)), now); err != nil {
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
	if got, err := runStatus(t, "--address", address, "--json"); got != answer || err != nil {
		t.Errorf("got %q, %v, want %s", got, err, answer)
	}
	if got, err := runStatus(t, "--address", address); !strings.Contains(got, "\nshop ") || err != nil {
		t.Errorf("got %q, %v, want a table with shop in it", got, err)
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
