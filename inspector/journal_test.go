package inspector

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

func newJournal(t *testing.T) *journal {
	t.Helper()
	j, err := openJournal(t.Name())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.close() })
	return j
}

func eventOf(i, size int) *delivery {
	return &delivery{body: fmt.Appendf(nil, `{"specversion":"1.0","id":"%d","data":"%s"}`, i, strings.Repeat("x", size))}
}

// numbers returns the numbers of the events before one, the latest first.
func numbers(j *journal, before uint64) (n []uint64) {
	for _, r := range j.before(before, maxInt) {
		n = append(n, r.number)
	}
	return n
}

func TestJournalKeepsTheLatest(t *testing.T) {
	j := newJournal(t)
	for i := range 10 {
		j.add(eventOf(i, 10), 3, 1<<20)
	}
	for before, want := range map[uint64]string{0: "[10 9 8]", 99: "[10 9 8]", 11: "[10 9 8]", 10: "[9 8]", 9: "[8]", 8: "[]", 1: "[]"} {
		if got := fmt.Sprint(numbers(j, before)); got != want {
			t.Errorf("before %d: got %s, want %s", before, got, want)
		}
	}
	if got := len(j.before(0, 2)); got != 2 {
		t.Errorf("got %d events, want no more than were asked for", got)
	}
	for number, want := range map[uint64]bool{0: false, 7: false, 8: true, 10: true, 11: false} {
		if r, ok := j.find(number); ok != want || ok && r.number != number {
			t.Errorf("find %d: got %v, want %v", number, ok, want)
		}
	}
}

func TestJournalIsBoundedInBytes(t *testing.T) {
	const room = 100_000
	j := newJournal(t)
	held := func() (n int64) {
		for _, r := range j.before(0, maxInt) {
			n += int64(len(r.event) + r.row.bytes())
		}
		return n
	}
	for i := range 200 {
		j.add(eventOf(i, 10_000), 1000, room)
		if got := held(); got > room {
			t.Fatalf("got %d bytes after %d events, want at most %d", got, i+1, room)
		}
	}
	if got := len(numbers(j, 0)); got < 8 {
		t.Errorf("got %d events, want as many as there is room for", got)
	}
	j.add(eventOf(200, 2*room), 1000, room)
	if r, ok := j.find(201); !ok || r.event != nil {
		t.Errorf("got %d bytes and %v of an event that is too large, want its row", len(r.event), ok)
	}
	j.add(&delivery{body: []byte("[" + strings.TrimSuffix(strings.Repeat(testEvent+",", 100), ",") + "]")}, 10, room)
	if got := fmt.Sprint(numbers(j, 0)); got != "[301 300 299 298 297 296 295 294 293 292]" {
		t.Errorf("got %v, want the last ten of a batch", numbers(j, 0))
	}
	for i := range 20 {
		j.add(eventOf(i, 0), 1, room)
	}
	if j.bytes > 2000 || j.bytes <= 0 {
		t.Errorf("got %d bytes counted for one small event, want as many as it has", j.bytes)
	}
}

func TestJournalIsOneForAName(t *testing.T) {
	first, err := openJournal(t.Name())
	if err != nil {
		t.Fatal(err)
	}
	first.add(eventOf(1, 1), 10, 1<<20)
	second, err := openJournal(t.Name())
	if err != nil {
		t.Fatal(err)
	}
	if err := first.close(); err != nil {
		t.Fatal(err)
	}
	if got := len(numbers(second, 0)); got != 1 {
		t.Errorf("got %d events after the first user has left, want 1", got)
	}
	if err := second.close(); err != nil {
		t.Fatal(err)
	}
	third := newJournal(t)
	if got := len(numbers(third, 0)); got != 0 {
		t.Errorf("got %d events after the last user has left, want none", got)
	}
	if _, ok := third.number(second.id(1)); ok {
		t.Error("got an id of the journal before taken for one's own, want it refused")
	}
	for _, id := range []string{"", "-", "1", third.epoch, third.epoch + "-", third.epoch + "--1", third.epoch + "-x"} {
		if n, ok := third.number(id); ok {
			t.Errorf("got %d from the id %q, want none", n, id)
		}
	}
}

func TestJournalTakesManyAtOnce(t *testing.T) {
	j := newJournal(t)
	var running sync.WaitGroup
	for range 4 {
		running.Go(func() {
			for i := range 50 {
				j.add(eventOf(i, 1), 1000, 1<<20)
				_, _ = j.list(t.Context(), anything(t), time.Now().Add(time.Second))
			}
		})
	}
	running.Wait()
	if got := j.count(); got != 200 || len(numbers(j, 0)) != 200 {
		t.Errorf("got %d events and %d of them kept, want 200", got, len(numbers(j, 0)))
	}
}
