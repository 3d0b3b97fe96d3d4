package event

import (
	"bytes"
	"io"
	"slices"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
)

// A scanner reads a notification, and writes down where its updates are. It
// makes no events while it reads: the entry's id and time may come after the
// updates.
type scanner struct {
	dec *jsontext.Decoder
	src bytes.Buffer

	reader
	doc      *document
	whatsApp bool // the notification that is being read is WhatsApp's
	object   span // that it names

	entries []entry
	updates []draft
	keys    []byte // the natural keys of the updates

	change    change   // that is being read
	found     captures // in the item or the value that is being read
	inElement captures // in the element of its list
	itemKind  kind     // of the item that is being read, or 0

	identity identity
}

// A draft is an update, and what its ID and its conversation will be made of.
type draft struct {
	update
	key   span // in scanner.keys: a natural key, or what stands beside the data
	keyed bool // it is a natural key
	own   bool // the data names an id of its own
	sides bool // party and other are the sides of a conversation, in which
	echo  bool // the customer is the other one
	other span
}

// most is how much scratch space is worth keeping: Meta sends up to a thousand
// updates at once.
const most = 1 << 12

// The decoder's options: an escaped half of a surrogate pair is no error, and
// raw bytes that are not UTF-8 have been refused before it runs.
var strict = jsontext.AllowInvalidUTF8(true)

// Scanners are used again, with their scratch space, for the next
// notification.
var scanners = sync.Pool{New: func() any { return newScanner() }}

func newScanner() *scanner { return &scanner{dec: new(jsontext.Decoder)} }

// validate returns an error unless the body is one JSON text.
func (s *scanner) validate(body []byte) error {
	s.src = *bytes.NewBuffer(body)
	s.dec.Reset(&s.src, strict)
	if _, err := s.dec.ReadValue(); err != nil {
		return err
	}
	if s.dec.InputOffset() == int64(len(body)) {
		return nil
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

// read reads a body, and reports whether it is certain that it is valid. It
// may be so all the same where it is not certain.
func (s *scanner) read(body []byte) (certain bool) {
	defer func() {
		switch p := recover(); p {
		case nil:
		case unsure{}:
			s.clear()
		default:
			panic(p)
		}
	}()
	s.readAll(body, false)
	for _, c := range body[s.pos:] {
		if !isBlank(c) {
			panic(unsure{})
		}
	}
	return true
}

// scan reads a body that is valid.
func (s *scanner) scan(body []byte) { s.readAll(body, true) }

func (s *scanner) readAll(body []byte, vetted bool) {
	s.begin(body, vetted)
	s.doc = &document{body: body}
	s.token()
	s.each(s.notification)
}

// release forgets the notification and keeps the scanner for the next one,
// unless it has grown beyond what is worth keeping.
func (s *scanner) release() {
	if cap(s.updates) > most || cap(s.entries) > most || cap(s.keys) > most<<6 || cap(s.identity.buf) > most<<6 {
		return
	}
	s.clear()
	scanners.Put(s)
}

// clear forgets the notification, and keeps the scratch space.
func (s *scanner) clear() {
	s.updates, s.entries, s.keys = s.updates[:0], s.entries[:0], s.keys[:0]
	s.begin(nil, false)
	s.doc = nil
	s.identity.forget()
	s.src = bytes.Buffer{}
	s.dec.Reset(&s.src)
}

// each reads with read every element of the array that comes next, or what
// comes next if it is no array.
func (s *scanner) each(read func()) {
	if s.peek() != '[' {
		read()
		return
	}
	for in := s.open(); s.nextElement(&in); {
		read()
	}
}

// literal returns a value of the body.
func (s *scanner) literal(at span) literal { return s.text[at.from:at.to] }

// newEntry adds an entry to those of the notification, and returns it.
func (s *scanner) newEntry() *entry {
	s.entries = append(room(s.entries, &s.reader), entry{object: s.object})
	return &s.entries[len(s.entries)-1]
}

// add adds an update of the entry that is being read, and returns it.
func (s *scanner) add(k kind) *draft {
	s.updates = append(room(s.updates, &s.reader), draft{update: update{entry: uint32(len(s.entries) - 1), kind: k}})
	return &s.updates[len(s.updates)-1]
}

// unrecognized adds what stands there as an update that the contract does not
// name.
func (s *scanner) unrecognized(at span) { s.add(kindUnrecognized).data[0] = at }

// room makes room for all that may be in the rest of the text, where a comma
// stands between any two, once there is more than Meta sends. To grow step by
// step would take several times as much.
func room[T any](all []T, rest *reader) []T {
	if len(all) < cap(all) || len(all) < most {
		return all
	}
	return slices.Grow(all, bytes.Count(rest.text[rest.pos:], []byte{','})+1)
}
