package postgres_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/cputime"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/ledgertest"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/pgtest"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/postgres"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/postgres/internal/pgpool"
)

// BenchmarkQueue has so many callers accept notifications of one event of 1 kB
// each, in a conversation of its own, and then delivers what was accepted, as
// many events at a time. The server waits for its disk.
func BenchmarkQueue(b *testing.B) {
	server := pgtest.Start(b, "fsync=on")
	for _, away := range []time.Duration{0, 20 * time.Millisecond} {
		for _, parallel := range []int{1, 8, 64} {
			for _, conns := range []int{4, 16} {
				name := fmt.Sprintf("away=%v/parallel=%d/conns=%d", away, parallel, conns)
				dsn := server.DSN()
				if away > 0 {
					dsn = server.Proxy(away).DSN()
				}
				p := newPostgres(b, fmt.Sprintf("%s&pool_max_conns=%d&application_name=%d_%d", dsn, conns, parallel, away))
				q := openQueue(b, p)
				b.Run("accept/"+name, func(b *testing.B) {
					m := newMeter(b, server)
					ledgertest.Share(b, parallel, func(next func() bool) {
						for next() {
							accept(b, q, kilobyte(rand.Uint64(), "app"))
						}
					})
					m.report()
				})
				drop(b, server, p)
				b.Run("deliver/"+name, func(b *testing.B) {
					fill(b, q, b.N)
					m := newMeter(b, server)
					work(b, q, b.N, parallel)
					m.report()
				})
				drop(b, server, p)
			}
		}
	}
}

// work delivers so many events as a worker does: it takes as many as there
// is room for, and settles each on its own.
func work(b *testing.B, q store.Queue, events, parallel int) {
	room := make(chan struct{}, parallel)
	var running sync.WaitGroup
	for events > 0 {
		room <- struct{}{}
		places := 1
		for places < min(parallel, events) && len(room) < parallel {
			room <- struct{}{}
			places++
		}
		taken, err := q.Take(b.Context(), "app", store.Want{Max: places, Bytes: 1 << 20, Lease: time.Minute})
		if err != nil {
			b.Fatal(err)
		}
		for range places - len(taken) {
			<-room
		}
		events -= len(taken)
		for _, d := range taken {
			running.Go(func() {
				defer func() { <-room }()
				if err := q.Settle(b.Context(), "app", []store.Outcome{done(&d)}); err != nil {
					b.Error(err)
				}
			})
		}
	}
	running.Wait()
}

// done returns the outcome of a delivery that the app has taken.
func done(d *store.Delivery) store.Outcome {
	return store.Outcome{Held: d.Held, Result: store.Done, Attempt: store.Attempt{Started: time.Now(), Took: time.Millisecond, Status: 200}}
}

// BenchmarkBacklog delivers while so much waits: a tenth of it at the heads of
// lanes, and the rest behind.
func BenchmarkBacklog(b *testing.B) {
	server := pgtest.Start(b)
	for _, backlog := range []int{0, 1_000_000} {
		p := newPostgres(b, server.DSN())
		q := openQueue(b, p)
		accept(b, q, kilobyte(1, "app")) // it is known
		settle(b, q, "app", store.Done, take(b, q, "app", 1)...)
		grow(b, server, p, backlog)
		for _, analyzed := range []bool{false, true} {
			if analyzed {
				execute(b, server, "ANALYZE")
			}
			b.Run(fmt.Sprintf("waiting=%d/analyzed=%t", backlog, analyzed), func(b *testing.B) {
				fill(b, q, max(0, b.N-backlog/10))
				m := newMeter(b, server)
				deliverAll(b, q, b.N, 16)
				m.report()
			})
		}
		drop(b, server, p)
	}
}

// BenchmarkTablesOfAQueue accepts and delivers events, keeps the last 40,000,
// and says how large the tables are meanwhile and in the end.
func BenchmarkTablesOfAQueue(b *testing.B) {
	server := pgtest.Start(b)
	p := newPostgres(b, server.DSN())
	*p.Keep = caddy.Duration(4 * time.Hour)
	q := openQueue(b, p)
	m := newMeter(b, server)
	for done := 0; done < b.N; done += 1000 {
		if done%10_000 == 0 && done > 0 { // an hour has passed
			execute(b, server, "UPDATE "+p.Table+"_segment SET changed = changed - interval '1 hour'",
				"UPDATE "+p.Table+"_dedup SET expires = expires - interval '1 hour'")
			if err := postgres.Turn(q); err != nil {
				b.Fatal(err)
			}
			postgres.ExpireQueue(q)
		}
		fill(b, q, 1000)
		deliverAll(b, q, 1000, 250)
		if done%10_000 == 9000 {
			stats, err := q.Stats(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			b.Logf("%d events: %d bytes", done+1000, stats.Bytes)
		}
	}
	m.report()
	stats, err := q.Stats(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(stats.Bytes), "bytes")
}

// kilobyte returns a notification of an event of that size.
func kilobyte(lane uint64, destination string) *store.Notification {
	n := oneEvent(lane, destination)
	n.Origin = bytes.Repeat([]byte("o"), 200)
	n.Events[0].Body = bytes.Repeat([]byte("x"), 1000)
	n.Events[0].Info = store.Info{Object: "page", Entry: "7", Field: "messaging", Kind: "messages", Subject: "8", Conversation: "7/8"}
	return n
}

// fill accepts so many events, in lanes of their own.
func fill(b *testing.B, q store.Queue, events int) {
	b.Helper()
	for events > 0 {
		n := kilobyte(rand.Uint64(), "app")
		for range min(events, 1000) - 1 {
			n.Events = append(n.Events, kilobyte(rand.Uint64(), "app").Events...)
		}
		accept(b, q, n)
		events -= len(n.Events)
	}
}

// deliverAll delivers so many events, some at a time.
func deliverAll(b *testing.B, q store.Queue, events, most int) {
	for events > 0 {
		taken, err := q.Take(b.Context(), "app", store.Want{Max: min(most, events), Bytes: 1 << 20, Lease: time.Minute})
		if err != nil {
			b.Fatal(err)
		}
		outcomes := make([]store.Outcome, 0, len(taken))
		for i := range taken {
			outcomes = append(outcomes, done(&taken[i]))
		}
		if err := q.Settle(b.Context(), "app", outcomes); err != nil {
			b.Fatal(err)
		}
		events -= len(taken)
	}
}

// grow puts a backlog into the tables, as Accept would.
func grow(b *testing.B, server *pgtest.Server, p *postgres.Store, events int) {
	b.Helper()
	const lanes = "(SELECT i, 1000000000 + i * 256::bigint AS id, i / 10 AS lane, i % 10 AS place FROM generate_series(0, {events} - 1) AS s(i)) s"
	for _, statement := range []string{
		`INSERT INTO {t}_event_0 SELECT id, id, gen_random_uuid(), now(), 1, false, true, ARRAY[lane]::bigint[], 'page', '7', 'messaging', 'messages', '8', '7/8', '', repeat('x', 1000)::bytea FROM ` + lanes,
		`INSERT INTO {t}_waiting SELECT id, id, 0, now(), now(), 1, CASE WHEN place = 0 THEN 0 ELSE 1 END, 0, 1000, 0, 0, false, ARRAY[lane]::bigint[] FROM ` + lanes,
		`INSERT INTO {t}_lane SELECT lane, id FROM ` + lanes + ` WHERE place = 0`,
		`INSERT INTO {t}_behind SELECT lane, id FROM ` + lanes + ` WHERE place > 0`,
		`SELECT setval('{t}_number', 1000000000 + {events} * 256::bigint)`,
	} {
		execute(b, server, strings.NewReplacer("{t}", p.Table, "{events}", fmt.Sprint(events)).Replace(statement))
	}
}

// drop empties the tables of a store.
func drop(b *testing.B, server *pgtest.Server, p *postgres.Store) {
	b.Helper()
	for _, table := range []string{"dedup", "waiting", "lane", "behind", "event_0", "attempt_0"} {
		execute(b, server, "TRUNCATE "+p.Table+"_"+table)
	}
}

// A meter measures what b.N events take.
type meter struct {
	b      *testing.B
	server *pgtest.Server
	own    func(n int, unit string)
	theirs time.Duration
	wal    int64
}

func newMeter(b *testing.B, server *pgtest.Server) *meter {
	b.Helper()
	m := &meter{b: b, server: server, own: cputime.Start(b), theirs: server.CPU(), wal: wal(b, server)}
	b.ResetTimer()
	return m
}

func (m *meter) report() {
	m.b.Helper()
	m.b.StopTimer()
	n := float64(m.b.N)
	m.b.ReportMetric(n/m.b.Elapsed().Seconds(), "events/s")
	m.own(m.b.N, "event")
	m.b.ReportMetric(float64((m.server.CPU()-m.theirs).Microseconds())/n, "server-cpu-us/event")
	m.b.ReportMetric(float64(wal(m.b, m.server)-m.wal)/n, "wal-bytes/event")
	m.b.ReportMetric(0, "ns/op")
}

// wal returns how much the server has logged.
func wal(b *testing.B, server *pgtest.Server) (n int64) {
	b.Helper()
	pool, err := pgpool.Open(server.DSN())
	if err != nil {
		b.Fatal(err)
	}
	defer pool.Close()
	err = pool.Do(b.Context(), func(conn *pgxpool.Conn) error {
		return conn.QueryRow(b.Context(), "SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint").Scan(&n)
	})
	if err != nil {
		b.Fatal(err)
	}
	return n
}
