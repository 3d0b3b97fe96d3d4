package event

import (
	"encoding/binary"
	"math/bits"
)

// A cursor walks over JSON that is known to be valid. That is why commas and
// colons can be white space to it, and why it never has to ask whether
// something ends.
type cursor struct {
	text   []byte
	pos    int
	spaced bool // white space stood between the tokens it came by
}

// A span is where something stands. The empty one is nowhere: no value of
// JSON is empty.
type span struct{ from, to uint32 }

func (s span) empty() bool { return s.from == s.to }

func (s span) len() int { return int(s.to - s.from) }

func spanOf(from, to int) span { return span{uint32(from), uint32(to)} }

// peek returns the first byte of the value that comes next.
func (c *cursor) peek() byte { return c.text[c.pos] }

// enter goes into the object or the array that comes next.
func (c *cursor) enter() { c.pos++ }

// next goes to the next element, or the name of the next member, and reports
// whether there is one. Where there is none, it goes behind the whole.
func (c *cursor) next() bool {
	c.gap()
	if k := c.peek(); k != '}' && k != ']' {
		return true
	}
	c.pos++
	return false
}

// gap goes to whatever comes next.
func (c *cursor) gap() {
	text, i := c.text, c.pos
	for i < len(text) && isGap[text[i]] {
		if text[i] <= ' ' {
			c.spaced = true
		}
		i++
	}
	c.pos = i
}

// name reads what the name of a member says, and goes to its value.
func (c *cursor) name() []byte {
	from := c.pos
	end, escaped := stringEnd(c.text, from)
	c.pos = end
	c.gap()
	if escaped {
		text, _ := unquote(c.text[from:end])
		return text
	}
	return c.text[from+1 : end-1]
}

// value reads the value that comes next, whatever it is.
func (c *cursor) value() span {
	from := c.pos
	c.skip()
	return spanOf(from, c.pos)
}

// skip goes behind the value that comes next.
func (c *cursor) skip() {
	switch c.peek() {
	case '"':
		c.pos, _ = stringEnd(c.text, c.pos)
	case '{', '[':
		c.skipNested()
	default:
		for c.pos < len(c.text) && !endsScalar[c.text[c.pos]] {
			c.pos++
		}
	}
}

func (c *cursor) skipNested() {
	depth := 0
	for i := c.pos; i < len(c.text); i++ {
		switch c.text[i] {
		case '"':
			end, _ := stringEnd(c.text, i)
			i = end - 1
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				c.pos = i + 1
				return
			}
		case ' ', '\t', '\n', '\r':
			c.spaced = true
		}
	}
}

// find goes to the value of a member of the object that comes next, and
// reports whether there is one. Where there is none, it stays.
func (c *cursor) find(name string) bool {
	start := c.pos
	for c.enter(); c.next(); c.skip() {
		if string(c.name()) == name {
			return true
		}
	}
	c.pos = start
	return false
}

var (
	// What stands between tokens.
	isGap = [256]bool{',': true, ':': true, ' ': true, '\t': true, '\n': true, '\r': true}
	// What may follow a number or a word.
	endsScalar = [256]bool{',': true, '}': true, ']': true, ' ': true, '\t': true, '\n': true, '\r': true}
)

// What looks for quotes and backslashes in eight bytes at once.
const (
	ones        = 0x0101010101010101
	tops        = 0x80 * ones
	quotes      = '"' * ones
	backslashes = '\\' * ones
)

// stringEnd returns the offset behind the JSON string that begins at start,
// and whether there is an escape in it.
func stringEnd(text []byte, start int) (end int, escaped bool) {
	i := start + 1
	for i+8 <= len(text) {
		eight := binary.LittleEndian.Uint64(text[i:])
		// The lowest bit that is set is the top of the first byte looked for.
		q, b := eight^quotes, eight^backslashes
		found := ((q-ones)&^q | (b-ones)&^b) & tops
		if found == 0 {
			i += 8
			continue
		}
		if i += bits.TrailingZeros64(found) / 8; text[i] == '"' {
			return i + 1, escaped
		}
		i += 2
		escaped = true
	}
	for ; i < len(text); i++ {
		switch text[i] {
		case '"':
			return i + 1, escaped
		case '\\':
			i++
			escaped = true
		}
	}
	return len(text), escaped
}
