package memory_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/ledgertest"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
)

// BenchmarkMemory has so many writers claim and commit so many events at a
// time: in a memory that grows, in one whose events expire as others come, and
// in a full one, which forgets one for each. The last two have a million.
func BenchmarkMemory(b *testing.B) {
	const million, window = 1_000_000, 36 * time.Hour
	for _, memory := range []struct {
		name       string
		most, from int
		pause      time.Duration // between events
	}{
		{"growing", 100 * million, 0, 0},
		{"expiring", 2 * million, million, window / million},
		{"full", million, million, 0},
	} {
		for _, writers := range []int{1, 64} {
			for _, n := range []int{1, 1000} {
				c := new(ledgertest.Clock)
				s := ledgertest.Open(b, newMemory(b, c, memory.most), ledgertest.Scope())
				for range memory.from / 1000 {
					ledgertest.Commit(b, s, ledgertest.RandomKeys(1000), window)
					c.Advance(1000 * memory.pause)
				}
				b.Run(fmt.Sprintf("%s/writers=%d/events=%d", memory.name, writers, n), func(b *testing.B) {
					b.ReportAllocs()
					ledgertest.Share(b, writers, func(next func() bool) {
						token, random := store.Token(rand.Uint64()), rand.New(rand.NewPCG(rand.Uint64(), 0))
						events := make([]store.Key, n)
						for next() {
							for i := range events {
								binary.NativeEndian.PutUint64(events[i][:8], random.Uint64())
								binary.NativeEndian.PutUint64(events[i][8:], random.Uint64())
							}
							ledgertest.ClaimAndCommit(b, s, token, events)
							c.Advance(time.Duration(n) * memory.pause)
						}
					})
					b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/event")
				})
			}
		}
	}
}
