package event

import (
	"bytes"
	"io"
	"net/url"
	"time"
)

// A JSONArray is events in the JSON batch format of CloudEvents, as
// [AppendJSONArray] writes it. It takes more room than the notification, and
// exists only in the pieces in which it is read.
type JSONArray struct {
	events []Event
	size   int
}

// NewJSONArray returns the events as a JSON array.
func NewJSONArray(events []Event) *JSONArray {
	size := len("[]") + max(0, len(events)-1)
	var (
		last          *Event
		shared, timed int
	)
	for i := range events {
		e := &events[i]
		if last == nil || !e.sharesAttributes(last) {
			shared = e.sharedLen()
		}
		if last == nil || !e.sharesTime(last) {
			timed = e.timeLen()
		}
		size += shared + timed + e.ownLen()
		last = e
	}
	return &JSONArray{events, size}
}

// Len returns how many bytes the array has.
func (a *JSONArray) Len() int { return a.size }

// Reader returns a reader of the array, which is independent of all others.
func (a *JSONArray) Reader() *JSONArrayReader { return &JSONArrayReader{array: a} }

// A JSONArrayReader reads a JSONArray.
type JSONArrayReader struct {
	array *JSONArray
	next  int     // the event that comes next
	piece []byte  // of the array
	read  int     // how much of the piece
	enc   encoder // of the piece
}

// pieceSize is how many bytes are made at a time, and a few more.
const pieceSize = 16 << 10

// Read implements io.Reader.
func (r *JSONArrayReader) Read(p []byte) (n int, err error) {
	if r.read == len(r.piece) && !r.more() {
		return 0, io.EOF
	}
	n = copy(p, r.piece[r.read:])
	r.read += n
	return n, nil
}

// more makes the next piece, and reports whether there is one.
func (r *JSONArrayReader) more() bool {
	events := r.array.events
	if r.next > len(events) {
		return false
	}
	if r.piece == nil {
		r.piece = make([]byte, 0, min(r.array.size, pieceSize+pieceSize/4))
	}
	r.piece, r.read, r.enc = r.piece[:0], 0, encoder{}
	if r.next == 0 {
		r.piece = append(r.piece, '[')
	}
	for ; r.next < len(events) && len(r.piece) < pieceSize; r.next++ {
		if r.next > 0 {
			r.piece = append(r.piece, ',')
		}
		r.piece = r.enc.append(r.piece, &events[r.next])
	}
	if r.next == len(events) {
		r.piece = append(r.piece, ']')
		r.next++
	}
	return true
}

// Rewind has the reader begin anew.
func (r *JSONArrayReader) Rewind() { r.next, r.piece, r.read = 0, r.piece[:0], 0 }

// An encoder appends events to one slice. What an event shares with the one
// before, it takes from there.
type encoder struct {
	last                *Event
	origin, time, about section // of it
}

// A section is where in a slice attributes begin and end.
type section struct{ from, to int }

func (enc *encoder) append(dst []byte, e *Event) []byte {
	shares := enc.last != nil && e.sharesAttributes(enc.last)
	sharesTime := enc.last != nil && e.sharesTime(enc.last)
	enc.last = e
	dst = append(dst, `{"specversion":"1.0","id":"`...)
	dst, _ = e.id.AppendText(dst)
	from := len(dst)
	if shares {
		dst = append(dst, dst[enc.origin.from:enc.origin.to]...)
	} else {
		dst = e.appendOriginAndType(dst)
	}
	enc.origin = section{from, len(dst)}
	dst = appendAttribute(dst, `,"subject":`, e.doc.literal(e.subject))
	from = len(dst)
	if sharesTime {
		dst = append(dst, dst[enc.time.from:enc.time.to]...)
	} else {
		dst = e.appendTime(dst)
	}
	enc.time = section{from, len(dst)}
	hasData := e.HasData()
	if hasData {
		dst = append(dst, `,"datacontenttype":"application/json"`...)
	}
	dst = append(dst, `,"partitionkey":"`...)
	dst = append(e.AppendConversation(dst), '"')
	from = len(dst)
	if shares {
		dst = append(dst, dst[enc.about.from:enc.about.to]...)
	} else {
		dst = e.appendAbout(dst)
	}
	enc.about = section{from, len(dst)}
	if hasData {
		dst = append(dst, `,"data":`...)
		dst = e.AppendData(dst)
	}
	return append(dst, '}')
}

// sharesAttributes reports whether the attributes are those of another event
// that come from the entry, the field and the kind.
func (e *Event) sharesAttributes(other *Event) bool {
	return e.entry == other.entry && e.kind == other.kind && e.doc == other.doc &&
		(e.field == other.field || bytes.Equal(e.doc.literal(e.field), e.doc.literal(other.field)))
}

// sharesTime reports whether the time is written as that of another event.
func (e *Event) sharesTime(other *Event) bool {
	if !bytes.Equal(e.doc.literal(e.time), other.doc.literal(other.time)) {
		return false
	}
	at, before := e.at(), other.at()
	return at == before || bytes.Equal(e.doc.literal(at.time), other.doc.literal(before.time))
}

func (e *Event) appendTime(dst []byte) []byte {
	t := e.Time()
	if t.IsZero() {
		return dst
	}
	dst = append(dst, `,"time":"`...)
	dst = t.AppendFormat(dst, time.RFC3339Nano)
	return append(dst, '"')
}

func (e *Event) appendOriginAndType(dst []byte) []byte {
	dst = append(dst, `","source":"`+sourcePrefix...)
	dst = e.appendOrigin(dst)
	dst = append(dst, `","type":"`+typePrefix...)
	return append(e.appendType(dst), '"')
}

func (e *Event) appendAbout(dst []byte) []byte {
	at := e.at()
	dst = appendAttribute(dst, `,"metaobject":`, e.doc.literal(at.object))
	dst = appendAttribute(dst, `,"metaentry":`, e.doc.literal(at.id))
	dst = appendAttribute(dst, `,"metauid":`, e.doc.literal(at.uid))
	return appendAttribute(dst, `,"metafield":`, e.fieldLiteral())
}

// sharedLen returns how many bytes the attributes have that come from the
// entry, the field and the kind.
func (e *Event) sharedLen() int {
	at, n := e.at(), len(`","source":"`+sourcePrefix+`","type":"`+typePrefix+`."`)
	if origin := e.origin(); isPlain(origin.raw()) {
		n += len(origin.raw())
	} else {
		n += len(url.PathEscape(string(origin.text())))
	}
	return n + typePartLen(e.objectLiteral()) + typePartLen(e.doc.kindLiteral(&e.update)) +
		attributeLen(`,"metaobject":`, e.doc.literal(at.object)) +
		attributeLen(`,"metaentry":`, e.doc.literal(at.id)) +
		attributeLen(`,"metauid":`, e.doc.literal(at.uid)) +
		attributeLen(`,"metafield":`, e.fieldLiteral())
}

// ownLen returns how many bytes the rest of the event has.
func (e *Event) ownLen() int {
	n := len(`{"specversion":"1.0","id":"`) + 2*len(e.id) + attributeLen(`,"subject":`, e.doc.literal(e.subject)) +
		len(`,"partitionkey":"`) + e.conversationLen() + len(`"}`)
	if e.HasData() {
		n += len(`,"datacontenttype":"application/json","data":`)
	}
	for _, part := range e.data {
		n += part.len()
	}
	return n
}

// timeLen returns how many bytes appendTime appends.
func (e *Event) timeLen() int {
	t := e.Time()
	if t.IsZero() {
		return 0
	}
	n := len(`,"time":""`) + len("2006-01-02T15:04:05Z")
	if part := t.Nanosecond(); part != 0 {
		n += len(".999999999")
		for ; part%10 == 0; part /= 10 {
			n--
		}
	}
	return n
}

// attributeLen returns how many bytes appendAttribute appends.
func attributeLen(name string, value literal) int {
	switch {
	case !value.saysSomething():
		return 0
	case value[0] == '"':
		return len(name) + len(value)
	}
	return len(name) + len(`""`) + len(value)
}

// typePartLen returns how many bytes appendTypePart appends.
func typePartLen(l literal) int {
	if raw := l.raw(); isPlain(raw) {
		return len(raw)
	}
	return len(appendTypePart(nil, l))
}
