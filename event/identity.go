package event

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
)

// ID tells an event from all others. The same update has the same ID each
// time Meta sends it, on every machine, in whatever company and however Meta
// stamps its entry: it is the first 16 bytes of a SHA-256 over the update's
// object, entry, field and kind, and
//
//   - its natural key, such as a message's id, if it has one;
//   - or else its data, if they say when it happened or name an id of their
//     own;
//   - or else its data, its entry's time and its ordinal among equal ones in
//     the notification.
type ID [16]byte

// String returns the ID as 32 lower-case hex digits.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// AppendText appends the ID as 32 lower-case hex digits to dst. It returns no
// error.
func (id ID) AppendText(dst []byte) ([]byte, error) {
	return hex.AppendEncode(dst, id[:]), nil
}

// Digest returns one ID for several events, which depends on theirs and on
// their order.
func Digest(events []Event) ID {
	h := sha256.New()
	for i := range events {
		h.Write(events[i].id[:])
	}
	var sum [sha256.Size]byte
	return ID(h.Sum(sum[:0])[:len(ID{})])
}

// Retention says how long it is worth remembering that an event was delivered.
type Retention uint8

const (
	// RetainWindow is as long as Meta may send the update again.
	RetainWindow Retention = iota
	// RetainBriefly is ten minutes. Neither the event's data nor its entry say
	// when it happened, so that what has the same ID tomorrow is another update.
	RetainBriefly
	// RetainNever is for the samples that the Test button of Meta's dashboard
	// sends, which are the same each time it is pressed.
	RetainNever
)

// testEntry is the id of the entries that the Test button sends.
const testEntry = "0"

// naturalKey appends the natural key that is the first of some keys to fit to
// s.keys, and returns where it is. The span is empty where none fits. What the
// update holds is told where its kind does not tell it.
func (s *scanner) naturalKey(u *draft, content kind, keys []naturalKey, found *captures) span {
next:
	for i := range keys {
		key := &keys[i]
		for _, m := range key.must {
			if !s.literal(found[m]).present() {
				continue next
			}
		}
		from := len(s.keys)
		if content != u.kind && !s.literal(u.field).same(kindLiterals[content]) {
			s.keys = append(s.keys, kindParts[content]...)
		}
		s.keys = append(s.keys, byte(i+1))
		for _, m := range key.must {
			s.keys = appendPart(s.keys, s.literal(found[m]), s.spaced)
		}
		for _, m := range key.may {
			s.keys = appendPart(s.keys, s.literal(found[m]), s.spaced)
		}
		u.keyed = true
		return spanOf(from, len(s.keys))
	}
	return span{}
}

// events makes the events of the updates that have been read.
func (s *scanner) events() []Event {
	if len(s.updates) == 0 {
		return nil
	}
	events := s.doc.keep(s.entries, len(s.updates))
	s.identity.start(s.doc, s.spaced)
	for i := range events {
		u, ev := &s.updates[i], &events[i]
		ev.doc, ev.id = s.doc, s.identity.of(u, s.keys[u.key.from:u.key.to])
		s.settle(u)
		ev.update = u.update
	}
	return events
}

// identity computes IDs, with scratch space that is used again.
type identity struct {
	doc    *document
	spaced bool          // the document holds white space that has no meaning
	seen   map[ID]uint32 // how many events had the ID, of those that are counted

	buf    []byte
	entry  *entry // of which buf begins with object and origin
	prefix int
	test   bool // the entry is that of the Test button
}

// start begins with the events of another document.
func (h *identity) start(doc *document, spaced bool) {
	h.doc, h.spaced, h.entry = doc, spaced, nil
	if h.seen == nil {
		h.seen = make(map[ID]uint32)
	}
}

// forget keeps nothing but the room.
func (h *identity) forget() {
	clear(h.seen)
	*h = identity{buf: h.buf[:0], seen: h.seen}
}

// of returns an update's ID, and notes how long it is to be remembered. The
// key is its natural one, or what is a part of the ID beside the data.
func (h *identity) of(u *draft, key []byte) ID {
	if e := &h.doc.entries[u.entry]; e != h.entry {
		h.begin(e)
	}
	h.doc.abridge(u.field, h.spaced)
	h.doc.abridge(u.scope, h.spaced)
	switch h.buf = h.buf[:h.prefix]; {
	case u.kind == kindOfField:
		h.buf = append(h.part(h.buf, h.doc.brief(u.field)), sameKind)
	case u.field.empty() && u.kind != kindUnrecognized:
		h.buf = append(append(h.buf, kindParts[u.kind]...), sameKind)
	default:
		h.buf = append(h.part(h.buf, h.doc.brief(u.field)), kindParts[u.kind]...)
	}
	var id ID
	switch {
	case u.keyed:
		h.buf = h.part(append(h.buf, 'k'), h.doc.brief(u.scope))
		h.buf = append(h.buf, key...)
		id = h.sum()
	case u.own || h.doc.literal(u.time).tellsTime():
		h.buf = append(append(h.buf, 's'), key...)
		h.buf = appendCompact(h.buf, h.doc.literal(u.essence()), h.spaced)
		id = h.sum()
	default:
		id = h.counted(u, key)
		if !h.doc.literal(h.entry.time).tellsTime() {
			u.retention = RetainBriefly
		}
	}
	if h.test {
		u.retention = RetainNever
	}
	return id
}

// counted returns the ID of an update that only its entry's time and its
// ordinal tell from one with the same data.
func (h *identity) counted(u *draft, key []byte) ID {
	h.buf = h.part(append(h.buf, 'd'), h.doc.brief(h.entry.time))
	ordinal := len(h.buf)
	h.buf = append(append(h.buf, 0, 0, 0, 0), key...)
	h.buf = appendCompact(h.buf, h.doc.literal(u.essence()), h.spaced)
	id := h.sum()
	n := h.seen[id]
	h.seen[id] = n + 1
	if n == 0 {
		return id
	}
	binary.BigEndian.PutUint32(h.buf[ordinal:], n)
	return h.sum()
}

// kindParts are the kinds as they stand in IDs.
var kindParts = func() [][]byte {
	parts := make([][]byte, len(kindLiterals))
	for k, l := range kindLiterals {
		parts[k] = appendPart(nil, l, false)
	}
	return parts
}()

// sameKind stands in IDs for a kind that is the field.
const sameKind = 'f'

// begin writes what is a part of the identity of each update of an entry.
func (h *identity) begin(e *entry) {
	d, origin := h.doc, h.doc.origin(e)
	d.abridge(e.object, h.spaced)
	d.abridge(origin, h.spaced)
	d.abridge(e.time, h.spaced)
	h.buf = h.part(h.part(h.buf[:0], d.brief(e.object)), d.brief(origin))
	h.entry, h.prefix, h.test = e, len(h.buf), d.literal(origin).says(testEntry)
}

func (h *identity) part(dst []byte, l literal) []byte { return appendPart(dst, l, h.spaced) }

func (h *identity) sum() ID {
	sum := sha256.Sum256(h.buf)
	return ID(sum[:len(ID{})])
}

// What a literal is, in IDs.
const (
	saysNothing = 'n'
	saysText    = 't'
	saysEscapes = 'e' // that no text can have
	saysJSON    = 'j'
)

// said returns what a literal says, and of what sort it is: its text, or else
// the value without white space. A number says the same as a string of its
// digits.
func said(l literal, spaced bool) (sort byte, value []byte) {
	switch {
	case l[0] == '"':
		text, ok := unquote(l)
		if !ok {
			return saysEscapes, text
		}
		return saysText, text
	case l.isNumber():
		return saysText, l
	case spaced:
		return saysJSON, appendCompact(nil, l, spaced)
	}
	return saysJSON, l
}

// appendPart appends what a literal says, in a form that neither another
// literal nor what follows can be taken for: of what sort it is, its length,
// and its value.
func appendPart(dst []byte, l literal, spaced bool) []byte {
	switch n := len(l) - len(`""`); {
	case len(l) == 0:
		return append(dst, saysNothing)
	case l[0] == '"' && n < 0x80 && bytes.IndexByte(l, '\\') < 0: // as most are: what follows comes to the same
		dst = append(dst, saysText, byte(n))
		return append(dst, l[1:n+1]...)
	}
	sort, value := said(l, spaced)
	if len(value) < 0x80 { // as AppendUvarint does
		dst = append(dst, sort, byte(len(value)))
	} else {
		dst = binary.AppendUvarint(append(dst, sort), uint64(len(value)))
	}
	return append(dst, value...)
}
