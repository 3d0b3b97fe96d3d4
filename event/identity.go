package event

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
)

// ID tells an event from all others. The same update has the same ID each
// time Meta sends it, on every machine: it is the first 16 bytes of a SHA-256
// over the update's object, entry and kind, and either its natural key or its
// data, its entry's time and its ordinal among equal ones in the notification.
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

// naturalKey appends the natural key that is the first of a kind's to fit to
// s.keys, and returns where it is. The span is empty where none fits.
func (s *scanner) naturalKey(rules []naturalKey, found *captures) span {
next:
	for i := range rules {
		rule := &rules[i]
		for _, m := range rule.must {
			if !s.literal(found[m]).present() {
				continue next
			}
		}
		if rule.object != "" && !s.doc.literal(s.object).says(rule.object) {
			return span{}
		}
		from := len(s.keys)
		s.keys = append(s.keys, byte(i+1))
		for _, m := range rule.must {
			s.keys = appendPart(s.keys, s.literal(found[m]), s.spaced)
		}
		for _, m := range rule.may {
			s.keys = appendPart(s.keys, s.literal(found[m]), s.spaced)
		}
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
		ev.doc, ev.update = s.doc, u.update
		if phone := s.literal(u.phone); !u.key.empty() && (u.whole() || phone.present()) {
			ev.id = s.identity.natural(&u.update, phone, s.keys[u.key.from:u.key.to])
		} else {
			ev.id = s.identity.plain(&u.update)
		}
	}
	return events
}

// identity computes IDs, with scratch space that is used again.
type identity struct {
	doc    *document
	spaced bool          // the document holds white space that has no meaning
	seen   map[ID]uint32 // how many events without a natural key had the ID

	buf    []byte
	entry  *entry // of which buf begins with object and origin
	prefix int

	head, tail span              // of which around is the digest
	around     [sha256.Size]byte // stands for head and tail in IDs
}

// start begins with the events of another document.
func (h *identity) start(doc *document, spaced bool) {
	h.doc, h.spaced = doc, spaced
	h.entry, h.head = nil, span{}
	if h.seen == nil {
		h.seen = make(map[ID]uint32)
	}
}

// forget keeps nothing but the room.
func (h *identity) forget() {
	clear(h.seen)
	*h = identity{buf: h.buf[:0], seen: h.seen}
}

// natural returns the ID of an event with a natural key, which for WhatsApp
// is one of a phone number.
func (h *identity) natural(u *update, phone literal, key []byte) ID {
	h.begin(u, 'k')
	h.buf = appendPart(h.buf, phone, h.spaced)
	h.buf = append(h.buf, key...)
	return h.sum()
}

// plain returns the ID of an event without a natural key.
func (h *identity) plain(u *update) ID {
	data := u.data[0]
	if !u.whole() {
		h.digest(u)
		data = u.data[1]
	}
	h.begin(u, 'd')
	h.buf = appendPart(h.buf, h.doc.literal(h.entry.time), h.spaced)
	ordinal := len(h.buf)
	h.buf = append(h.buf, 0, 0, 0, 0)
	if !u.whole() {
		h.buf = append(h.buf, h.around[:]...)
	}
	h.buf = appendCompact(h.buf, h.doc.literal(data), h.spaced)
	id := h.sum()
	n := h.seen[id]
	h.seen[id] = n + 1
	if n == 0 {
		return id
	}
	binary.BigEndian.PutUint32(h.buf[ordinal:], n)
	return h.sum()
}

// begin writes what is a part of every identity, and which form follows.
func (h *identity) begin(u *update, form byte) {
	if e := &h.doc.entries[u.entry]; e != h.entry {
		h.buf = appendPart(h.buf[:0], h.doc.literal(e.object), h.spaced)
		h.buf = appendPart(h.buf, h.doc.origin(e), h.spaced)
		h.entry, h.prefix = e, len(h.buf)
	}
	h.buf = appendPart(h.buf[:h.prefix], h.doc.kindLiteral(u), h.spaced)
	h.buf = append(h.buf, form)
}

// digest has around stand for what is before and behind the event's element.
func (h *identity) digest(u *update) {
	if u.data[0] == h.head && u.data[2] == h.tail {
		return
	}
	h.head, h.tail = u.data[0], u.data[2]
	h.buf = appendCompact(h.buf[:0], h.doc.literal(h.head), h.spaced)
	h.buf = appendCompact(append(h.buf, 0), h.doc.literal(h.tail), h.spaced)
	h.around, h.entry = sha256.Sum256(h.buf), nil
}

func (h *identity) sum() ID {
	sum := sha256.Sum256(h.buf)
	return ID(sum[:len(ID{})])
}

// appendPart appends what a literal says, in a form that neither another
// literal nor what follows can be taken for: of what sort it is, its length,
// and its text, or else the value without white space. A number says the same
// as a string of its digits.
func appendPart(dst []byte, l literal, spaced bool) []byte {
	if len(l) == 0 {
		return append(dst, 'n')
	}
	sort, value := byte('t'), []byte(l)
	switch {
	case l[0] == '"':
		text, ok := unquote(l)
		if value = text; !ok {
			sort = 'e'
		}
	case !l.isNumber():
		sort = 'j'
		if spaced {
			value = appendCompact(nil, l, spaced)
		}
	}
	dst = binary.AppendUvarint(append(dst, sort), uint64(len(value)))
	return append(dst, value...)
}
