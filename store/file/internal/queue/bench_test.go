package queue

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/cputime"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/inuse"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
)

// benchQueue opens a queue on the disk.
func benchQueue(b testing.TB, dir string) *Handle {
	b.Helper()
	q, err := Open(dir, Options{Keep: time.Hour})
	if err != nil {
		b.Fatal(err)
	}
	return q.Handle(q.Close)
}

// benchNotification returns a notification of one event of 500 bytes, of one of
// 20,000 conversations.
func benchNotification(n uint64) *store.Notification {
	e := store.Event{
		Window: 36 * time.Hour, Body: make([]byte, 500),
		Info:    store.Info{Object: "page", Entry: "1", Field: "messages", Kind: "messages", Subject: "m_0123456789", Conversation: "page 1 12345"},
		Targets: []store.Target{{Destination: "app", Lanes: []store.Lane{store.Lane(n % 20_000)}}},
	}
	binary.BigEndian.PutUint64(e.Key[:], n)
	binary.BigEndian.PutUint64(e.Key[8:], n*0x9e3779b97f4a7c15)
	return &store.Notification{Received: time.Now(), Origin: make([]byte, 200), Events: []store.Event{e}}
}

func BenchmarkAccept(b *testing.B) {
	for _, writers := range []int{1, 8, 64, 256} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			q := benchQueue(b, b.TempDir())
			defer q.Close()
			var next atomic.Uint64
			b.ReportAllocs()
			reportCPU := cputime.Start(b)
			b.ResetTimer()
			var running sync.WaitGroup
			for range writers {
				running.Go(func() {
					for n := next.Add(1); n <= uint64(b.N); n = next.Add(1) {
						if _, err := q.Accept(context.Background(), benchNotification(n)); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			running.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
			reportCPU(b.N, "event")
		})
	}
}

// BenchmarkDeliver accepts and delivers at the same time.
func BenchmarkDeliver(b *testing.B) {
	for _, batch := range []int{1, 100} {
		b.Run(fmt.Sprintf("writers=64/batch=%d", batch), func(b *testing.B) {
			q := benchQueue(b, b.TempDir())
			defer q.Close()
			var next, done atomic.Uint64
			reportCPU := cputime.Start(b)
			b.ResetTimer()
			var running sync.WaitGroup
			for range 64 {
				running.Go(func() {
					for n := next.Add(1); n <= uint64(b.N); n = next.Add(1) {
						if _, err := q.Accept(context.Background(), benchNotification(n)); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			for range 16 {
				running.Go(func() { benchWork(b, ctx, cancel, q, batch, &done) })
			}
			running.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
			reportCPU(b.N, "event")
		})
	}
}

// benchWork takes and settles until b.N are done.
func benchWork(b *testing.B, ctx context.Context, cancel func(), q *Handle, batch int, done *atomic.Uint64) {
	want := store.Want{Max: batch, Bytes: 1 << 20, Runs: batch > 1, Lease: time.Minute}
	if batch > 1 {
		want.Collect = 5 * time.Millisecond
	}
	outcomes := make([]store.Outcome, 0, batch)
	for {
		taken, err := q.Take(ctx, "app", want)
		if err != nil {
			return
		}
		outcomes = outcomes[:0]
		for i := range taken {
			outcomes = append(outcomes, store.Outcome{
				Held: taken[i].Held, Result: store.Done, Attempt: store.Attempt{Started: time.Now(), Took: time.Millisecond, Status: 200},
			})
		}
		if err := q.Settle(ctx, "app", outcomes); err != nil {
			b.Error(err)
			return
		}
		if done.Add(uint64(len(taken))) == uint64(b.N) {
			cancel()
		}
	}
}

// BenchmarkTakeAndSettle delivers what waits.
func BenchmarkTakeAndSettle(b *testing.B) {
	for _, batch := range []int{1, 100} {
		b.Run(fmt.Sprintf("workers=16/batch=%d", batch), func(b *testing.B) {
			q := benchQueue(b, b.TempDir())
			defer q.Close()
			benchFill(b, q, b.N)
			var done atomic.Uint64
			b.ReportAllocs()
			reportCPU := cputime.Start(b)
			b.ResetTimer()
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			var running sync.WaitGroup
			for range 16 {
				running.Go(func() { benchWork(b, ctx, cancel, q, batch, &done) })
			}
			running.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
			reportCPU(b.N, "event")
		})
	}
}

func benchFill(b testing.TB, q *Handle, events int) {
	var next atomic.Uint64
	var running sync.WaitGroup
	for range 64 {
		running.Go(func() {
			for n := next.Add(1); n <= uint64(events); n = next.Add(1) {
				if _, err := q.Accept(context.Background(), benchNotification(n)); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	running.Wait()
}

// TestManyWaitingEvents says how long it takes to open a queue of many waiting
// events, and what they take in memory. QUEUE_TEST_WAITING sets how many: a
// million takes a gigabyte of disk.
func TestManyWaitingEvents(t *testing.T) {
	n, err := strconv.Atoi(os.Getenv("QUEUE_TEST_WAITING"))
	if err != nil {
		n = 20_000
	}
	dir := t.TempDir()
	q := benchQueue(t, dir)
	benchFill(t, q, n)
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	before := inuse.Heap()
	start := time.Now()
	q = benchQueue(t, dir)
	took := time.Since(start)
	after := inuse.Heap()
	stats, err := q.Stats(t.Context())
	if err != nil || len(stats.Destinations) != 1 || stats.Destinations[0].Waiting != int64(n) {
		t.Errorf("got %+v and error %v, want %d waiting", stats.Destinations, err, n)
	}
	t.Logf("%d events of 500 bytes, %d MB: opened in %v, %.0f bytes of memory each", n, stats.Bytes>>20, took, float64(after-before)/float64(n))
	if limit := 5 * time.Second; took > limit {
		t.Errorf("got %v to open the queue, want less than %v", took, limit)
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
}
