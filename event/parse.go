package event

import (
	"errors"
	"strconv"
	"sync"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// Parse turns a notification into its events, in the order in which they
// stand in it.
//
// It accepts every valid JSON text in UTF-8 whose objects name no member
// twice. What it does not recognize becomes an event of kind unrecognized, so
// that nothing Meta sends is lost: there is an event for every update, and a
// notification without updates gives none.
//
// The events share the bytes of body, which must not change while they are in
// use. The error is an [*Error].
func Parse(body []byte) ([]Event, error) {
	if !utf8.Valid(body) {
		return nil, &Error{Reason: ErrNotUTF8}
	}
	s := scanners.Get().(*scanner)
	defer s.release()
	if err := s.scan(body); err != nil {
		return nil, parseError(err)
	}
	return s.build(), nil
}

// The reasons why a body is no notification.
var (
	ErrNotUTF8       = errors.New("not UTF-8")
	ErrNotJSON       = errors.New("not JSON")
	ErrDuplicateName = errors.New("duplicate member name")
)

// Error says why and where a body is no notification, in words that hold
// nothing of it.
type Error struct {
	// One of [ErrNotUTF8], [ErrNotJSON] and [ErrDuplicateName].
	Reason error
	// How many bytes into the body the parser came; 0 with ErrNotUTF8.
	Offset int64
}

// Error implements error.
func (e *Error) Error() string {
	if e.Offset == 0 {
		return e.Reason.Error()
	}
	return e.Reason.Error() + " near byte " + strconv.FormatInt(e.Offset, 10)
}

// Unwrap returns the reason.
func (e *Error) Unwrap() error { return e.Reason }

// parseError keeps of jsontext's error what holds nothing of the body: it
// quotes characters and names from it.
func parseError(err error) *Error {
	e := &Error{Reason: ErrNotJSON}
	if errors.Is(err, jsontext.ErrDuplicateName) {
		e.Reason = ErrDuplicateName
	}
	if syntax, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		e.Offset = syntax.ByteOffset
	}
	return e
}

// The decoder's options: an escaped half of a surrogate pair is no error, and
// raw bytes that are not UTF-8 have been refused before it runs.
var strict = jsontext.AllowInvalidUTF8(true)

// Scanners are used again, with their scratch space, for the next
// notification.
var scanners = sync.Pool{New: func() any { return &scanner{dec: new(jsontext.Decoder)} }}
