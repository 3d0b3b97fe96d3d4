// Package record is the format of what the file queue writes to its log.
//
// A record starts with its kind and, in eight bytes, a number. All other
// integers are varints, times are nanoseconds since 1970, and texts, bodies and
// events have their length before them, so that what is not looked for is
// passed over.
//
//	Events    number of the first delivery | accepted | received | origin | events
//	Replay    number | id | accepted | since | received | origin | event | target
//	Moved     position | id | accepted | received | origin | event | deliveries
//	Outcomes  0 | at | destination | outcomes
//	Discards  0 | at | destination | deliveries
//	Pause     0 | paused | destination
//
// A notification is a few Events records in one batch, so that a large one need
// not be read as a whole for each of its events. Their deliveries are numbered
// one after the other: each event takes a number for each of its targets, or
// one if it has none, and its id is the first of them.
//
// A Replay has the event again, and a Moved with what has become of it, so that
// nothing refers to a record that may be gone.
//
// Outcomes and Discards say what a delivery is from then on, not what changes:
// they can be read twice, or after a later state is known, as long as all later
// ones are read, too.
package record

import (
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
)

// A Kind is what a record is.
type Kind byte

// The kinds of records. Their values are stored.
const (
	KindEvents Kind = iota + 1
	KindReplay
	KindMoved
	KindOutcomes
	KindDiscards
	KindPause
)

// Known reports whether it is one of those above, and not of a later version.
func (k Kind) Known() bool { return k >= KindEvents && k <= KindPause }

// ErrFormat means that a record cannot be understood. Its checksum was right,
// so it may be of a later version.
var ErrFormat = errors.New("a record of an unknown format")

const headSize = 9 // kind and number

// KindOf returns the kind of a record, 0 if it is empty.
func KindOf(b []byte) Kind {
	if len(b) < headSize {
		return 0
	}
	return Kind(b[0])
}

// SetNumber sets the number of a record.
func SetNumber(b []byte, number store.Number) {
	binary.LittleEndian.PutUint64(b[1:], uint64(number))
}

func appendHead(b []byte, kind Kind, number store.Number) []byte {
	return binary.LittleEndian.AppendUint64(append(b, byte(kind)), uint64(number))
}

func appendText[T ~string | ~[]byte](b []byte, s T) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendTime(b []byte, t time.Time) []byte { return binary.AppendVarint(b, Nanoseconds(t)) }

// Nanoseconds returns a time as records have it, 0 if it is zero. One that is
// out of range is the last that is not.
func Nanoseconds(t time.Time) int64 {
	switch {
	case t.IsZero():
		return 0
	case t.After(latest):
		return math.MaxInt64
	}
	return t.UnixNano()
}

var latest = time.Unix(0, math.MaxInt64)

// Time returns the time of so many nanoseconds.
func Time(nanoseconds int64) time.Time {
	if nanoseconds == 0 {
		return time.Time{}
	}
	return time.Unix(0, nanoseconds).UTC()
}

func appendLanes(b []byte, lanes []store.Lane) []byte {
	b = binary.AppendUvarint(b, uint64(len(lanes)))
	for _, l := range lanes {
		b = binary.LittleEndian.AppendUint64(b, uint64(l))
	}
	return b
}

func appendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}

// A reader reads a record from its start to its end. After an error it reads
// zeros.
type reader struct {
	b   []byte
	bad bool
}

// head starts to read a record.
func head(b []byte, kind Kind) (number store.Number, r reader) {
	if KindOf(b) != kind {
		return 0, reader{bad: true}
	}
	return store.Number(binary.LittleEndian.Uint64(b[1:])), reader{b: b[headSize:]}
}

func (r *reader) fail() {
	r.b, r.bad = nil, true
}

func (r *reader) uint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) int() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

// count reads how many of something follow, each of which takes some bytes.
func (r *reader) count(size int) int {
	n := r.uint()
	if n > uint64(len(r.b)/size) {
		r.fail()
		return 0
	}
	return int(n)
}

// text reads what has its length before it. It is part of the record.
func (r *reader) text() []byte {
	n := r.count(1)
	s := r.b[:n:n]
	r.b = r.b[n:]
	return s
}

func (r *reader) time() time.Time { return Time(r.int()) }

func (r *reader) byte() byte {
	if len(r.b) == 0 {
		r.fail()
		return 0
	}
	v := r.b[0]
	r.b = r.b[1:]
	return v
}

func (r *reader) bool() bool { return r.byte() != 0 }

func (r *reader) key() (key store.Key) {
	if len(r.b) < len(key) {
		r.fail()
		return key
	}
	copy(key[:], r.b)
	r.b = r.b[len(key):]
	return key
}

func (r *reader) lanes() []store.Lane {
	n := r.count(8)
	if n == 0 {
		return nil
	}
	lanes := make([]store.Lane, n)
	for i := range lanes {
		lanes[i] = store.Lane(binary.LittleEndian.Uint64(r.b[8*i:]))
	}
	r.b = r.b[8*n:]
	return lanes
}

func (r *reader) err() error {
	if r.bad {
		return ErrFormat
	}
	return nil
}

// appendAttempt appends an attempt, as outcomes and moved deliveries have it.
func appendAttempt(b []byte, a *store.Attempt) []byte {
	b = appendTime(b, a.Started)
	b = binary.AppendVarint(b, int64(a.Took))
	b = binary.AppendVarint(b, int64(a.Status))
	b = appendText(b, a.Cause)
	b = appendText(b, a.Error)
	return appendText(b, a.Answer)
}

func (r *reader) attempt() store.Attempt {
	a := store.Attempt{Started: r.time(), Took: time.Duration(r.int()), Status: int(r.int()), Cause: string(r.text()), Error: string(r.text())}
	if answer := r.text(); len(answer) > 0 {
		a.Answer = slices.Clone(answer)
	}
	return a
}
