package event

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// A reader walks over a body that need not be JSON, and makes sure that it is
// while it looks for what is in it. To validate first and to read then would
// take every byte into hand twice.
//
// It accepts less than there is. What it refuses, and what it would take
// trouble to be certain of, it leaves to jsontext: it gives up with the panic
// unsure, which scanner.read recovers from, so that no caller of a reader
// ever holds a value that is not valid. If jsontext accepts the body, it is
// read again as a vetted one. The reader is unsure of
//
//   - whatever is no JSON, so that errors are always those of jsontext,
//   - a name with an escape in it, and one whose signature another name of the
//     same object has: they may be duplicates,
//   - more than mostNames members and mostDepth levels that are open at a
//     time.
//
// Meta sends nothing of that sort. That the body is UTF-8 is known before.
type reader struct {
	text   []byte
	pos    int
	spaced bool // white space stood between the tokens it came by
	vetted bool // what comes next is known to be valid

	// Of what is open and was not vetted.
	depth int
	named int
	names [mostNames]uint64 // the signatures of the first named ones
}

// Some forty names are open in the deepest of Meta's objects.
const (
	mostNames = 128
	mostDepth = 64
)

// unsure is what a reader panics with where it gives up.
type unsure struct{}

// begin starts with another text.
func (r *reader) begin(text []byte, vetted bool) {
	r.text, r.pos, r.spaced, r.vetted, r.depth, r.named = text, 0, false, vetted, 0, 0
}

// peek returns the byte that comes next, and 0 at the end, where none is.
func (r *reader) peek() byte {
	if r.pos < len(r.text) {
		return r.text[r.pos]
	}
	return 0
}

// nested reports whether an object or an array comes next.
func (r *reader) nested() bool { return r.peek() == '{' || r.peek() == '[' }

// token goes to the next token, and returns the byte it begins with.
func (r *reader) token() byte {
	if c := r.peek(); c > ' ' {
		return c
	}
	return r.blank()
}

// blank does the same where white space may come first. Hardly any does, and
// token stays small without it.
//
//go:noinline
func (r *reader) blank() byte {
	for isBlank(r.peek()) {
		r.spaced = true
		r.pos++
	}
	return r.peek()
}

func isBlank(c byte) bool { return c == ' ' || c == '\n' || c == '\r' || c == '\t' }

// An opened is an object or an array that a reader has gone into:
//
//	for in := r.open(); r.nextMember(&in); {
//		// in.name is the member's name. Its value has to be read.
//	}
type opened struct {
	name    []byte // of the member that comes next
	started bool   // an element or a member stands before the next
	first   int    // of its names in the reader's
	bloom   uint64 // of the signatures of its names
}

// open goes into the object or the array that comes next.
func (r *reader) open() opened {
	r.pos++
	if !r.vetted {
		if r.depth++; r.depth > mostDepth {
			panic(unsure{})
		}
	}
	return opened{first: r.named}
}

// nextElement goes to the next element of an array, and reports whether there
// is one. Where there is none, it goes behind the array.
func (r *reader) nextElement(in *opened) bool { return r.another(in, ']') }

// nextMember goes to the value of the next member of an object, and reports
// whether there is one. Where there is none, it goes behind the object.
func (r *reader) nextMember(in *opened) bool {
	if !r.another(in, '}') {
		return false
	}
	if r.vetted {
		c := r.trusting()
		in.name = c.name()
		r.follow(&c)
		return true
	}
	text, from := r.text, r.pos+1
	if r.peek() != '"' {
		panic(unsure{})
	}
	to, sign := nameEnd(text, from)
	in.name = text[from:to]
	r.distinct(in, sign)
	if to+2 < len(text) && text[to+1] == ':' && text[to+2] > ' ' {
		r.pos = to + 2
		return true
	}
	if r.pos = to + 1; r.token() != ':' {
		panic(unsure{})
	}
	r.pos++
	r.token()
	return true
}

// another goes to whatever comes next in an object or an array, and reports
// whether that is something else than its end.
func (r *reader) another(in *opened, end byte) bool {
	c := r.peek()
	if c <= ' ' {
		c = r.blank()
	}
	if c == end {
		r.pos++
		r.close(in)
		return false
	}
	if in.started {
		if c != ',' {
			panic(unsure{})
		}
		if r.pos++; r.token() == end {
			panic(unsure{})
		}
	}
	in.started = true
	return true
}

// close forgets what was opened.
func (r *reader) close(in *opened) {
	if !r.vetted {
		r.depth--
		r.named = in.first
	}
}

// distinct makes sure that no name of an object had the signature before.
func (r *reader) distinct(in *opened, sign uint64) {
	bit := uint64(1) << (sign * spread >> 58)
	if r.named == mostNames || in.bloom&bit != 0 && slices.Contains(r.names[in.first:r.named], sign) {
		panic(unsure{})
	}
	in.bloom |= bit
	r.names[r.named] = sign
	r.named++
}

// spread is an odd number whose product with another depends, at the top, on
// all of its bits.
const spread = 0x9e3779b97f4a7c15

// nameEnd returns where the name ends that begins there, and its signature: a
// number that two names share if they are the same, and hardly ever else. Of
// up to seven bytes, it is the name itself, of more a mixture of the first eight, the
// last eight and how many there are.
func nameEnd(text []byte, from int) (to int, sign uint64) {
	to = from
	if from+8 <= len(text) {
		head := binary.LittleEndian.Uint64(text[from:])
		if found := special(head); found != 0 {
			n := bits.TrailingZeros64(found) &^ 7
			if to += n / 8; text[to] == '"' {
				return to, head & (1<<n - 1)
			}
			panic(unsure{})
		}
		to = stringStop(text, from+8)
		tail := binary.LittleEndian.Uint64(text[to-8:])
		sign = head ^ bits.RotateLeft64(tail*spread, 32) ^ uint64(to-from)
	} else {
		to = stringStop(text, from)
		for i, c := range text[from:to] {
			sign |= uint64(c) << (8 * i)
		}
	}
	if to == len(text) || text[to] != '"' {
		panic(unsure{})
	}
	return to, sign
}

// value reads the value that comes next, whatever it is.
func (r *reader) value() span {
	from := r.pos
	r.skip()
	return spanOf(from, r.pos)
}

// skip goes behind the value that comes next.
func (r *reader) skip() {
	if r.vetted {
		c := r.trusting()
		c.skip()
		r.follow(&c)
		return
	}
	switch r.peek() {
	case '"':
		r.skipString()
	case '{':
		for in := r.open(); r.nextMember(&in); {
			r.skip()
		}
	case '[':
		for in := r.open(); r.nextElement(&in); {
			r.skip()
		}
	case 't':
		r.skipWord("true")
	case 'f':
		r.skipWord("false")
	case 'n':
		r.skipWord("null")
	default:
		r.skipNumber()
	}
}

// skipString goes behind the string that comes next.
func (r *reader) skipString() {
	for i := r.pos + 1; ; {
		if i = stringStop(r.text, i); i == len(r.text) {
			panic(unsure{})
		}
		switch r.text[i] {
		case '"':
			r.pos = i + 1
			return
		case '\\':
			i += escapeLen(r.text[i:])
		default:
			panic(unsure{})
		}
	}
}

// stringStop returns where the first byte from i on is that does not stand for
// itself in a string: a quote, a backslash or a control character. It returns
// the length of the text if there is none.
func stringStop(text []byte, i int) int {
	for ; i+8 <= len(text); i += 8 {
		if found := special(binary.LittleEndian.Uint64(text[i:])); found != 0 {
			return i + bits.TrailingZeros64(found)/8
		}
	}
	for i < len(text) && text[i] != '"' && text[i] != '\\' && text[i] >= ' ' {
		i++
	}
	return i
}

// special returns a word whose lowest bit that is set is the top of the first
// of eight bytes that is a quote, a backslash or a control character.
func special(eight uint64) uint64 {
	return ((eight ^ quotes - ones) | (eight ^ backslashes - ones) | (eight - ' '*ones)) &^ eight & tops
}

// escapeLen returns the length of the escape that the text begins with. One of
// half a surrogate pair is as good as any other.
func escapeLen(text []byte) int {
	if len(text) > 1 {
		switch text[1] {
		case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			return 2
		case 'u':
			if len(text) >= 6 && isHex[text[2]] && isHex[text[3]] && isHex[text[4]] && isHex[text[5]] {
				return 6
			}
		}
	}
	panic(unsure{})
}

var isHex = func() (is [256]bool) {
	for _, c := range []byte("0123456789abcdefABCDEF") {
		is[c] = true
	}
	return is
}()

// skipWord goes behind the word, which has to come next.
func (r *reader) skipWord(word string) {
	end := r.pos + len(word)
	if end > len(r.text) || string(r.text[r.pos:end]) != word {
		panic(unsure{})
	}
	r.pos = end
}

// skipNumber goes behind the number, which has to come next.
func (r *reader) skipNumber() {
	if r.peek() == '-' {
		r.pos++
	}
	if r.peek() == '0' {
		r.pos++
	} else {
		r.skipDigits()
	}
	if r.peek() == '.' {
		r.pos++
		r.skipDigits()
	}
	if c := r.peek(); c == 'e' || c == 'E' {
		r.pos++
		if c := r.peek(); c == '+' || c == '-' {
			r.pos++
		}
		r.skipDigits()
	}
}

// skipDigits goes behind digits, one of which at least has to come next.
func (r *reader) skipDigits() {
	i := r.pos
	for i < len(r.text) && r.text[i]-'0' <= 9 {
		i++
	}
	if i == r.pos {
		panic(unsure{})
	}
	r.pos = i
}

// trusting returns a cursor for what comes next, which is vetted.
func (r *reader) trusting() cursor { return cursor{text: r.text, pos: r.pos} }

// follow goes where the cursor has gone.
func (r *reader) follow(c *cursor) {
	r.pos = c.pos
	r.spaced = r.spaced || c.spaced
}
