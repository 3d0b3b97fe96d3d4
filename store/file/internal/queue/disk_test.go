package queue

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/wal"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/wal/waltest"
)

// one returns a notification of one event for a destination, of so many bytes.
func one(event uint64, size int, lanes ...store.Lane) *store.Notification {
	body := append(make([]byte, size), fmt.Sprintf("event %d", event)...)
	return &store.Notification{Received: time.Unix(1, 0), Origin: []byte("origin"), Events: []store.Event{{
		Key: keyOf(event), Window: time.Hour, Body: body, Targets: []store.Target{{Destination: "app", Lanes: lanes}},
	}}}
}

// accept stores events from one number on, before another one.
func accept(t *testing.T, q store.Queue, from, before uint64, size int) {
	t.Helper()
	for e := from; e < before; e++ {
		if _, err := q.Accept(t.Context(), one(e, size, store.Lane(e%7))); err != nil {
			t.Fatalf("Accept of event %d: got error %v, want none", e, err)
		}
	}
}

func open1(t *testing.T, p *process) store.Queue {
	t.Helper()
	q, err := p.open("queue")
	if err != nil {
		t.Fatalf("Open: got error %v, want none", err)
	}
	return q
}

// takeAll takes everything that is due, and settles it.
func takeAll(t *testing.T, q store.Queue, result store.Result) (events []uint64) {
	t.Helper()
	for {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		taken, err := q.Take(ctx, "app", store.Want{Max: 100, Bytes: 1 << 20, Lease: time.Minute})
		cancel()
		if errors.Is(err, context.DeadlineExceeded) {
			return events
		}
		if err != nil {
			t.Fatalf("Take: got error %v, want none", err)
		}
		for i := range taken {
			var e uint64
			if _, err := fmt.Sscanf(string(bytes.TrimLeft(taken[i].Body, "\x00")), "event %d", &e); err != nil {
				t.Fatalf("got body %q", taken[i].Body)
			}
			events = append(events, e)
			settle(t, q, taken[i], result, time.Time{})
		}
	}
}

func settle(t *testing.T, q store.Queue, d store.Delivery, result store.Result, at time.Time) {
	t.Helper()
	err := q.Settle(t.Context(), "app", []store.Outcome{{
		Held: d.Held, Result: result, At: at, Attempt: store.Attempt{Started: time.Unix(3, 0), Status: 500, Cause: "status"},
	}})
	if err != nil {
		t.Fatalf("Settle: got error %v, want none", err)
	}
}

func appStats(t *testing.T, q store.Queue) (store.Stats, store.DestinationStats) {
	t.Helper()
	stats, err := q.Stats(t.Context())
	if err != nil {
		t.Fatalf("Stats: got error %v, want none", err)
	}
	for _, d := range stats.Destinations {
		if d.Destination == "app" {
			return stats, d
		}
	}
	return stats, store.DestinationStats{}
}

// flip changes bytes of a file where it has some content.
func flip(t *testing.T, p *process, name string, content string) {
	t.Helper()
	file, err := p.disk.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	size, err := file.Size()
	if err != nil {
		t.Fatal(err)
	}
	all := make([]byte, size)
	if _, err := file.ReadAt(all, 0); err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(all, []byte(content))
	if at < 0 {
		t.Fatalf("got no %q in %s", content, name)
	}
	if _, err := file.WriteAt([]byte("#"), int64(at)); err != nil {
		t.Fatal(err)
	}
	if err := file.Sync(); err != nil {
		t.Fatal(err)
	}
}

// files returns the files of the queue with a suffix.
func files(t *testing.T, p *process, suffix string) (found []string) {
	t.Helper()
	dir := folder("queue")
	names, err := p.disk.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, suffix) {
			found = append(found, filepath.Join(dir, name))
		}
	}
	return found
}

func TestDamagedEventIsDeadAndTheOthersLive(t *testing.T) {
	for _, restart := range []bool{false, true} {
		t.Run(fmt.Sprintf("restart: %t", restart), func(t *testing.T) {
			p := newProcess(t, Options{Keep: time.Hour, SegmentSize: 64 << 10, Clock: newClock()}, 1)
			q := open1(t, p)
			accept(t, q, 100, 400, 500) // several segments
			logs := files(t, p, ".log")
			if len(logs) < 3 {
				t.Fatalf("got files %v, want several segments", logs)
			}
			flip(t, p, logs[0], "event 142")
			if restart {
				p.kill()
				q = open1(t, p)
			}
			events := takeAll(t, q, store.Done)
			if len(events) != 299 {
				t.Errorf("got %d events, want all but one", len(events))
			}
			stats, app := appStats(t, q)
			if stats.Damaged == 0 {
				t.Error("got nothing damaged, want it named")
			}
			if app.Waiting+app.UnderWay != 0 || app.Dead["damaged"] != 1 {
				t.Errorf("got %+v, want one dead, of cause damaged", app)
			}
			found, _, err := q.List(t.Context(), store.Filter{States: []store.DeliveryState{store.DeliveryDead}}, "", 10)
			if err != nil || len(found) != 1 || found[0].Last.Cause != "damaged" {
				t.Errorf("List: got %+v and error %v, want the damaged one, of that cause", found, err)
			}
			if n, _, err := q.Discard(t.Context(), store.Filter{States: []store.DeliveryState{store.DeliveryDead}}, "", 10, false); n != 1 || err != nil {
				t.Errorf("Discard: got %d and error %v, want the damaged one", n, err)
			}
			if err := q.Close(); err != nil {
				t.Errorf("Close: got error %v, want none", err)
			}
		})
	}
}

func TestDamagedSnapshotIsNotNeeded(t *testing.T) {
	for _, damaged := range []int{1, 2} {
		t.Run(fmt.Sprint(damaged), func(t *testing.T) {
			p := newProcess(t, Options{Keep: time.Hour, SegmentSize: 64 << 10, Clock: newClock()}, 1)
			for life := range uint64(3) {
				q := open1(t, p)
				accept(t, q, 1000*life, 1000*life+100, 300)
				d, err := q.Take(t.Context(), "app", store.Want{Max: 1, Lease: time.Minute})
				if err != nil {
					t.Fatal(err)
				}
				settle(t, q, d[0], store.Done, time.Time{})
				if err := q.Close(); err != nil {
					t.Fatal(err)
				}
			}
			snapshots := files(t, p, snapshotSuffix)
			if len(snapshots) != snapshotsKept {
				t.Fatalf("got snapshots %v, want %d", snapshots, snapshotsKept)
			}
			for _, name := range snapshots[snapshotsKept-damaged:] {
				flip(t, p, name, "app")
			}
			q := open1(t, p)
			if events := takeAll(t, q, store.Done); len(events) != 297 {
				t.Errorf("got %d events, want the 297 that are not done", len(events))
			}
			if err := q.Close(); err != nil {
				t.Errorf("Close: got error %v, want none", err)
			}
		})
	}
}

// fill accepts events until there is no room.
func fill(t *testing.T, q store.Queue, from uint64) (next uint64) {
	t.Helper()
	for e := from; e < from+10_000; e++ {
		_, err := q.Accept(t.Context(), one(e, 500, store.Lane(e%7)))
		if errors.Is(err, store.ErrFull) {
			return e
		}
		if err != nil {
			t.Fatalf("Accept of event %d: got error %v, want ErrFull at last", e, err)
		}
	}
	t.Fatal("got ten thousand events accepted, want no room at last")
	return 0
}

func TestFullDisk(t *testing.T) {
	p := newProcess(t, Options{Keep: time.Hour, SegmentSize: 64 << 10, Clock: newClock()}, 1)
	p.disk.SetCapacity(1 << 20)
	q := open1(t, p)
	next := fill(t, q, 0)
	if next < 500 {
		t.Fatalf("got %d events on the disk, want more", next)
	}
	// What waits can be delivered, buried and returned, and survives.
	var taken []store.Delivery
	for range 3 {
		some, err := q.Take(t.Context(), "app", store.Want{Max: 7, Bytes: 1 << 20, Lease: time.Minute})
		if err != nil {
			t.Fatalf("Take: got error %v, want none", err)
		}
		for i, d := range some {
			settle(t, q, d, []store.Result{store.Done, store.Dead, store.Done}[i%3], time.Time{})
		}
		taken = append(taken, some...)
	}
	p.kill()
	p.disk.SetCapacity(1 << 20)
	q = open1(t, p)
	_, app := appStats(t, q)
	if got := app.Waiting + app.Dead["status"]; app.Dead["status"] == 0 || got+int64(len(taken))-app.Dead["status"] != int64(next) {
		t.Errorf("got %+v of %d events, want what is not done", app, next)
	}
	if e := fill(t, q, next+1); e != next+1 {
		t.Errorf("got %d events more on a full disk, want none", e-next-1)
	}
	// It goes on by itself when what is delivered can go.
	rest := takeAll(t, q, store.Done)
	if len(rest)+len(taken) != int(next) {
		t.Errorf("got %d events after %d, want all %d", len(rest), len(taken), next)
	}
	if e := fill(t, q, next+1); e < next+100 {
		t.Errorf("got %d events more, want room where the settled ones were", e-next-1)
	}
	if _, app := appStats(t, q); app.Dead["status"] == 0 {
		t.Error("got no dead events, want them to stay")
	}
	if err := q.Close(); err != nil {
		t.Errorf("Close: got error %v, want none", err)
	}
}

func TestCapacity(t *testing.T) {
	const capacity = 1 << 20
	p := newProcess(t, Options{Keep: time.Hour, Capacity: capacity, SegmentSize: 64 << 10, Clock: newClock()}, 1)
	q := open1(t, p)
	accept(t, q, 0, 100, 500)
	takeAll(t, q, store.Done)
	accept(t, q, 1000, 1100, 500)
	next := fill(t, q, 2000)
	stats, app := appStats(t, q)
	if stats.Bytes > capacity+128<<10 || stats.Capacity != capacity {
		t.Errorf("got %d bytes of %d, want no more than the capacity", stats.Bytes, stats.Capacity)
	}
	if want := int64(100 + next - 2000); app.Waiting != want {
		t.Errorf("got %d waiting, want all %d", app.Waiting, want)
	}
	if found, _, err := q.List(t.Context(), store.Filter{Keys: []store.Key{keyOf(1)}}, "", 10); err != nil || len(found) != 0 {
		t.Errorf("got %v and error %v, want the settled events to have gone first", found, err)
	}
	if events := takeAll(t, q, store.Done); len(events) != int(app.Waiting) {
		t.Errorf("got %d events, want all %d", len(events), app.Waiting)
	}
	if next := fill(t, q, 10_000); next < 10_100 {
		t.Errorf("got %d events more, want room again", next-10_000)
	}
	if err := q.Close(); err != nil {
		t.Errorf("Close: got error %v, want none", err)
	}
}

// tidyAll has the janitor do what is to be done by now.
func tidyAll(t *testing.T, p *process) {
	t.Helper()
	for _, q := range p.queues {
		q.tidy(t.Context())
	}
}

func TestKeepNothing(t *testing.T) {
	c := newClock()
	p := newProcess(t, Options{SegmentSize: 64 << 10, Clock: c}, 1)
	q := open1(t, p)
	accept(t, q, 0, 300, 500)
	takeAll(t, q, store.Done)
	c.advance(2 * time.Minute)
	tidyAll(t, p)
	for _, name := range append(files(t, p, ".log"), files(t, p, snapshotSuffix)...) {
		file, err := p.disk.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		size, _ := file.Size()
		all := make([]byte, size)
		_, _ = file.ReadAt(all, 0)
		if bytes.Contains(all, []byte("event ")) {
			t.Errorf("got a body in %s, want none left", name)
		}
		_ = file.Close()
	}
	if repeats, err := q.Accept(t.Context(), one(7, 1)); err != nil || !repeats[0] {
		t.Errorf("Accept: got repeats %v and error %v, want a repeat still", repeats, err)
	}
	if err := q.Close(); err != nil {
		t.Errorf("Close: got error %v, want none", err)
	}
	q = open1(t, p)
	if repeats, err := q.Accept(t.Context(), one(8, 1)); err != nil || !repeats[0] {
		t.Errorf("Accept after a restart: got repeats %v and error %v, want a repeat still", repeats, err)
	}
	if err := q.Close(); err != nil {
		t.Errorf("Close: got error %v, want none", err)
	}
}

// TestWhatReplacesAnotherIsOnTheDiskBefore looks at the order of what a queue does:
// what is moved is on the disk before its segment goes, and a snapshot and the
// log before it before the snapshot has its name.
func TestWhatReplacesAnotherIsOnTheDiskBefore(t *testing.T) {
	c := newClock()
	p := newProcess(t, Options{Keep: time.Hour, SegmentSize: 64 << 10, Clock: c}, 1)
	q := open1(t, p)
	accept(t, q, 1, 15, 500)
	taken, err := q.Take(t.Context(), "app", store.Want{Max: 1, Bytes: 1 << 20, Lease: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	settle(t, q, taken[0], store.Again, c.Now().Add(48*time.Hour))
	accept(t, q, 15, 500, 500)
	takeAll(t, q, store.Done)
	if err := q.Close(); err != nil { // with a snapshot, so that none is due when segments go
		t.Fatal(err)
	}
	var mu sync.Mutex
	written, removed, named := make(map[string]bool), 0, 0
	p.disk.SetFault(func(op waltest.Op) error {
		mu.Lock()
		defer mu.Unlock()
		inLog := strings.HasSuffix(op.Name, ".log")
		switch {
		case op.Kind == "write" && (inLog || strings.HasSuffix(op.Name, snapshotSuffix)):
			written[op.Name] = true
		case op.Kind == "sync":
			delete(written, op.Name)
		case op.Kind == "remove" && inLog:
			removed++
			delete(written, op.Name)
			for name := range written {
				t.Errorf("got %s removed before %s was synced", op.Name, name)
			}
		case op.Kind == "rename" && strings.HasSuffix(op.Name, snapshotSuffix):
			named++
			for name := range written {
				t.Errorf("got a snapshot before %s was synced", name)
			}
		}
		return nil
	})
	q = open1(t, p)
	c.advance(90 * time.Minute)
	tidyAll(t, p)
	accept(t, q, 501, 503, 500)
	takeAll(t, q, store.Done)
	if err := q.Close(); err != nil {
		t.Errorf("Close: got error %v, want none", err)
	}
	if removed < 3 || named == 0 {
		t.Errorf("got %d segments removed and %d snapshots, want several and one at least", removed, named)
	}
}

// TestLaterAttemptsBeyondTheSchedule has deliveries that are to be attempted again
// later, and for which the next process has no place in memory at first.
func TestLaterAttemptsBeyondTheSchedule(t *testing.T) {
	c := newClock()
	p := newProcess(t, Options{Keep: time.Hour, SegmentSize: 64 << 10, Indexed: 4, Clock: c}, 1)
	q := open1(t, p)
	for e := range uint64(8) {
		if _, err := q.Accept(t.Context(), one(e, 500, store.Lane(100+e))); err != nil {
			t.Fatal(err)
		}
	}
	take := func(want int) (taken []store.Delivery) {
		t.Helper()
		for len(taken) < want {
			some, err := q.Take(t.Context(), "app", store.Want{Max: want - len(taken), Bytes: 1 << 20, Lease: time.Minute})
			if err != nil {
				t.Fatal(err)
			}
			taken = append(taken, some...)
		}
		return taken
	}
	for _, d := range take(4) {
		settle(t, q, d, store.Done, time.Time{})
	}
	for _, d := range take(4) {
		settle(t, q, d, store.Again, c.Now().Add(time.Hour))
	}
	p.kill()
	q = open1(t, p)
	if events := takeAll(t, q, store.Done); len(events) > 0 {
		t.Errorf("got events %v after a crash, want none before their time", events)
	}
	c.advance(time.Hour)
	for _, d := range take(4) {
		if d.Attempt != 2 {
			t.Errorf("got attempt %d, want the second", d.Attempt)
		}
	}
	if err := q.Close(); err != nil {
		t.Errorf("Close: got error %v, want none", err)
	}
}

// TestFewDeliveriesDoNotHoldASegment has one event of many dead, and one that
// is to be attempted again much later.
func TestFewDeliveriesDoNotHoldASegment(t *testing.T) {
	c := newClock()
	p := newProcess(t, Options{Keep: time.Hour, SegmentSize: 64 << 10, Clock: c}, 1)
	q := open1(t, p)
	if err := q.Pause(t.Context(), "quiet", true); err != nil {
		t.Fatal(err)
	}
	for e := range uint64(14) {
		if _, err := q.Accept(t.Context(), one(e+1, 500, store.Lane(100+e))); err != nil {
			t.Fatal(err)
		}
	}
	taken, err := q.Take(t.Context(), "app", store.Want{Max: 2, Bytes: 1 << 20, Lease: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	settle(t, q, taken[0], store.Again, c.Now())
	settle(t, q, taken[1], store.Again, c.Now().Add(48*time.Hour))
	c.advance(time.Second)
	if taken, err = q.Take(t.Context(), "app", store.Want{Max: 1, Bytes: 1 << 20, Lease: time.Minute}); err != nil {
		t.Fatal(err)
	}
	settle(t, q, taken[0], store.Dead, time.Time{})
	accept(t, q, 15, 500, 500)
	takeAll(t, q, store.Done)
	before := len(files(t, p, ".log"))
	for range 2 { // and again, from where they were moved to
		c.advance(90 * time.Minute)
		tidyAll(t, p)
	}
	if after := len(files(t, p, ".log")); after > 3 || before < 4 {
		t.Errorf("got %d segments of %d, want nearly all to be gone", after, before)
	}
	check := func() {
		t.Helper()
		if stats, _ := appStats(t, q); !slices.ContainsFunc(stats.Destinations, func(d store.DestinationStats) bool { return d.Destination == "quiet" && d.Paused }) {
			t.Errorf("got %+v, want quiet paused", stats.Destinations)
		}
		stories, err := q.Story(t.Context(), keyOf(1))
		if err != nil || len(stories) != 1 || len(stories[0].Deliveries) != 1 {
			t.Fatalf("Story: got %+v and error %v, want one", stories, err)
		}
		d := stories[0].Deliveries[0]
		if d.State != store.DeliveryDead || len(d.Attempts) != 2 || d.Number != 1 || !strings.HasSuffix(string(stories[0].Body), "event 1") {
			t.Errorf("got %+v, want all of the dead event", d)
		}
		found, _, err := q.List(t.Context(), store.Filter{States: []store.DeliveryState{store.Waiting, store.DeliveryDead}}, "", 100)
		if err != nil || len(found) != 2 || found[1].Number != 1 || found[1].Last.Cause != "status" {
			t.Errorf("List: got %+v and error %v, want the dead one, and the one that waits", found, err)
		}
	}
	check()
	p.kill()
	q = open1(t, p)
	check()
	if events := takeAll(t, q, store.Done); len(events) > 0 {
		t.Errorf("got events %v after a crash, want none before its time", events)
	}
	p.kill()
	for _, name := range files(t, p, snapshotSuffix) { // what was moved says it all
		if err := p.disk.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	q = open1(t, p)
	check()
	if events := takeAll(t, q, store.Done); len(events) > 0 {
		t.Errorf("got events %v without the snapshots, want none before its time", events)
	}
	c.advance(48 * time.Hour)
	if events := takeAll(t, q, store.Done); !slices.Equal(events, []uint64{2}) {
		t.Errorf("got events %v, want event 2", events)
	}
	if err := q.Close(); err != nil {
		t.Errorf("Close: got error %v, want none", err)
	}
}

func TestSecondProcess(t *testing.T) {
	p := newProcess(t, Options{Clock: newClock()}, 1)
	q := open1(t, p)
	defer q.Close()
	o := p.o
	o.FS = p.fs
	second, err := Open(folder("queue"), o)
	if err == nil {
		_ = second.Close()
	}
	if !errors.Is(err, wal.ErrLocked) || !strings.Contains(err.Error(), "a folder belongs to one process") {
		t.Errorf("Open: got error %v, want one that says that the folder belongs to another process", err)
	}
}

// TestWhatCannotBeReadForNowWaits has the disk fail to read an event, which is not
// the event's fault.
func TestWhatCannotBeReadForNowWaits(t *testing.T) {
	c := newClock()
	p := newProcess(t, Options{Keep: time.Hour, SegmentSize: 64 << 10, Clock: c}, 1)
	q := open1(t, p)
	accept(t, q, 1, 3, 500)
	p.disk.SetFault(func(op waltest.Op) error {
		if op.Kind == "read" && strings.HasSuffix(op.Name, ".log") {
			return errors.New("input/output error")
		}
		return nil
	})
	if events := takeAll(t, q, store.Done); len(events) > 0 {
		t.Errorf("got events %v from a disk that cannot be read, want none", events)
	}
	p.disk.SetFault(nil)
	if _, app := appStats(t, q); app.Waiting != 2 || len(app.Dead) > 0 {
		t.Errorf("got %+v, want both waiting", app)
	}
	c.advance(readAgain)
	if events := takeAll(t, q, store.Done); !slices.Equal(events, []uint64{1, 2}) {
		t.Errorf("got events %v, want 1 and 2", events)
	}
	if err := q.Close(); err != nil {
		t.Errorf("Close: got error %v, want none", err)
	}
}

// TestRecordsThatAreNotUnderstoodStopNothing has records of an unknown kind, and of
// a known one with other content, among those of events.
func TestRecordsThatAreNotUnderstoodStopNothing(t *testing.T) {
	p := newProcess(t, Options{Keep: time.Hour, SegmentSize: 64 << 10, Clock: newClock()}, 1)
	q := open1(t, p)
	accept(t, q, 1, 3, 500)
	for kind := range 256 {
		if _, err := p.queues["queue"].log.Append(t.Context(), []byte{byte(kind), 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}); err != nil {
			t.Fatal(err)
		}
	}
	accept(t, q, 3, 5, 500)
	p.kill()
	q = open1(t, p)
	if events := takeAll(t, q, store.Done); !slices.Equal(events, []uint64{1, 2, 3, 4}) {
		t.Errorf("got events %v, want 1 to 4", events)
	}
	if err := q.Close(); err != nil {
		t.Errorf("Close: got error %v, want none", err)
	}
}

// TestWhatIsUnderWayIsLoadedAgain has a snapshot written while deliveries are under
// way, and the process end before their outcome.
func TestWhatIsUnderWayIsLoadedAgain(t *testing.T) {
	p := newProcess(t, Options{Keep: time.Hour, SegmentSize: 64 << 10, Clock: newClock()}, 1)
	q := open1(t, p)
	accept(t, q, 1, 8, 500)
	if taken, err := q.Take(t.Context(), "app", store.Want{Max: 5, Bytes: 1 << 20, Lease: time.Minute}); err != nil || len(taken) != 5 {
		t.Fatalf("Take: got %d and error %v, want 5", len(taken), err)
	}
	if err := p.queues["queue"].snapshot(); err != nil {
		t.Fatal(err)
	}
	p.powerCut()
	q = open1(t, p)
	if events := takeAll(t, q, store.Done); !slices.Equal(events, []uint64{1, 2, 3, 4, 5, 6, 7}) {
		t.Errorf("got events %v, want 1 to 7", events)
	}
	if err := q.Close(); err != nil {
		t.Errorf("Close: got error %v, want none", err)
	}
}

// TestEntriesInMemoryAreBounded has much more wait than there are entries for, in a
// process and in the next.
func TestEntriesInMemoryAreBounded(t *testing.T) {
	const indexed, events = 20, 500
	p := newProcess(t, Options{Keep: time.Hour, SegmentSize: 64 << 10, Indexed: indexed, Clock: newClock()}, 1)
	q := open1(t, p)
	accept(t, q, 0, events, 500)
	for range 2 {
		opened := p.queues["queue"]
		opened.mu.Lock()
		n := opened.destinations["app"].schedule.Open()
		opened.mu.Unlock()
		if _, app := appStats(t, q); n > indexed || app.Waiting != events {
			t.Errorf("got %d entries of %d that wait, want %d of %d", n, app.Waiting, indexed, events)
		}
		p.kill()
		q = open1(t, p)
	}
	if got := takeAll(t, q, store.Done); len(got) != events {
		t.Errorf("got %d events, want all %d", len(got), events)
	}
	if err := q.Close(); err != nil {
		t.Errorf("Close: got error %v, want none", err)
	}
}

// TestKeepCountsFromTheEnd has an event delivered long after it was stored.
func TestKeepCountsFromTheEnd(t *testing.T) {
	c := newClock()
	p := newProcess(t, Options{Keep: time.Hour, SegmentSize: 64 << 10, Clock: c}, 1)
	q := open1(t, p)
	accept(t, q, 1, 300, 500)
	c.advance(50 * time.Minute)
	takeAll(t, q, store.Done)
	for _, want := range []int{1, 0} {
		c.advance(40 * time.Minute)
		tidyAll(t, p)
		if stories, err := q.Story(t.Context(), keyOf(1)); err != nil || len(stories) != want {
			t.Errorf("got %d stories and error %v, want %d: an hour is from when it was settled", len(stories), err, want)
		}
	}
	if err := q.Close(); err != nil {
		t.Errorf("Close: got error %v, want none", err)
	}
}
