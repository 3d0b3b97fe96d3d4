package event

import (
	"bytes"
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

// naturalKey appends the natural key that is the first to fit to s.keys, and
// returns where it is and for which object it counts. The span is empty where
// none fits.
func (s *scanner) naturalKey(rules []naturalKey, kind literal, found *captures) (key span, object string) {
	name := kind.text()
	form := byte(0) // which of the kind's rules it is
next:
	for i := range rules {
		rule := &rules[i]
		if rule.kind != string(name) {
			continue
		}
		form++
		for _, m := range rule.must {
			if !found[m].present() {
				continue next
			}
		}
		key.from = len(s.keys)
		s.keys = append(s.keys, form)
		for _, m := range rule.must {
			s.keys = appendPart(s.keys, found[m])
		}
		for _, m := range rule.may {
			s.keys = appendPart(s.keys, found[m])
		}
		key.to = len(s.keys)
		return key, rule.object
	}
	return span{}, ""
}

// identity computes IDs, with scratch space that is used again.
type identity struct {
	buf  []byte
	seen map[ID]uint32 // how many events without a natural key had the ID
}

// natural returns the ID of an event with a natural key, which for WhatsApp
// is one of a phone number.
func (h *identity) natural(e *entry, kind, phone literal, key []byte) ID {
	h.begin(e, kind, 'k')
	h.buf = appendPart(h.buf, phone)
	h.buf = append(h.buf, key...)
	return h.sum()
}

// plain returns the ID of an event without a natural key. The digest stands
// for a part of its data, and may be empty.
func (h *identity) plain(e *entry, kind literal, digest []byte, data literal) ID {
	h.begin(e, kind, 'd')
	h.buf = appendPart(h.buf, e.time)
	ordinal := len(h.buf)
	h.buf = append(h.buf, 0, 0, 0, 0)
	h.buf = append(h.buf, digest...)
	h.buf = appendCompact(h.buf, data)
	id := h.sum()
	if h.seen == nil {
		h.seen = make(map[ID]uint32)
	}
	n := h.seen[id]
	h.seen[id] = n + 1
	if n == 0 {
		return id
	}
	binary.BigEndian.PutUint32(h.buf[ordinal:], n)
	return h.sum()
}

// begin writes what is a part of every identity, and which form follows.
func (h *identity) begin(e *entry, kind literal, form byte) {
	h.buf = appendPart(h.buf[:0], e.object)
	h.buf = appendPart(h.buf, e.origin())
	h.buf = appendPart(h.buf, kind)
	h.buf = append(h.buf, form)
}

func (h *identity) sum() ID {
	sum := sha256.Sum256(h.buf)
	return ID(sum[:len(ID{})])
}

// appendPart appends what a literal says, in a form that neither another
// literal nor what follows can be taken for: of what sort it is, its length,
// and its text, or else the value without white space. A number says the same
// as a string of its digits.
func appendPart(dst []byte, l literal) []byte {
	if l == nil {
		return append(dst, 'n')
	}
	sort, value := byte('t'), l.text()
	switch {
	case value == nil:
		sort, value = 'j', appendCompact(nil, l)
	case l[0] == '"' && len(value) == len(l)-2 && bytes.IndexByte(value, '\\') >= 0:
		sort = 'e' // escapes that say nothing in Unicode
	}
	dst = binary.AppendUvarint(append(dst, sort), uint64(len(value)))
	return append(dst, value...)
}
