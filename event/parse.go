package event

import (
	"errors"
	"strconv"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// MaxSize is how many bytes a notification may have. Meta's have a few
// million at most.
const MaxSize = 1 << 26

// Parse turns a notification into its events, in the order in which they
// stand in it.
//
// It accepts every valid JSON text in UTF-8 of up to [MaxSize] bytes that is
// nested no deeper than 10,000 levels and whose objects name no member twice.
// What it does not recognize becomes an event of kind unrecognized, so
// that nothing Meta sends is lost: there is an event for every update, and a
// notification without updates gives none.
//
// The events share the bytes of body, which must not change while they are in
// use. The error is an [*Error].
func Parse(body []byte) ([]Event, error) {
	if len(body) > MaxSize {
		return nil, &Error{Reason: ErrTooLarge}
	}
	if !utf8.Valid(body) {
		return nil, &Error{Reason: ErrNotUTF8}
	}
	s := scanners.Get().(*scanner)
	defer s.release()
	if !s.read(body) {
		if err := s.validate(body); err != nil {
			return nil, parseError(err)
		}
		s.scan(body)
	}
	return s.events(), nil
}

// The reasons why a body is no notification.
var (
	ErrTooLarge      = errors.New("too large")
	ErrNotUTF8       = errors.New("not UTF-8")
	ErrNotJSON       = errors.New("not JSON")
	ErrDuplicateName = errors.New("duplicate member name")
)

// Error says why and where a body is no notification, in words that hold
// nothing of it.
type Error struct {
	// One of [ErrTooLarge], [ErrNotUTF8], [ErrNotJSON] and [ErrDuplicateName].
	Reason error
	// How many bytes into the body the parser came; 0 with ErrTooLarge and
	// ErrNotUTF8.
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
