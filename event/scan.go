package event

import (
	"bytes"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// A scanner reads a notification once, from its first byte to its last, and
// writes down where its updates are. It cannot make events while it reads:
// the object, and the entry's id and time, may come after the updates.
type scanner struct {
	dec  *jsontext.Decoder
	src  bytes.Buffer
	body []byte

	entries  []entry
	updates  []update
	arrays   []array
	elements []element
	keys     []byte // the natural keys

	found        captures // in the item or the value that is being read
	foundElement captures // in the element that is being read
	itemKind     int      // of the item that is being read: index in messagingKinds, or -1

	identity identity
}

// A span is a part of one of the scanner's slices.
type span struct{ from, to int }

func (s span) empty() bool { return s.from == s.to }

// An update becomes one event, or an event for each element of its arrays.
type update struct {
	entry         int // index in scanner.entries
	kind, field   literal
	data          literal
	time, subject literal
	key           span   // in scanner.keys
	keyObject     string // the key counts in notifications of this object only; empty: in all
	value         literal
	valueAt       int     // where value begins in the body
	arrays        span    // in scanner.arrays: the lists in value that hold updates if it is WhatsApp's
	split         []array // those of them that do; set by scanner.build
	phone         literal // WhatsApp's phone_number_id
}

// An array is one of the whatsAppArrays in the value of a change.
type array struct {
	name     literal
	inner    span // in the body: from its first element to its last
	elements span // in scanner.elements
	objects  bool // it holds nothing but objects
}

// is reports whether the array has the name, however that is escaped.
func (a *array) is(name literal) bool { return string(a.name.text()) == string(name.text()) }

// An element is an object in an array.
type element struct {
	data          literal
	time, subject literal
	key           span
}

// scan reads the body.
func (s *scanner) scan(body []byte) error {
	s.body = body
	s.src = *bytes.NewBuffer(body)
	s.dec.Reset(&s.src, strict)
	if err := s.each(s.notification); err != nil {
		return err
	}
	// nothing but white space may come behind it
	_, err := s.dec.ReadToken()
	switch err {
	case io.EOF:
		return nil
	case nil:
		return ErrNotJSON
	}
	return err
}

// release forgets the notification and keeps the scanner for the next one,
// unless it has grown beyond what is worth keeping.
func (s *scanner) release() {
	const most = 1 << 12
	if cap(s.updates) > most || cap(s.elements) > most || cap(s.entries) > most ||
		cap(s.keys) > most<<6 || cap(s.identity.buf) > most<<6 {
		return
	}
	clear(s.entries)
	clear(s.updates)
	clear(s.arrays)
	clear(s.elements)
	s.entries, s.updates, s.arrays, s.elements = s.entries[:0], s.updates[:0], s.arrays[:0], s.elements[:0]
	s.keys = s.keys[:0]
	s.found, s.foundElement = captures{}, captures{}
	s.body, s.src = nil, bytes.Buffer{}
	s.dec.Reset(&s.src)
	clear(s.identity.seen)
	scanners.Put(s)
}

// at returns how far into the body the scanner is.
func (s *scanner) at() int { return int(s.dec.InputOffset()) }

// nested reports whether an object or an array comes next.
func (s *scanner) nested() bool {
	k := s.dec.PeekKind()
	return k == '{' || k == '['
}

// value reads the value that comes next, whatever it is.
func (s *scanner) value() (literal, error) {
	v, err := s.dec.ReadValue()
	if err != nil {
		return nil, err
	}
	return s.body[s.at()-len(v) : s.at()], nil
}

// each reads with read every element of the array that comes next, or what
// comes next if it is no array.
func (s *scanner) each(read func() error) error {
	if s.dec.PeekKind() != '[' {
		return read()
	}
	if _, err := s.dec.ReadToken(); err != nil {
		return err
	}
	for {
		if k := s.dec.PeekKind(); k == ']' || k == jsontext.KindInvalid {
			_, err := s.dec.ReadToken()
			return err
		}
		if err := read(); err != nil {
			return err
		}
	}
}

// object reads the object that comes next. It has read take the value of each
// member.
func (s *scanner) object(read func(name []byte) error) (literal, error) {
	if _, err := s.dec.ReadToken(); err != nil {
		return nil, err
	}
	start := s.at() - 1
	for {
		if k := s.dec.PeekKind(); k == '}' || k == jsontext.KindInvalid {
			if _, err := s.dec.ReadToken(); err != nil {
				return nil, err
			}
			return s.body[start:s.at()], nil
		}
		name, err := s.value()
		if err != nil {
			return nil, err
		}
		if err := read(name.text()); err != nil {
			return nil, err
		}
	}
}

// capture reads the value that comes next, and keeps what the tables ask for
// below n.
func (s *scanner) capture(n *node, into *captures) (literal, error) {
	if s.dec.PeekKind() != '{' {
		return s.value()
	}
	return s.object(func(name []byte) error {
		child := n.child(name)
		switch {
		case child == nil:
			_, err := s.value()
			return err
		case child.array && s.dec.PeekKind() == '[':
			return s.array(child.literal)
		}
		if child.kind >= 0 && (s.itemKind < 0 || child.kind < s.itemKind) {
			s.itemKind = child.kind
		}
		var err error
		if len(child.children) > 0 {
			into[child.member], err = s.capture(child, into)
		} else {
			into[child.member], err = s.value()
		}
		return err
	})
}

// array reads one of the whatsAppArrays.
func (s *scanner) array(name literal) error {
	a := array{name: name, objects: true, elements: span{from: len(s.elements)}}
	a.inner.from = -1
	err := s.each(func() error {
		if s.dec.PeekKind() != '{' {
			a.objects = false
			_, err := s.value()
			return err
		}
		s.foundElement = captures{}
		data, err := s.capture(elementNode, &s.foundElement)
		if err != nil {
			return err
		}
		key, _ := s.naturalKey(elementKeys, name, &s.foundElement)
		if a.inner.from < 0 {
			a.inner.from = s.at() - len(data)
		}
		a.inner.to = s.at()
		s.elements = append(s.elements, element{
			data: data, key: key,
			time: s.foundElement[timestamp], subject: s.foundElement.first(elementSubjects),
		})
		return nil
	})
	a.elements.to = len(s.elements)
	s.arrays = append(s.arrays, a)
	return err
}
