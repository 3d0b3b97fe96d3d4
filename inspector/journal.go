package inspector

import (
	"crypto/rand"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/caddyserver/caddy/v2"
)

// journals holds the journal of every name.
var journals = caddy.NewUsagePool()

// A journal keeps the latest events, in the order in which they came. It is
// shared by all who use its name, and lives as long as any of them does.
type journal struct {
	name  string
	epoch string // tells the journal of this process from that of the one before
	token string // that a page shows which may change something

	streams atomic.Int64 // of pages that are told of changes

	mu     sync.Mutex
	events []record // the oldest first
	bytes  int64    // that they take
	last   uint64   // the number of the event that came last
}

// openJournal returns the journal of a name.
func openJournal(name string) (*journal, error) {
	j, _, err := journals.LoadOrNew(name, func() (caddy.Destructor, error) {
		return &journal{name: name, epoch: rand.Text()[:8], token: rand.Text()}, nil
	})
	if err != nil {
		return nil, err
	}
	return j.(*journal), nil
}

// close ends the use of the journal.
func (j *journal) close() error {
	_, err := journals.Delete(j.name)
	return err
}

// Destruct implements caddy.Destructor.
func (j *journal) Destruct() error { return nil }

// add puts the events of a delivery into the journal, and drops the oldest
// until there are no more than most events and room bytes of them, or one.
func (j *journal) add(d *delivery, most int, room int64) {
	records := d.records(room)
	j.mu.Lock()
	defer j.mu.Unlock()
	for i := range records {
		j.last++
		records[i].number = j.last
		j.bytes += records[i].size
	}
	j.events = append(j.events, records...)
	drop := 0
	for drop < len(j.events)-1 && (len(j.events)-drop > most || j.bytes > room) {
		j.bytes -= j.events[drop].size
		drop++
	}
	clear(j.events[:drop])
	j.events = j.events[drop:]
}

// before returns events that came before the one of a number, the latest
// first, up to most of them. The number 0 is for all.
func (j *journal) before(number uint64, most int) []record {
	j.mu.Lock()
	defer j.mu.Unlock()
	end := len(j.events)
	if number != 0 {
		end = j.index(number)
	}
	found := slices.Clone(j.events[max(0, end-most):end])
	slices.Reverse(found)
	return found
}

// count returns how many events have ever come.
func (j *journal) count() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.last
}

// find returns the event of a number, if it is still there.
func (j *journal) find(number uint64) (record, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if i := j.index(number); i < len(j.events) && j.events[i].number == number {
		return j.events[i], true
	}
	return record{}, false
}

// index returns where the event of a number is, or the first after it.
func (j *journal) index(number uint64) int {
	if len(j.events) == 0 || number <= j.events[0].number {
		return 0
	}
	return int(min(number-j.events[0].number, uint64(len(j.events))))
}

// id returns what names an event in any journal.
func (j *journal) id(number uint64) string { return fmt.Sprintf("%s-%d", j.epoch, number) }

// number returns the number in an id, and false if it is of another journal.
func (j *journal) number(id string) (uint64, bool) {
	epoch, number, _ := strings.Cut(id, "-")
	if epoch != j.epoch {
		return 0, false
	}
	n, err := strconv.ParseUint(number, 10, 64)
	return n, err == nil
}
