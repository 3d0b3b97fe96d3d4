package event

import (
	"bytes"
	"math"
	"strconv"
	"strings"
	"time"
)

// The notations of ISO 8601 that Meta's products use: RFC 3339, and the same
// with an offset without a colon.
var timeLayouts = []string{time.RFC3339, "2006-01-02T15:04:05-0700"}

// Numbers from here on are milliseconds. As seconds, they would lie in the
// year 5138; as milliseconds, numbers below it lie before March 1973.
const firstMillisecond = 1e11

// The last second that RFC 3339 can write: the end of the year 9999.
const lastSecond = 253402300799

// parseTime reads a point in time as Meta's products write it: seconds or
// milliseconds since 1970, told apart by their magnitude, as a number or in a
// string, or ISO 8601. It returns the zero time for anything else.
func parseTime(l literal) time.Time {
	text := l.shortText()
	if len(text) == 0 {
		return time.Time{}
	}
	if n, ok := parseInt(text); ok {
		if n >= firstMillisecond {
			return inRange(time.UnixMilli(n))
		}
		return inRange(time.Unix(n, 0))
	}
	if f, err := strconv.ParseFloat(string(text), 64); err == nil && bytes.IndexFunc(text, notDecimal) < 0 {
		if math.Abs(f) >= firstMillisecond {
			f /= 1000
		}
		if !(f >= 0 && f <= lastSecond) {
			return time.Time{}
		}
		return inRange(time.UnixMilli(int64(f * 1000)))
	}
	for _, layout := range timeLayouts {
		if t, err := time.Parse(layout, string(text)); err == nil {
			return inRange(t)
		}
	}
	return time.Time{}
}

// tellsTime reports whether the literal is a point in time. The beginning of
// 1970 is what those write who know of none.
func (l literal) tellsTime() bool {
	if n, ok := parseInt(l.shortText()); ok {
		return n > 0 && (n < firstMillisecond || n <= lastSecond*1000)
	}
	at := parseTime(l)
	return !at.IsZero() && at.Unix() > 0
}

// notDecimal reports whether r stands in no number of JSON, as it may in
// those of Go.
func notDecimal(r rune) bool { return !strings.ContainsRune("0123456789+-.eE", r) }

// parseInt reads a plain decimal number of up to 18 digits, which is every
// time Meta sends, without the allocation of a string.
func parseInt(text []byte) (n int64, ok bool) {
	if len(text) > 18 {
		return 0, false
	}
	for _, c := range text {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}

// inRange returns t in UTC, or the zero time if RFC 3339 cannot write it.
func inRange(t time.Time) time.Time {
	if s := t.Unix(); s < 0 || s > lastSecond {
		return time.Time{}
	}
	return t.UTC()
}
