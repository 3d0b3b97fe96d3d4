//go:build unix

package postgres_test

import (
	"bufio"
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/ledgertest"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/pgtest"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/postgres"
)

// The environment of a process that is one of several on one database, and the
// variable that has the test use more seeds than a few.
const (
	processDSN     = "POSTGRES_TEST_DSN"
	processTable   = "POSTGRES_TEST_TABLE"
	processSenders = "POSTGRES_TEST_SENDERS"
	seedsVariable  = "POSTGRES_TEST_SEEDS"
)

// leaseOfProcess is how long what a process held waits when it has been killed.
const leaseOfProcess = 2 * time.Second

func TestMain(m *testing.M) {
	if os.Getenv(processDSN) != "" {
		process()
		return
	}
	os.Exit(m.Run())
}

// process accepts and delivers until it is killed, and says so.
func process() {
	s := &postgres.Store{DSN: os.Getenv(processDSN), Table: os.Getenv(processTable)}
	var t processTB
	ledgertest.Provision(&t, s)
	queue, err := s.OpenQueue("default")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	var saying sync.Mutex
	say := func(what string, lane store.Lane, n int) {
		saying.Lock()
		defer saying.Unlock()
		fmt.Println(what, lane, n, time.Now().UnixNano())
	}
	for sender := range strings.FieldsSeq(os.Getenv(processSenders)) {
		var lane store.Lane
		var first, last int
		_, _ = fmt.Sscanf(sender, "%d:%d:%d", &lane, &first, &last)
		go send(queue, lane, first, last, say)
	}
	for range 3 {
		go deliver(queue, say)
	}
	select {}
}

// send has the events of a lane accepted, one after another.
func send(queue store.Queue, lane store.Lane, first, last int, say func(string, store.Lane, int)) {
	for n := first; n <= last; {
		notification := &store.Notification{Received: time.Now(), Origin: []byte("origin"), Events: []store.Event{{
			Key: keyOf(lane, n), Window: time.Hour, Body: fmt.Appendf(nil, "%d %d", lane, n),
			Targets: []store.Target{{Destination: "app", Lanes: []store.Lane{lane}}},
		}}}
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		_, err := queue.Accept(ctx, notification)
		cancel()
		if err == nil { // or Meta sends it again
			say("accepted", lane, n)
			n++
		}
	}
}

// deliver delivers what is due.
func deliver(queue store.Queue, say func(string, store.Lane, int)) {
	for {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		taken, err := queue.Take(ctx, "app", store.Want{Max: 1 + rand.IntN(3), Bytes: 1 << 20, Lease: leaseOfProcess})
		cancel()
		if err != nil {
			continue
		}
		for _, d := range taken {
			var lane store.Lane
			var n int
			_, _ = fmt.Sscanf(string(d.Body), "%d %d", &lane, &n)
			outcome := store.Outcome{Held: d.Held}
			if holds(queue, d.Held) {
				say("begin", lane, n)
				time.Sleep(rand.N(2 * time.Millisecond))
				say("end", lane, n)
				outcome.Result, outcome.Attempt = store.Done, store.Attempt{Started: time.Now(), Status: 200}
			}
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			_ = queue.Settle(ctx, "app", []store.Outcome{outcome})
			cancel()
		}
	}
}

// holds reports whether a delivery is still this process's, and remains so for
// longer than an attempt takes, even if the process is stopped meanwhile.
func holds(queue store.Queue, held store.Held) bool {
	ctx, cancel := context.WithTimeout(context.Background(), leaseOfProcess/2)
	defer cancel()
	lost, err := queue.Renew(ctx, "app", leaseOfProcess, []store.Held{held})
	return err == nil && len(lost) == 0 && ctx.Err() == nil
}

func keyOf(lane store.Lane, n int) (key store.Key) {
	binary.BigEndian.PutUint64(key[:], uint64(lane))
	binary.BigEndian.PutUint64(key[8:], uint64(n)) //nolint:gosec // not negative
	return key
}

// A processTB is what Provision needs of a test.
type processTB struct{ testing.TB }

func (processTB) Helper()                  {}
func (processTB) Context() context.Context { return context.Background() }
func (processTB) Cleanup(func())           {}
func (processTB) Fatalf(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
	os.Exit(1)
}

// TestProcessesShareADatabase has processes accept and deliver the events of a
// few conversations while they are killed, and the server is. Every event that
// was accepted is delivered, in its conversation's order, and by one process at
// a time.
func TestProcessesShareADatabase(t *testing.T) {
	seeds := uint64(1)
	if n, err := strconv.ParseUint(os.Getenv(seedsVariable), 10, 64); err == nil {
		seeds = n
	}
	server := pgtest.Start(t)
	for seed := range seeds {
		for _, restarts := range []bool{false, true} {
			t.Run(fmt.Sprintf("seed %d, server restarts: %t", seed, restarts), func(t *testing.T) {
				newFleet(t, server, seed).run(restarts)
			})
		}
	}
}

// A fleet is processes on one database.
type fleet struct {
	*testing.T
	server *pgtest.Server
	table  string
	random *rand.Rand
	events int // of each lane

	mu       sync.Mutex
	said     []saying
	accepted map[store.Lane]int
	crashes  []int64 // of the server
}

// A saying is what a process says, or that it was killed.
type saying struct {
	process int
	what    string
	lane    store.Lane
	n       int
	at      int64
}

func newFleet(t *testing.T, server *pgtest.Server, seed uint64) *fleet {
	f := &fleet{
		T: t, server: server, table: ledgertest.Scope() + "fleet", accepted: make(map[store.Lane]int), events: 150,
		random: rand.New(rand.NewPCG(seed, 0)), //nolint:gosec // a test that can be repeated
	}
	if seed > 0 {
		f.events = 1000
	}
	return f
}

// start starts a process that sends in some lanes.
func (f *fleet) start(number int, lanes ...store.Lane) *exec.Cmd {
	f.Helper()
	var senders []string
	f.mu.Lock()
	for _, lane := range lanes {
		senders = append(senders, fmt.Sprintf("%d:%d:%d", lane, f.accepted[lane]+1, f.events))
	}
	f.mu.Unlock()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), processDSN+"="+f.server.DSN(), processTable+"="+f.table, processSenders+"="+strings.Join(senders, " "))
	if testing.Verbose() {
		cmd.Stderr = os.Stderr
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		f.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		f.Fatal(err)
	}
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			s := saying{process: number}
			if _, err := fmt.Sscan(lines.Text(), &s.what, &s.lane, &s.n, &s.at); err != nil {
				continue // the last line of one that was killed
			}
			f.mu.Lock()
			f.said = append(f.said, s)
			if s.what == "accepted" {
				f.accepted[s.lane] = max(f.accepted[s.lane], s.n)
			}
			f.mu.Unlock()
		}
	}()
	return cmd
}

// kill kills a process.
func (f *fleet) kill(number int, cmd *exec.Cmd) {
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.said = append(f.said, saying{process: number, what: "killed", at: time.Now().UnixNano()})
}

func (f *fleet) run(restarts bool) {
	const processes = 3
	lanes := func(slot int) []store.Lane { return []store.Lane{store.Lane(1 + slot), store.Lane(101 + slot)} }
	running := make([]*exec.Cmd, processes)
	number := 0
	numbers := make([]int, processes)
	start := func(slot int) {
		number++
		numbers[slot] = number
		running[slot] = f.start(number, lanes(slot)...)
	}
	for slot := range running {
		start(slot)
	}
	deadline := time.Now().Add(2 * time.Minute)
	for i := 0; !f.done(processes, lanes) && time.Now().Before(deadline); i++ {
		time.Sleep(time.Duration(100+f.random.IntN(500)) * time.Millisecond)
		switch slot := f.random.IntN(processes); {
		case restarts && i%4 == 2:
			f.server.Stop()
			f.crashes = append(f.crashes, time.Now().UnixNano())
			f.server.Start()
		case i%3 == 0:
			_ = running[slot].Process.Signal(syscall.SIGSTOP)
			time.Sleep(leaseOfProcess / 4)
			_ = running[slot].Process.Signal(syscall.SIGCONT)
		default:
			f.kill(numbers[slot], running[slot])
			start(slot)
		}
	}
	for slot := range running {
		f.kill(numbers[slot], running[slot])
	}
	for slot := range processes {
		for _, lane := range lanes(slot) {
			f.check(lane)
		}
	}
}

// done reports whether everything was sent and delivered.
func (f *fleet) done(processes int, lanes func(int) []store.Lane) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	ended := make(map[store.Lane]int)
	for _, s := range f.said {
		if s.what == "end" {
			ended[s.lane] = max(ended[s.lane], s.n)
		}
	}
	for slot := range processes {
		for _, lane := range lanes(slot) {
			if ended[lane] < f.events {
				return false
			}
		}
	}
	return true
}

// check checks what was said of a lane.
func (f *fleet) check(lane store.Lane) {
	f.Helper()
	f.mu.Lock()
	said := slices.Clone(f.said)
	f.mu.Unlock()
	slices.SortStableFunc(said, func(a, b saying) int { return cmp.Compare(a.at, b.at) })
	last, ended, repeated := 0, 0, 0
	var under *saying
	for i := range said {
		s := &said[i]
		switch {
		case s.what == "killed":
			if under != nil && under.process == s.process {
				under = nil
			}
		case s.lane != lane:
		case s.what == "begin":
			if under != nil {
				f.Errorf("lane %d: process %d began event %d while process %d delivered %d", lane, s.process, s.n, under.process, under.n)
			}
			if s.n > ended+1 {
				f.Errorf("lane %d: event %d began when %d was the last that was delivered", lane, s.n, ended)
			}
			if s.n < last && !f.crashedBefore(s.at) {
				f.Errorf("lane %d: event %d began after %d", lane, s.n, last)
			}
			if s.n <= last {
				repeated++
			}
			under, last = s, s.n
		case s.what == "end":
			if under == nil || under.process != s.process || under.n != s.n {
				f.Errorf("lane %d: process %d ended event %d, which it had not begun", lane, s.process, s.n)
			}
			under, ended = nil, max(ended, s.n)
		}
	}
	if ended != f.events {
		f.Errorf("lane %d: %d of %d events were delivered", lane, ended, f.events)
	}
	f.Logf("lane %d: %d events, %d delivered again", lane, ended, repeated)
}

// crashedBefore reports whether the server had stopped in the time before, so
// that what was settled may have been undone.
func (f *fleet) crashedBefore(at int64) bool {
	return slices.ContainsFunc(f.crashes, func(crash int64) bool {
		return at > crash && at < crash+int64(10*time.Second)
	})
}
