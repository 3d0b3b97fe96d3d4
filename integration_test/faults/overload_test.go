package faults

import (
	"fmt"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/integration_test/harness"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/caddyproc"
)

const (
	overloadConnections = 200
	overloadBuffered    = 64 << 20
	overloadMemory      = 320 << 20 // GOMEMLIMIT, beside which Go takes some more
	overloadBeside      = 96 << 20
	overloadRecovery    = 10 * time.Second
)

// overloadLasts is for how long a gateway gets too much; META_WEBHOOK_OVERLOAD
// sets it.
func overloadLasts(t *testing.T) time.Duration {
	t.Helper()
	given := os.Getenv("META_WEBHOOK_OVERLOAD")
	if given == "" {
		return 10 * time.Second
	}
	lasts, err := time.ParseDuration(given)
	if err != nil || lasts <= 0 {
		t.Fatalf("META_WEBHOOK_OVERLOAD: got %q, want a duration", given)
	}
	return lasts
}

// TestOverload has many more notifications come, at once and as large as Meta's
// may be, than the machine can take, and more senders than there is memory for.
// Each is answered 200 or is refused, what the process takes has a bound, it
// recovers at once, and everything of a 200 was delivered. META_WEBHOOK_OVERLOAD
// is for how long:
//
//	META_WEBHOOK_OVERLOAD=5m go test ./integration_test/faults -run '^TestOverload$' -timeout 30m -v
func TestOverload(t *testing.T) {
	lasts := overloadLasts(t)
	for name, test := range map[string]struct {
		site    func(c *caddyproc.Process, app string) string
		answers []int // that a notification may get
	}{
		"inline": {func(c *caddyproc.Process, app string) string {
			store := harness.Lines("store file {", "path "+c.Path("stored"), "}", "dedup {", "on_error reject", "}")
			return harness.Lines(harness.Hook("deliver batch", "timeout 5s", fmt.Sprintf("max_buffered %dMiB", overloadBuffered>>20), store), "reverse_proxy "+app)
		}, []int{http.StatusOK, http.StatusServiceUnavailable, http.StatusBadGateway, http.StatusGatewayTimeout}},
		"stored": {func(c *caddyproc.Process, app string) string {
			return harness.Hook(fmt.Sprintf("max_buffered %dMiB", overloadBuffered>>20), "store file {", "path "+c.Path("stored"), "keep 0", "}",
				"destination app {", "deliver batch 1000", "retry 100ms 1s", "reverse_proxy "+app, "}")
		}, []int{http.StatusOK, http.StatusServiceUnavailable}},
	} {
		t.Run(name, func(t *testing.T) {
			l := harness.NewLedger(t)
			app := harness.NewUpstream(t, func(_ http.ResponseWriter, got harness.Received) { l.Take(l.Arrive(got.Body)) })
			c := caddyproc.New(t)
			c.Global = "metrics"
			c.Env = []string{fmt.Sprintf("GOMEMLIMIT=%d", overloadMemory)}
			c.Start(test.site(c, app.Addr))
			o := &overload{T: t, gateway: c, ledger: l, app: app, answers: make(map[int]int)}
			o.run(lasts)
			for status := range o.answers {
				if !slices.Contains(test.answers, status) {
					t.Errorf("got the answers %v, want %v alone", o.answers, test.answers)
				}
			}
		})
	}
}

// An overload is a gateway that gets too much.
type overload struct {
	*testing.T
	gateway *caddyproc.Process
	ledger  *harness.Ledger
	app     *harness.Upstream

	mu       sync.Mutex
	answers  map[int]int
	accepted []string // the posts that were answered 200
	resident float64  // the most
}

func (o *overload) run(lasts time.Duration) {
	o.Helper()
	begin, end := time.Now(), time.Now().Add(lasts)
	var sending sync.WaitGroup
	var number atomic.Int64
	for range overloadConnections {
		sending.Go(func() {
			client := &http.Client{Timeout: harness.Patience, Transport: &http.Transport{MaxIdleConnsPerHost: 1}}
			defer client.CloseIdleConnections()
			for time.Now().Before(end) {
				n := number.Add(1)
				posts := harness.Posts(fmt.Sprintf("%d", n), []int{1, 1, 10, 100, 1000}[n%5])
				o.note(o.send(client, posts), posts)
			}
		})
	}
	for time.Now().Before(end) {
		o.look()
		o.app.Forget()
		time.Sleep(200 * time.Millisecond)
	}
	sending.Wait()
	o.Logf("%d notifications in %v, answers %v, %d events accepted; %.0f MB resident at most",
		number.Load(), time.Since(begin).Round(time.Second), o.answers, len(o.accepted), o.resident/1e6)
	o.wantRecovery()
	if o.answers[http.StatusOK] == 0 {
		o.Errorf("got the answers %v, want some 200", o.answers)
	}
	if most := float64(overloadMemory + overloadBeside); o.resident > most {
		o.Errorf("got %.0f MB resident, want %.0f at most", o.resident/1e6, most/1e6)
	} else if runtime.GOOS == "linux" && o.resident == 0 {
		o.Error("got no resident memory, want it measured")
	}
	harness.Eventually(o.T, "everything of a 200 delivered", func() bool {
		o.app.Forget()
		return !slices.ContainsFunc(o.accepted, func(post string) bool {
			_, taken := o.ledger.Times(post)
			return taken == 0
		})
	})
}

// send sends a notification once, and returns the status, 0 without an answer.
func (o *overload) send(client *http.Client, posts []string) int {
	o.ledger.Send(posts)
	meta := harness.Meta{T: o.T, Client: client}
	return meta.Try(o.gateway, harness.Page(posts))
}

func (o *overload) note(status int, posts []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.answers[status]++
	if status == http.StatusOK {
		o.accepted = append(o.accepted, posts...)
	}
}

// look notes how much memory is resident.
func (o *overload) look() {
	resident, _ := harness.MetricOf(harness.AdminGet(o.T, o.gateway, "/metrics"), "process_resident_memory_bytes", "")
	o.resident = max(o.resident, resident)
}

// wantRecovery has a notification answered 200 soon after the overload.
func (o *overload) wantRecovery() {
	o.Helper()
	client := &http.Client{Timeout: overloadRecovery, Transport: &http.Transport{DisableKeepAlives: true}}
	var answers []string
	begin := time.Now()
	for i := 0; time.Since(begin) < overloadRecovery; i++ {
		posts := harness.Posts(fmt.Sprintf("after-%d", i), 1)
		status := o.send(client, posts)
		answers = append(answers, fmt.Sprint(status))
		if status == http.StatusOK {
			o.accepted = append(o.accepted, posts...)
			o.Logf("a notification was answered 200 after %v", time.Since(begin).Round(time.Millisecond))
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	o.Errorf("got the answers %s within %v, want 200", strings.Join(slices.Compact(answers), " "), overloadRecovery)
}
