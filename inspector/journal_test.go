package inspector

import (
	"fmt"
	"strings"
	"sync"
	"testing"
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

// numbers returns the numbers of the events after one.
func numbers(j *journal, after uint64) (n []uint64) {
	records, _ := j.since(after, 1<<40)
	for _, r := range records {
		n = append(n, r.number)
	}
	return n
}

func TestJournalKeepsTheLatest(t *testing.T) {
	j := newJournal(t)
	for i := range 10 {
		j.add(eventOf(i, 10), 3, 1<<20)
	}
	for after, want := range map[uint64]string{0: "[8 9 10]", 3: "[8 9 10]", 7: "[8 9 10]", 8: "[9 10]", 9: "[10]", 10: "[]", 99: "[]"} {
		if got := fmt.Sprint(numbers(j, after)); got != want {
			t.Errorf("after %d: got %s, want %s", after, got, want)
		}
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
		records, _ := j.since(0, 1<<40)
		for _, r := range records {
			n += int64(len(r.event) + len(r.head))
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
		t.Errorf("got %d bytes and %v of an event that is too large, want its head", len(r.event), ok)
	}
	j.add(&delivery{body: []byte("[" + strings.TrimSuffix(strings.Repeat(testEvent+",", 100), ",") + "]")}, 10, room)
	if got := fmt.Sprint(numbers(j, 291)); len(numbers(j, 0)) != 10 || got != "[292 293 294 295 296 297 298 299 300 301]" {
		t.Errorf("got %v, want the last ten of a batch", numbers(j, 0))
	}
	for i := range 20 {
		j.add(eventOf(i, 0), 1, room)
	}
	if j.bytes > 2000 || j.bytes <= 0 {
		t.Errorf("got %d bytes counted for one small event, want as many as it has", j.bytes)
	}
}

func TestJournalGivesABoundedPartAtOnce(t *testing.T) {
	j := newJournal(t)
	for i := range 100 {
		j.add(eventOf(i, 1000), 1000, 1<<30)
	}
	var got int
	for number := uint64(0); ; {
		records, _ := j.since(number, 10_000)
		if len(records) == 0 {
			break
		}
		if len(records) > 10 {
			t.Fatalf("got %d events of 1000 bytes, want about 10000 bytes", len(records))
		}
		for _, r := range records {
			if r.number != number+1 {
				t.Fatalf("got number %d after %d, want the next", r.number, number)
			}
			number = r.number
			got++
		}
	}
	if got != 100 {
		t.Errorf("got %d events, want 100", got)
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

func TestJournalTellsOfChanges(t *testing.T) {
	j := newJournal(t)
	var running sync.WaitGroup
	for range 4 {
		running.Go(func() {
			for i := range 50 {
				j.add(eventOf(i, 1), 1000, 1<<20)
			}
		})
	}
	var last uint64
	for last < 200 {
		records, changed := j.since(last, 1<<40)
		for _, r := range records {
			if r.number != last+1 {
				t.Fatalf("got %d after %d, want all in order", r.number, last)
			}
			last = r.number
		}
		if last < 200 {
			<-changed
		}
	}
	running.Wait()
}
