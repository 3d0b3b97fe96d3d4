package record

import (
	"encoding/binary"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
)

// partSize is how large the records of a notification become, if they have more
// than one event.
const partSize = 16 << 10

// An Event is an event in a record. Its texts and its body are part of it.
type Event struct {
	ID     store.Number // the first of its numbers
	Key    store.Key
	Until  time.Time // it is a repeat, zero if never
	Whole  bool
	Info   [6][]byte // object, entry, field, kind, subject, conversation
	Body   []byte
	target reader
	count  int
}

// Text returns what the event can be found by.
func (e *Event) Text() store.Info {
	return store.Info{
		Object: string(e.Info[0]), Entry: string(e.Info[1]), Field: string(e.Info[2]), Kind: string(e.Info[3]),
		Subject: string(e.Info[4]), Conversation: string(e.Info[5]),
	}
}

// Numbers returns how many numbers the event takes.
func (e *Event) Numbers() int { return max(1, e.count) }

// Unmatched reports whether the event had no target when it was accepted.
func (e *Event) Unmatched() bool { return e.count == 0 }

// Targets calls visit with each target of the event.
func (e *Event) Targets(visit func(i int, destination []byte, lanes []store.Lane)) {
	r := e.target
	for i := range e.count {
		destination := r.text()
		visit(i, destination, r.lanes())
	}
}

// An Origin is what all events of a notification have in common.
type Origin struct {
	Accepted time.Time
	Received time.Time
	Origin   []byte
}

// Notification returns the records of the events of a notification that are
// new, and of the whole one, if it has targets. The numbers of their deliveries
// start from 0, and have to be set: bases are the first ones of each record.
func Notification(n *store.Notification, repeats []bool, accepted time.Time) (records [][]byte, bases []int, numbers int) {
	var b []byte
	begin := func(e *store.Event) {
		bases = append(bases, numbers)
		b = appendHead(make([]byte, 0, 256+len(n.Origin)+len(e.Body)+64*len(e.Targets)), KindEvents, 0)
		b = appendTime(b, accepted)
		b = appendTime(b, n.Received)
		b = appendText(b, n.Origin)
	}
	end := func() {
		if b != nil {
			records = append(records, b)
		}
		b = nil
	}
	add := func(e *store.Event, whole bool) {
		var until time.Time
		if e.Window > 0 && !whole {
			until = accepted.Add(e.Window)
		}
		if b != nil && len(b)+len(e.Body) > partSize {
			end()
		}
		if b == nil {
			begin(e)
		}
		b = appendEvent(b, e, whole, until)
		numbers += max(1, len(e.Targets))
	}
	for i := range n.Events {
		if !repeats[i] {
			add(&n.Events[i], false)
		}
	}
	if numbers > 0 && len(n.Whole.Targets) > 0 {
		add(&n.Whole, true)
	}
	end()
	return records, bases, numbers
}

func appendEvent(b []byte, e *store.Event, whole bool, until time.Time) []byte {
	texts := [...]string{e.Info.Object, e.Info.Entry, e.Info.Field, e.Info.Kind, e.Info.Subject, e.Info.Conversation}
	b = binary.AppendUvarint(b, uint64(len(e.Targets)))
	size := len(b)
	b = binary.LittleEndian.AppendUint32(b, 0)
	b = append(b, e.Key[:]...)
	b = appendBool(b, whole)
	b = appendTime(b, until)
	for _, t := range texts {
		b = appendText(b, t)
	}
	b = appendText(b, e.Body)
	for i := range e.Targets {
		b = appendText(b, e.Targets[i].Destination)
		b = appendLanes(b, e.Targets[i].Lanes)
	}
	binary.LittleEndian.PutUint32(b[size:], uint32(len(b)-size-4))
	return b
}

// event reads an event, whose numbers start from id. It only passes over it if
// it ends before a number.
func (r *reader) event(id, from store.Number, e *Event) (found bool) {
	count := r.uint()
	if len(r.b) < 4 || count > uint64(len(r.b)) {
		r.fail()
		return false
	}
	size := binary.LittleEndian.Uint32(r.b)
	if uint64(size) > uint64(len(r.b)-4) {
		r.fail()
		return false
	}
	body := reader{b: r.b[4 : 4+size]}
	r.b = r.b[4+size:]
	*e = Event{ID: id, count: int(count)}
	if id+store.Number(e.Numbers()) <= from {
		return false
	}
	e.Key = body.key()
	e.Whole = body.bool()
	e.Until = body.time()
	for i := range e.Info {
		e.Info[i] = body.text()
	}
	e.Body = body.text()
	e.target = body
	for range count { // now, so that Targets cannot fail
		body.text()
		lanes := body.count(8)
		body.b = body.b[8*lanes:]
	}
	if body.bad {
		r.fail()
	}
	return !body.bad
}

// Events calls visit with the events of an Events record that end with a number
// or a later one.
func Events(b []byte, from store.Number, visit func(o *Origin, e *Event) (more bool)) error {
	id, r := head(b, KindEvents)
	o := Origin{Accepted: r.time(), Received: r.time(), Origin: r.text()}
	for len(r.b) > 0 {
		var e Event
		if r.event(id, from, &e) && !visit(&o, &e) {
			return nil
		}
		id += store.Number(e.Numbers())
	}
	return r.err()
}

// Number returns the number of an Events or Replay record.
func Number(b []byte) store.Number { return store.Number(binary.LittleEndian.Uint64(b[1:])) }

// stored returns an event as it was given to the queue.
func (e *Event) stored() *store.Event {
	s := &store.Event{Key: e.Key, Info: e.Text(), Body: e.Body}
	e.Targets(func(_ int, destination []byte, lanes []store.Lane) {
		s.Targets = append(s.Targets, store.Target{Destination: string(destination), Lanes: lanes})
	})
	return s
}

// A Replay is a delivery of an event to a destination once more.
type Replay struct {
	Number      store.Number
	Since       time.Time
	Destination string
	Lanes       []store.Lane
}

// AppendReplay appends a Replay record.
func AppendReplay(b []byte, o *Origin, e *Event, p *Replay) []byte {
	b = appendHead(b, KindReplay, p.Number)
	b = binary.AppendUvarint(b, uint64(e.ID))
	b = appendTime(b, p.Since)
	b = appendText(b, p.Destination)
	b = appendLanes(b, p.Lanes)
	return appendOrigin(b, o, e)
}

func appendOrigin(b []byte, o *Origin, e *Event) []byte {
	b = appendTime(b, o.Accepted)
	b = appendTime(b, o.Received)
	b = appendText(b, o.Origin)
	return appendEvent(b, e.stored(), e.Whole, e.Until)
}

func (r *reader) origin(id store.Number) (o Origin, e Event) {
	o = Origin{Accepted: r.time(), Received: r.time(), Origin: r.text()}
	r.event(id, 0, &e)
	return o, e
}

// ReadReplay reads a Replay record.
func ReadReplay(b []byte) (o Origin, e Event, p Replay, err error) {
	number, r := head(b, KindReplay)
	id := store.Number(r.uint())
	p = Replay{Number: number, Since: r.time(), Destination: string(r.text()), Lanes: r.lanes()}
	o, e = r.origin(id)
	return o, e, p, r.err()
}

// A Delivery is one of a moved event, with all that has become of it.
type Delivery struct {
	store.DeliveryStory
	Lanes    []store.Lane
	Attempts int // of which the story may miss some
}

// AppendMoved appends a Moved record of an event whose record was elsewhere.
func AppendMoved(b []byte, from uint64, o *Origin, e *Event, deliveries []Delivery) []byte {
	b = appendHead(b, KindMoved, store.Number(from))
	b = binary.AppendUvarint(b, uint64(e.ID))
	b = binary.AppendUvarint(b, uint64(len(deliveries)))
	for i := range deliveries {
		d := &deliveries[i]
		b = binary.AppendUvarint(b, uint64(d.Number))
		b = appendText(b, d.Destination)
		b = append(b, byte(d.State))
		b = appendBool(b, d.Replay)
		b = appendTime(b, d.Since)
		b = appendTime(b, d.Due)
		b = appendTime(b, d.Settled)
		b = appendLanes(b, d.Lanes)
		b = binary.AppendUvarint(b, uint64(d.Attempts))
		b = binary.AppendUvarint(b, uint64(len(d.DeliveryStory.Attempts)))
		for j := range d.DeliveryStory.Attempts {
			b = appendAttempt(b, &d.DeliveryStory.Attempts[j])
		}
	}
	return appendOrigin(b, o, e)
}

// MovedFrom returns where the event of a Moved record was.
func MovedFrom(b []byte) uint64 { return uint64(Number(b)) }

// ReadMoved reads a Moved record.
func ReadMoved(b []byte) (o Origin, e Event, deliveries []Delivery, err error) {
	_, r := head(b, KindMoved)
	id := store.Number(r.uint())
	n := r.count(8)
	deliveries = make([]Delivery, n)
	for i := range deliveries {
		d := &deliveries[i]
		d.Number = store.Number(r.uint())
		d.Destination = string(r.text())
		d.State = store.DeliveryState(r.byte())
		d.Replay = r.bool()
		d.Since, d.Due, d.Settled = r.time(), r.time(), r.time()
		d.Lanes = r.lanes()
		d.Attempts = int(r.uint())
		for range r.count(6) {
			d.DeliveryStory.Attempts = append(d.DeliveryStory.Attempts, r.attempt())
		}
	}
	o, e = r.origin(id)
	return o, e, deliveries, r.err()
}
