package listen

import (
	"context"
	"crypto/rand"
	"math"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
)

// journals holds the journal of every name.
var journals = caddy.NewUsagePool()

// A journal keeps the latest messages that were delivered inline, in the order
// in which they came, and counts who listens. It is shared by all who use its
// name, and lives as long as any of them does.
type journal struct {
	name  string
	epoch string    // tells the journal of this process from any other
	began time.Time // the journal

	mu        sync.Mutex
	kept      []kept // the oldest first
	bytes     int64  // that they take
	last      uint64 // the number of the message that came last
	failed    map[string]bool
	changed   chan struct{}
	listeners int
	pace      pace
}

// A kept message is one that is in the journal.
type kept struct {
	number uint64
	m      *Message
}

// overhead is about what a message takes beside its body.
const overhead = 1 << 10

func (k *kept) size() int64 { return overhead + int64(len(k.m.Body)) }

// openJournal returns the journal of a name.
func openJournal(name string) (*journal, error) {
	j, _, err := journals.LoadOrNew(name, func() (caddy.Destructor, error) {
		return &journal{
			name: name, epoch: rand.Text()[:8], began: time.Now(),
			failed: make(map[string]bool), changed: make(chan struct{}),
		}, nil
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

// add puts a message into the journal, and drops the oldest until there are no
// more than most messages and room bytes of them, or one. A message that comes
// again because the app has failed was copied before.
func (j *journal) add(m *Message, most int, room int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.failed[m.ID] {
		delete(j.failed, m.ID)
		return
	}
	j.last++
	j.kept = append(j.kept, kept{j.last, m})
	j.bytes += j.kept[len(j.kept)-1].size()
	drop := 0
	for drop < len(j.kept)-1 && (len(j.kept)-drop > most || j.bytes > room) {
		j.bytes -= j.kept[drop].size()
		delete(j.failed, j.kept[drop].m.ID)
		drop++
	}
	clear(j.kept[:drop])
	j.kept = j.kept[drop:]
	close(j.changed)
	j.changed = make(chan struct{})
}

// fail notes that the app has failed for a message, so that it comes again.
func (j *journal) fail(id string, most int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.failed) >= 2*most {
		clear(j.failed) // of those whose message was dropped before
	}
	j.failed[id] = true
}

// enter counts a listener, unless there are as many as most.
func (j *journal) enter(most int) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.listeners >= most {
		return false
	}
	j.listeners++
	return true
}

// leave counts a listener no longer.
func (j *journal) leave() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.listeners--
}

// since returns messages that came after the one of a number, the oldest first
// and up to most of them, and what is closed when there are more.
func (j *journal) since(number uint64, most int) ([]kept, <-chan struct{}) {
	j.mu.Lock()
	defer j.mu.Unlock()
	first := 0
	if len(j.kept) > 0 && number >= j.kept[0].number {
		first = int(min(number-j.kept[0].number+1, uint64(len(j.kept))))
	}
	return slices.Clone(j.kept[first:min(first+most, len(j.kept))]), j.changed
}

// find returns the latest message with an id, or with an event of it.
func (j *journal) find(id string) *Message {
	all, _ := j.since(0, math.MaxInt)
	for i := range slices.Backward(all) {
		if all[i].m.holds(id) {
			return j.message(&all[i])
		}
	}
	return nil
}

// message returns the message of a kept one, for one listener.
func (j *journal) message(k *kept) *Message {
	m := *k.m
	m.Key = position{epoch: j.epoch}.key(k.number)
	return &m
}

// A journalReader reads a journal for a listener.
type journalReader struct {
	*journal
	filter Filter
	at     position
	gap    *Gap // to tell of first
	from   time.Time
}

// skew is how far the clocks of two instances may be apart.
const skew = 10 * time.Second

// read returns a reader that goes on from a position, or begins with what was
// received at a time or later.
func (j *journal) read(f Filter, last *position, from time.Time) *journalReader {
	r := &journalReader{journal: j, filter: f, at: position{epoch: j.epoch, at: time.Now()}}
	switch {
	case last != nil && last.epoch == j.epoch:
		r.at = *last
	case last != nil: // of another process, which may have delivered before it ended
		r.gap = &Gap{Reason: GapProcess}
		r.from = last.at.Add(-skew)
	case !from.IsZero():
		r.from = from
	default:
		j.mu.Lock()
		r.at.number = j.last
		j.mu.Unlock()
	}
	if !r.from.IsZero() {
		all, _ := j.since(0, math.MaxInt)
		i := slices.IndexFunc(all, func(k kept) bool { return !k.m.Received.Before(r.from) })
		switch {
		case i >= 0:
			r.at.number = all[i].number - 1
		case len(all) > 0:
			r.at.number = all[len(all)-1].number
		}
		r.at.at = r.from
	}
	return r
}

// position implements reader.
func (r *journalReader) position() position { return r.at }

// drain implements reader.
func (r *journalReader) drain(_ context.Context, to sink) (more <-chan struct{}, err error) {
	const atOnce = 64
	if r.gap != nil {
		if err := to.gap(*r.gap, r.at); err != nil {
			return nil, err
		}
		r.gap = nil
	}
	for {
		batch, changed := r.since(r.at.number, atOnce)
		if len(batch) == 0 {
			return changed, nil
		}
		if missed := batch[0].number - r.at.number - 1; missed > 0 {
			if err := to.gap(Gap{GapDropped, missed}, r.at); err != nil {
				return nil, err
			}
		}
		for i := range batch {
			m := r.message(&batch[i])
			r.at.number, r.at.at = batch[i].number, m.Received
			if m.describe(&r.filter) {
				err = to.message(m, r.at)
			} else {
				err = to.idle(r.at)
			}
			if err != nil {
				return nil, err
			}
		}
	}
}

// copyOf returns the message that a request of meta_webhook is.
func copyOf(r *http.Request, body []byte, received time.Time, id string) *Message {
	return &Message{ID: id, Received: received.UTC(), URI: r.RequestURI, Header: passed(r.Header), Body: body, Replay: r.Header.Get("Webhook-Replay") != ""}
}
