package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/ledgertest"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/pgtest"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/postgres"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/postgres/internal/pgpool"
)

// TestQueueInAnUnsteadyWorld shares a server among the tests of what is not in
// every queue's promises.
func TestQueueInAnUnsteadyWorld(t *testing.T) {
	server := pgtest.Start(t)
	for _, test := range []struct {
		name string
		run  func(*testing.T, *pgtest.Server)
	}{
		{"a notification is one round trip", acceptIsOneRoundTrip},
		{"what is accepted is on the disk", acceptedIsOnTheDisk},
		{"a call that waits holds nothing", waitingHoldsNothing},
		{"locks are taken in one order", locksInOneOrder},
		{"instances keep the numbers of a lane in order", numbersInOrder},
		{"a claim reads what it takes", claimsReadLittle},
		{"NUL and broken text do no harm", strangeText},
		{"one notification that cannot be stored holds up no other", poisonedNotification},
		{"an instance settles what another one took", settledElsewhere},
		{"a crowded pool is busy", crowdedPool},
		{"a standby is named", standby},
		{"an instance's clock does not count", otherClock},
		{"what is old goes, and what is needed stays", segmentsTurn},
		{"a user who may not truncate", mayNotTruncate},
		{"nothing is kept that is not to be", keepNothing},
		{"handlers with other times share the tables", longestKeep},
		{"the server stands still", serverStalls},
		{"connections are cut", connectionsCut},
		{"the server restarts", queueServerRestarts},
		{"the server is down at first", queueServerDownAtFirst},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, server) })
	}
}

// openQueue opens a queue until the test ends.
func openQueue(t testing.TB, p *postgres.Store) store.Queue {
	t.Helper()
	q, err := p.OpenQueue("default")
	if err != nil {
		t.Fatalf("OpenQueue: got error %v, want none", err)
	}
	t.Cleanup(func() {
		if err := q.Close(); err != nil {
			t.Errorf("Close: got error %v, want none", err)
		}
	})
	return q
}

func accept(t testing.TB, q store.Queue, n *store.Notification) {
	t.Helper()
	if _, err := q.Accept(t.Context(), n); err != nil {
		t.Fatalf("Accept: got error %v, want none", err)
	}
}

// take takes so many deliveries to a destination.
func take(t testing.TB, q store.Queue, destination string, want int) []store.Delivery {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	taken, err := q.Take(ctx, destination, store.Want{Max: 1000, Bytes: 1 << 30, Lease: time.Minute})
	if err != nil || len(taken) != want {
		t.Fatalf("Take: got %d deliveries and error %v, want %d", len(taken), err, want)
	}
	return taken
}

func settle(t testing.TB, q store.Queue, destination string, result store.Result, taken ...store.Delivery) {
	t.Helper()
	var outcomes []store.Outcome
	for _, d := range taken {
		outcomes = append(outcomes, store.Outcome{
			Held: d.Held, Result: result, At: time.Now().Add(time.Hour),
			Attempt: store.Attempt{Started: time.Now(), Took: time.Millisecond, Status: 500, Cause: "status"},
		})
	}
	if err := q.Settle(t.Context(), destination, outcomes); err != nil {
		t.Fatalf("Settle: got error %v, want none", err)
	}
}

// listed returns how many deliveries are in which state.
func listed(t testing.TB, q store.Queue) map[store.DeliveryState]int {
	t.Helper()
	states := make(map[store.DeliveryState]int)
	for cursor := ""; ; {
		found, next, err := q.List(t.Context(), store.Filter{}, cursor, 100)
		if err != nil {
			t.Fatalf("List: got error %v, want none", err)
		}
		for _, s := range found {
			states[s.State]++
		}
		if cursor = next; next == "" {
			return states
		}
	}
}

func acceptIsOneRoundTrip(t *testing.T, server *pgtest.Server) {
	proxy := server.Proxy(0)
	q := openQueue(t, newPostgres(t, proxy.DSN()))
	accept(t, q, oneEvent(1, "app", "crm")) // the statement is prepared
	for _, n := range []int{1, 10, 1000} {
		notification := oneEvent(0, "app", "crm")
		for i := 1; i < n; i++ {
			notification.Events = append(notification.Events, oneEvent(uint64(i%7), "app").Events...) //nolint:gosec // not negative
		}
		notification.Whole = store.Event{Body: []byte("whole"), Targets: []store.Target{{Destination: "app", Lanes: []store.Lane{1, 2, 3}}}}
		proxy.Turns.Store(0)
		accept(t, q, notification)
		if got := proxy.Turns.Swap(0); got != 1 {
			t.Errorf("Accept of %d events: got %d round trips, want 1", n, got)
		}
	}
}

// numbersInOrder has instances accept in one lane at the same time. What is
// accepted later has a higher number, and is taken later.
func numbersInOrder(t *testing.T, server *pgtest.Server) {
	const senders, n = 6, 40
	p := newPostgres(t, server.DSN())
	var running sync.WaitGroup
	for i := range senders {
		other := &postgres.Store{DSN: fmt.Sprintf("%s&application_name=sender%d", server.DSN(), i), Table: p.Table}
		ledgertest.Provision(t, other)
		q := openQueue(t, other)
		running.Go(func() {
			for j := range n {
				notification := oneEvent(1, "app")
				notification.Events[0].Body = fmt.Appendf(nil, "%d %d", i, j)
				if j%5 == 0 {
					notification.Events[0].Targets[0].Lanes = []store.Lane{2, 1}
				}
				if _, err := q.Accept(t.Context(), notification); err != nil {
					t.Errorf("Accept: got error %v, want none", err)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { running.Wait(); close(done) }()
	q := openQueue(t, p)
	var last store.Number
	next := make([]int, senders)
	for taken := 0; taken < senders*n; {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		got, err := q.Take(ctx, "app", store.Want{Max: 20, Bytes: 1 << 20, Lease: time.Minute, Runs: true})
		cancel()
		if err != nil {
			t.Fatalf("Take: got error %v after %d deliveries, want none", err, taken)
		}
		for _, d := range got {
			if d.Number <= last {
				t.Errorf("got number %d after %d, want it higher", d.Number, last)
			}
			last = d.Number
			var sender, j int
			_, _ = fmt.Sscanf(string(d.Body), "%d %d", &sender, &j)
			if j != next[sender] {
				t.Errorf("got event %d of sender %d, want %d", j, sender, next[sender])
			}
			next[sender] = j + 1
		}
		settle(t, q, "app", store.Done, got...)
		taken += len(got)
	}
	<-done
	if got := rows(t, server, p.Table+"_lane") + rows(t, server, p.Table+"_behind"); got != 0 {
		t.Errorf("got %d rows of lanes when nothing waits, want none", got)
	}
}

// claimsReadLittle counts what claims read of a table in which much waits: in
// one long lane, behind attempts that are to be repeated, and ready.
func claimsReadLittle(t *testing.T, server *pgtest.Server) {
	const waiting, claims = 20_000, 20
	p := newPostgres(t, server.DSN())
	q := openQueue(t, p)
	for range 2 { // lanes of which the first is to be repeated later
		for at := uint64(0); at < 100; at += 50 {
			n := oneEvent(at, "app")
			for i := at + 1; i < at+50; i++ {
				n.Events = append(n.Events, oneEvent(i, "app").Events...)
			}
			accept(t, q, n)
		}
	}
	settle(t, q, "app", store.Again, take(t, q, "app", 100)...)
	for at := 0; at < waiting; at += 1000 {
		n := oneEvent(1000, "app")
		for i := range 999 {
			lane := uint64(1000) // a long one
			if i%2 == 0 {
				lane = uint64(2000 + at + i) //nolint:gosec // not negative
			}
			n.Events = append(n.Events, oneEvent(lane, "app").Events...)
		}
		accept(t, q, n)
	}
	read := func() (n int64) {
		execute(t, server, "SELECT pg_stat_force_next_flush()")
		pool, err := pgpool.Open(server.DSN())
		if err != nil {
			t.Fatal(err)
		}
		defer pool.Close()
		err = pool.Do(t.Context(), func(conn *pgxpool.Conn) error {
			return conn.QueryRow(t.Context(), `SELECT (SELECT coalesce(sum(seq_tup_read), 0) FROM pg_stat_user_tables WHERE relname LIKE $1) +
				(SELECT coalesce(sum(idx_tup_read), 0) FROM pg_stat_user_indexes WHERE relname LIKE $1)`, p.Table+"%").Scan(&n)
		})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	time.Sleep(1100 * time.Millisecond) // until connections tell what they read
	accept(t, q, oneEvent(1, "crm"))
	before := read()
	for range claims {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		taken, err := q.Take(ctx, "app", store.Want{Max: 10, Bytes: 1 << 20, Lease: time.Minute})
		cancel()
		if err != nil || len(taken) != 10 {
			t.Fatalf("Take: got %d deliveries and error %v, want 10", len(taken), err)
		}
		settle(t, q, "app", store.Done, taken...)
	}
	time.Sleep(1100 * time.Millisecond)
	take(t, q, "crm", 1)
	if got := (read() - before) / claims; got > 1000 {
		t.Errorf("got %d rows read for each claim of ten, want a few of each", got)
	}
}

func strangeText(t *testing.T, server *pgtest.Server) {
	q := openQueue(t, newPostgres(t, server.DSN()))
	n := oneEvent(1, "app")
	long := strings.Repeat("'; DROP TABLE é", 1<<16) // as an entry or a conversation may be
	n.Events[0].Info = store.Info{Object: "\x00", Entry: long, Kind: long, Subject: "a\x00b\x1ac\x1a0", Conversation: "\xff\xfe"}
	accept(t, q, n)
	d := take(t, q, "app", 1)[0]
	want := store.Info{Object: "\x00", Entry: long, Kind: long, Subject: "a\x00b\x1ac\x1a0", Conversation: "\uFFFD"}
	if d.Info != want {
		t.Errorf("got %q, want %q", d.Info, want)
	}
	err := q.Settle(t.Context(), "app", []store.Outcome{{Held: d.Held, Result: store.Dead, Attempt: store.Attempt{Cause: "status", Error: "\x00\xff"}}})
	if err != nil {
		t.Errorf("Settle: got error %v, want none", err)
	}
	found, _, err := q.List(t.Context(), store.Filter{Text: "\x00b"}, "", 10)
	if err != nil || len(found) != 1 || found[0].Last.Error != "\x00\uFFFD" {
		t.Errorf("List: got %+v and error %v, want the delivery", found, err)
	}
}

// poisonedNotification has a notification that no table takes come together
// with others.
func poisonedNotification(t *testing.T, server *pgtest.Server) {
	q := openQueue(t, newPostgres(t, server.DSN()))
	accept(t, q, oneEvent(0, "app"))
	var running sync.WaitGroup
	for i := range 50 {
		running.Go(func() {
			n := oneEvent(uint64(1+i), "app") //nolint:gosec // not negative
			poisoned := i%10 == 0
			if poisoned {
				n.Received = time.Date(300_000, 1, 1, 0, 0, 0, 0, time.UTC)
			}
			if _, err := q.Accept(t.Context(), n); (err != nil) != poisoned {
				t.Errorf("Accept: got error %v, want one: %t", err, poisoned)
			}
		})
	}
	running.Wait()
	take(t, q, "app", 46)
}

func settledElsewhere(t *testing.T, server *pgtest.Server) {
	p := newPostgres(t, server.DSN())
	other := &postgres.Store{DSN: server.DSN() + "&application_name=other", Table: p.Table}
	ledgertest.Provision(t, other)
	one, two := openQueue(t, p), openQueue(t, other)
	accept(t, one, oneEvent(1, "app"))
	accept(t, two, oneEvent(1, "app"))
	taken := take(t, one, "app", 1)
	settle(t, two, "app", store.Done, taken...)
	taken = take(t, two, "app", 1)
	if lost, err := one.Renew(t.Context(), "app", time.Minute, []store.Held{taken[0].Held}); err != nil || len(lost) > 0 {
		t.Errorf("Renew: got %v lost and error %v, want none", lost, err)
	}
	settle(t, one, "app", store.Done, taken...)
	if got := listed(t, one); got[store.DeliveryDone] != 2 || len(got) != 1 {
		t.Errorf("got %v, want two done", got)
	}
}

// crowdedPool has all connections of a pool wait for a lock that somebody else
// has.
func crowdedPool(t *testing.T, server *pgtest.Server) {
	p := newPostgres(t, server.DSN()+"&pool_max_conns=2&application_name=crowded")
	ledger, q := ledgertest.Open(t, p, "default"), openQueue(t, p)
	events := ledgertest.RandomKeys(1)
	ledgertest.Commit(t, ledger, events, time.Hour)
	n := oneEvent(1, "app")
	accept(t, q, n)

	conn, err := pgx.Connect(t.Context(), server.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(t.Context(), "BEGIN; LOCK TABLE "+p.Table+"_dedup"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	var running sync.WaitGroup
	var mu sync.Mutex
	var busy int
	for i := range 20 {
		running.Go(func() {
			var err error
			if i%2 == 0 {
				_, err = ledger.Claim(ctx, 1, ledgertest.RandomKeys(1), time.Minute)
			} else {
				_, err = q.Accept(ctx, n)
			}
			if err == nil {
				t.Error("got no error though the table is locked, want one")
			}
			mu.Lock()
			defer mu.Unlock()
			if i%2 == 0 && errors.Is(err, store.ErrBusy) {
				busy++
			}
		})
	}
	running.Wait()
	if busy < 8 {
		t.Errorf("got %d of 10 claims busy, want all that had no connection", busy)
	}
	if _, err := conn.Exec(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	ledgertest.WantAll(t, ledger, events, store.Delivered)
	accept(t, q, oneEvent(1, "app"))
}

func standby(t *testing.T, server *pgtest.Server) {
	p := newPostgres(t, server.DSN())
	accept(t, openQueue(t, p), oneEvent(1, "app"))
	reading := &postgres.Store{DSN: server.DSN() + "&default_transaction_read_only=on", Table: p.Table}
	ledgertest.Provision(t, reading)
	ledger, q := ledgertest.Open(t, reading, "default"), openQueue(t, reading) // it may be the primary soon
	_, err := q.Accept(t.Context(), oneEvent(1, "app"))
	_, errClaim := ledger.Claim(t.Context(), 1, ledgertest.RandomKeys(1), time.Minute)
	for _, err := range []error{err, errClaim} {
		if err == nil || !strings.Contains(err.Error(), "the database is read-only, as a standby is") {
			t.Errorf("got error %v, want one that says that the database is read-only", err)
		}
	}
}

// otherClock has an instance whose clock is wrong by days.
func otherClock(t *testing.T, server *pgtest.Server) {
	p := newPostgres(t, server.DSN())
	other := &postgres.Store{DSN: server.DSN() + "&application_name=other", Table: p.Table}
	ledgertest.Provision(t, other)
	for _, wrong := range []time.Duration{-50 * time.Hour, 50 * time.Hour} {
		postgres.SetClock(other, func() time.Time { return time.Now().Add(wrong) })
		right, q := openQueue(t, p), openQueue(t, other)
		accept(t, q, oneEvent(1, "app"))
		d := take(t, q, "app", 1)[0]
		at := time.Now().Add(wrong + time.Second)
		if err := q.Settle(t.Context(), "app", []store.Outcome{{Held: d.Held, Result: store.Again, At: at}}); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		settle(t, right, "app", store.Done, take(t, right, "app", 1)...)
		if took := time.Since(began); took < 500*time.Millisecond {
			t.Errorf("clock wrong by %v: the next attempt was after %v, want it after a second", wrong, took)
		}
	}
}

// segmentsTurn lets days pass.
func segmentsTurn(t *testing.T, server *pgtest.Server) {
	c := newDatabaseClock(t, server)
	q := openQueue(t, c.store(""))
	n := oneEvent(1, "app", "crm")
	n.Events = append(n.Events, oneEvent(2, "app").Events...)
	n.Events = append(n.Events, oneEvent(3).Events...)
	accept(t, q, n)
	crm := take(t, q, "crm", 1)
	settle(t, q, "crm", store.Dead, crm...)
	taken := take(t, q, "app", 2)
	settle(t, q, "app", store.Done, taken[0])
	settle(t, q, "app", store.Again, taken[1])

	day := 24 * time.Hour
	turned := map[int]bool{}
	accepted, settledLate := 0, 0
	for hour := range 10 * 6 {
		c.Advance(day / 6)
		if err := postgres.Turn(q); err != nil {
			t.Fatalf("after %d hours: got error %v, want none", 4*hour, err)
		}
		turned[postgres.Current(q)] = true
		accept(t, q, oneEvent(uint64(100+hour), "live")) //nolint:gosec // not negative
		accepted++
		settle(t, q, "live", store.Done, take(t, q, "live", 1)...)
		if hour == 5*6 {
			settle(t, q, "app", store.Done, take(t, q, "app", 1)...)
			settledLate = accepted
		}
		state := listed(t, q)
		if state[store.DeliveryDead] != 1 {
			t.Fatalf("after %d hours: got %v, want the dead delivery among it", 4*hour, state)
		}
		if state[store.Waiting] != 1 && settledLate == 0 {
			t.Fatalf("after %d hours: got %v, want the waiting delivery among it", 4*hour, state)
		}
		if live := state[store.DeliveryDone]; live < min(accepted, 6) || live > 6*2+2 {
			t.Fatalf("after %d hours: got %d deliveries done, want those of a day, and not many more", 4*hour, live)
		}
	}
	if len(turned) != postgres.Segments {
		t.Errorf("got segments %v in use, want all %d", turned, postgres.Segments)
	}
	stories, err := q.Story(t.Context(), n.Events[0].Key)
	if err != nil || len(stories) != 1 || string(stories[0].Body) != "event 1" || string(stories[0].Origin) != "origin 1" {
		t.Fatalf("Story: got %+v and error %v, want the event with the dead delivery", stories, err)
	}
	dead := slices.IndexFunc(stories[0].Deliveries, func(d store.DeliveryStory) bool { return d.State == store.DeliveryDead })
	if dead < 0 || len(stories[0].Deliveries[dead].Attempts) != 1 {
		t.Errorf("Story: got %+v, want the attempt of the dead delivery", stories[0].Deliveries)
	}
	for _, i := range []int{1, 2} { // they are not needed any more
		if stories, err := q.Story(t.Context(), n.Events[i].Key); err != nil || len(stories) != 0 {
			t.Errorf("Story: got %+v and error %v of event %d, want none", stories, err, i)
		}
	}
	if replayed, _, err := q.Replay(t.Context(), "crm", store.Filter{States: []store.DeliveryState{store.DeliveryDead}}, "", 10, false); err != nil || replayed != 1 {
		t.Fatalf("Replay: got %d and error %v, want 1", replayed, err)
	}
	if d := take(t, q, "crm", 1)[0]; string(d.Body) != "event 1" || string(d.Origin) != "origin 1" || !slices.Equal(d.Lanes, []store.Lane{1}) {
		t.Errorf("got %+v, want all of the event", d)
	}
}

func mayNotTruncate(t *testing.T, server *pgtest.Server) {
	c := newDatabaseClock(t, server)
	owner := openQueue(t, c.store(""))
	accept(t, owner, oneEvent(1, "app"))
	settle(t, owner, "app", store.Done, take(t, owner, "app", 1)...)
	user := role(t, server)
	execute(t, server, "GRANT USAGE ON SCHEMA "+c.Schema()+" TO "+user,
		"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA "+c.Schema()+" TO "+user,
		"GRANT USAGE ON ALL SEQUENCES IN SCHEMA "+c.Schema()+" TO "+user)
	p := c.store("")
	p.DSN = strings.Replace(p.DSN, "postgres://postgres@", "postgres://"+user+"@", 1)
	ledgertest.Provision(t, p)
	q := openQueue(t, p)
	for range 12 {
		c.Advance(6 * time.Hour)
		if err := postgres.Turn(q); err != nil {
			t.Fatalf("got error %v, want none", err)
		}
		accept(t, q, oneEvent(2, "app"))
		settle(t, q, "app", store.Done, take(t, q, "app", 1)...)
	}
	if got := listed(t, q)[store.DeliveryDone]; got < 4 || got > 8 {
		t.Errorf("got %d deliveries done, want those of a day", got)
	}
}

func keepNothing(t *testing.T, server *pgtest.Server) {
	p := newPostgres(t, server.DSN())
	*p.Keep = 0
	q := openQueue(t, p)
	n := oneEvent(1, "app", "crm")
	n.Events = append(n.Events, oneEvent(2, "app").Events...)
	n.Events = append(n.Events, oneEvent(3).Events...)
	accept(t, q, n)
	count := func(table string) (n int) {
		for k := range postgres.Segments {
			n += rows(t, server, fmt.Sprintf("%s_%s_%d", p.Table, table, k))
		}
		return n
	}
	if got := count("event"); got != 2 {
		t.Errorf("got %d events, want the two that are to be delivered", got)
	}
	taken := take(t, q, "app", 2)
	settle(t, q, "app", store.Done, taken[0])
	settle(t, q, "crm", store.Dead, take(t, q, "crm", 1)...)
	if got := count("event"); got != 2 {
		t.Errorf("got %d events, want both", got)
	}
	settle(t, q, "app", store.Done, taken[1])
	if got := count("event"); got != 1 {
		t.Errorf("got %d events, want the one with a dead delivery", got)
	}
	if discarded, _, err := q.Discard(t.Context(), store.Filter{}, "", 10, false); err != nil || discarded != 1 {
		t.Fatalf("Discard: got %d and error %v, want 1", discarded, err)
	}
	if events, attempts := count("event"), count("attempt"); events+attempts != 0 {
		t.Errorf("got %d events and %d attempts, want none", events, attempts)
	}
	if repeats, err := q.Accept(t.Context(), n); err != nil || slices.Contains(repeats, false) {
		t.Errorf("Accept: got repeats %v and error %v, want all to be", repeats, err)
	}
}

// longestKeep has one handler keep nothing, and another one keep a day.
func longestKeep(t *testing.T, server *pgtest.Server) {
	c := newDatabaseClock(t, server)
	q := openQueue(t, c.store(""))
	p := c.store("")
	*p.Keep = 0
	other, err := p.OpenQueue("other")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	for range 5 {
		accept(t, q, oneEvent(1, "app"))
		settle(t, q, "app", store.Done, take(t, q, "app", 1)...)
		accept(t, other, oneEvent(1, "app"))
		settle(t, other, "app", store.Done, take(t, other, "app", 1)...)
		c.Advance(4 * time.Hour)
		if err := postgres.Turn(other); err != nil {
			t.Fatal(err)
		}
	}
	if got, gotOther := listed(t, q), listed(t, other); got[store.DeliveryDone] != 5 || len(gotOther) != 0 {
		t.Errorf("got %v, and %v of the other handler, want 5 done, and none", got, gotOther)
	}
}

func serverStalls(t *testing.T, server *pgtest.Server) {
	q := openQueue(t, newPostgres(t, server.DSN()))
	accept(t, q, oneEvent(1, "app"))
	server.Pause()
	n := oneEvent(2, "app")
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	began := time.Now()
	if _, err := q.Accept(ctx, n); err == nil {
		t.Error("Accept: got no error from a server that stands still, want one")
	}
	if _, err := q.Take(ctx, "app", store.Want{Max: 1, Bytes: 1, Lease: time.Minute}); err == nil {
		t.Error("Take: got no error from a server that stands still, want one")
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("the calls took %v, want them to end with their context", took)
	}
	server.Resume()
	if _, err := q.Accept(t.Context(), n); err != nil { // stored now or before
		t.Errorf("Accept: got error %v from a server that goes on, want none", err)
	}
	got := map[string]bool{}
	for len(got) < 2 {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		taken, err := q.Take(ctx, "app", store.Want{Max: 5, Bytes: 1 << 20, Lease: time.Minute})
		cancel()
		if err != nil {
			t.Fatalf("Take: got error %v after %v, want both events", err, got)
		}
		for _, d := range taken {
			if got[string(d.Body)] {
				t.Errorf("got %q twice, want it once", d.Body)
			}
			got[string(d.Body)] = true
		}
	}
}

// connectionsCut has all connections end again and again, as they do when the
// server fails over, while events are accepted and delivered.
func connectionsCut(t *testing.T, server *pgtest.Server) {
	const senders, each, cuts = 4, 50, 20
	proxy := server.Proxy(0)
	q := openQueue(t, newPostgres(t, proxy.DSN()))
	accept(t, q, oneEvent(0, "crm")) // the tables are made
	var running sync.WaitGroup
	running.Go(func() {
		for range cuts {
			time.Sleep(200 * time.Millisecond)
			proxy.Cut()
		}
	})
	for i := range senders {
		running.Go(func() {
			for j := range each {
				n := oneEvent(uint64(1+i), "app") //nolint:gosec // not negative
				n.Events[0].Body = fmt.Appendf(nil, "%d %d", i, j)
				for {
					ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
					_, err := q.Accept(ctx, n)
					cancel()
					if err == nil || t.Failed() { // or Meta sends it again
						break
					}
				}
			}
		})
	}
	next := make([]int, senders) // of each, how many were delivered
	deadline := time.Now().Add(time.Minute)
	for slices.ContainsFunc(next, func(n int) bool { return n < each }) && time.Now().Before(deadline) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		taken, err := q.Take(ctx, "app", store.Want{Max: 4, Bytes: 1 << 20, Lease: 2 * time.Second})
		cancel()
		if err != nil {
			continue
		}
		for _, d := range taken {
			var i, j int
			_, _ = fmt.Sscanf(string(d.Body), "%d %d", &i, &j)
			if j > next[i] {
				t.Errorf("got event %d of sender %d, want %d first", j, i, next[i])
			}
			next[i] = max(next[i], j+1)
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			_ = q.Settle(ctx, "app", []store.Outcome{{Held: d.Held, Result: store.Done}}) // or it is delivered again
			cancel()
		}
	}
	running.Wait()
	if slices.ContainsFunc(next, func(n int) bool { return n < each }) {
		t.Errorf("got %v events of each sender, want %d", next, each)
	}
}

func queueServerRestarts(t *testing.T, server *pgtest.Server) {
	q := openQueue(t, newPostgres(t, server.DSN()))
	for i := range uint64(10) {
		accept(t, q, oneEvent(i, "app"))
	}
	server.Stop()
	server.Start()
	taken := take(t, q, "app", 10) // at the first try
	server.Stop()
	settled := make(chan error)
	go func() {
		settled <- q.Settle(t.Context(), "app", []store.Outcome{{Held: taken[0].Held, Result: store.Done}})
	}()
	if _, err := q.Accept(t.Context(), oneEvent(11, "app")); err == nil {
		t.Error("Accept: got no error while the server is down, want one")
	}
	time.Sleep(time.Second)
	server.Start()
	if err := <-settled; err != nil { // what was delivered is worth to be waited for
		t.Errorf("Settle: got error %v from a server that was down for a moment, want none", err)
	}
	settle(t, q, "app", store.Done, taken[1:]...)
	if got := listed(t, q); got[store.DeliveryDone] != 10 {
		t.Errorf("got %v, want ten done", got)
	}
}

func queueServerDownAtFirst(t *testing.T, server *pgtest.Server) {
	server.Stop()
	q := openQueue(t, newPostgres(t, server.DSN()))
	if _, err := q.Accept(t.Context(), oneEvent(1, "app")); err == nil {
		t.Error("Accept: got no error while the server is down, want one")
	}
	server.Start()
	accept(t, q, oneEvent(1, "app"))
	take(t, q, "app", 1)
}
