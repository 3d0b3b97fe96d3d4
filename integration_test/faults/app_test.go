package faults

import (
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/integration_test/harness"
)

// A faultyApp is an app that does to some of its requests what its mood is.
type faultyApp struct {
	*harness.Upstream
	ledger *harness.Ledger
	mood   atomic.Int32

	mu     sync.Mutex
	random *rand.Rand
}

// The moods of an app.
const (
	appHealthy int32 = iota
	appFailing
	appSlow
	appHanging
	appResetting
	appDying
	appStalling
)

var (
	moods     = []int32{appHealthy, appFailing, appSlow, appHanging, appResetting, appDying, appStalling}
	moodNames = map[int32]string{
		appHealthy: "healthy", appFailing: "failing", appSlow: "slow", appHanging: "hanging",
		appResetting: "resetting", appDying: "dying", appStalling: "stalling",
	}
)

func newFaultyApp(t *testing.T, l *harness.Ledger, random *rand.Rand) *faultyApp {
	a := &faultyApp{ledger: l, random: random}
	a.Upstream = harness.NewUpstream(t, a.respond)
	return a
}

// patienceOfApps is how long an app hangs at most.
const patienceOfApps = 3 * time.Second

// respond answers what has arrived. Only a response that is whole is an
// answer, whatever its status says.
func (a *faultyApp) respond(w http.ResponseWriter, got harness.Received) {
	posts := a.ledger.Arrive(got.Body)
	a.mu.Lock()
	work := time.Duration(a.random.Int64N(int64(5 * time.Millisecond)))
	hit := a.random.IntN(3) == 0
	took := a.random.IntN(2) == 0 // although it does not say so
	status := []int{500, 503, 404, 302, 429}[a.random.IntN(5)]
	a.mu.Unlock()
	time.Sleep(work)

	mood := a.mood.Load()
	if !hit || mood == appHealthy {
		a.ledger.Take(posts)
		return
	}
	if mood == appSlow {
		time.Sleep(20 * work)
		a.ledger.Take(posts)
		return
	}
	if took {
		a.ledger.Take(posts)
	}
	switch mood {
	case appFailing:
		w.WriteHeader(status)
	case appHanging:
		a.hang(got)
		panic(http.ErrAbortHandler)
	case appResetting:
		reset(w)
	case appDying:
		begin(w)
		panic(http.ErrAbortHandler)
	case appStalling:
		begin(w)
		a.hang(got)
		panic(http.ErrAbortHandler)
	}
}

// hang waits until the request is canceled.
func (a *faultyApp) hang(got harness.Received) {
	select {
	case <-got.Ctx.Done():
	case <-time.After(patienceOfApps):
	}
}

// begin sends the beginning of a response.
func begin(w http.ResponseWriter) {
	w.Header().Set("Content-Length", "1000")
	_, _ = w.Write([]byte("part of it"))
	_ = http.NewResponseController(w).Flush()
}

// reset resets the connection.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}
