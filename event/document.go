package event

import (
	"crypto/sha256"
	"encoding/hex"

	"github.com/go-json-experiment/json/jsontext"
)

// A document is what the events of one body share.
type document struct {
	body    []byte
	made    []byte // what had to be put together. Its offsets go on where those of body end
	entries []entry
	object  span          // of Threads
	short   map[span]span // what stands for values that are too long to be repeated

	// Room for the one update that most notifications carry.
	oneEntry [1]entry
	oneEvent [1]Event
}

// keep keeps entries, and returns room for the events that come from them.
func (d *document) keep(entries []entry, events int) []Event {
	if len(entries) == 1 && events == 1 {
		d.oneEntry[0] = entries[0]
		d.entries = d.oneEntry[:]
		return d.oneEvent[:]
	}
	d.entries = append(make([]entry, 0, len(entries)), entries...)
	return make([]Event, events)
}

// An entry is where updates come from. Its object is the notification's, and
// empty where that names none.
type entry struct {
	object, id, uid, time span
}

// literal returns what stands there, or nil if that is nowhere.
func (d *document) literal(s span) literal {
	switch from, to := int(s.from), int(s.to); {
	case from == to:
		return nil
	case from < len(d.body):
		return d.body[from:to]
	default:
		return d.made[from-len(d.body) : to-len(d.body)]
	}
}

// origin returns where the entry's id is, or its uid where the id says
// nothing.
func (d *document) origin(e *entry) span {
	if !d.literal(e.id).saysSomething() && d.literal(e.uid).saysSomething() {
		return e.uid
	}
	return e.id
}

// longest is how many bytes a value may have that is written or hashed anew
// for each update it is a part of. Meta's ids have a tenth of it. A notification
// with a thousand updates and an id of three million bytes would have no end
// otherwise.
const longest = 256

// abridge has something short stand for what many updates may share, if it has
// more bytes than that: the same in fewer bytes, or else a digest.
func (d *document) abridge(s span, spaced bool) {
	if s.len() <= longest || !d.short[s].empty() {
		return
	}
	if d.short == nil {
		d.short = make(map[span]span)
	}
	l := d.literal(s)
	sort, value := said(l, spaced)
	d.short[s] = d.compose(func(dst []byte) []byte {
		switch {
		case len(value) > longest:
			sum := sha256.Sum256(append([]byte{sort}, value...))
			return append(hex.AppendEncode(append(dst, `"sha256-`...), sum[:]), '"')
		case sort == saysText:
			dst, _ = jsontext.AppendQuote(dst, value)
			return dst
		}
		return append(dst, value...)
	})
}

// brief returns a value, or what stands for it once it has been abridged.
func (d *document) brief(s span) literal {
	if s.len() > longest {
		s = d.short[s]
	}
	return d.literal(s)
}

// end returns the offset of what will be made next.
func (d *document) end() int { return len(d.body) + len(d.made) }

// compose has put append what stands nowhere, and returns where it is.
func (d *document) compose(put func(dst []byte) []byte) span {
	from := d.end()
	d.made = put(d.made)
	return spanOf(from, d.end())
}

// threads returns the object of Threads, which does not name it.
func (d *document) threads() span {
	if d.object.empty() {
		d.object = d.compose(func(dst []byte) []byte { return append(dst, threadsLiteral...) })
	}
	return d.object
}
