package client

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// maxEvent is how long an event of a stream may be, and any line of it. The
// largest body that a gateway takes fits into one.
const maxEvent = 128 << 20

var errTooLong = errors.New("an event of the stream is too long")

// An event is a server-sent event.
type event struct {
	id   string // empty if it moves nothing
	name string
	data []byte
}

// An eventReader reads server-sent events.
type eventReader struct {
	lines  *bufio.Reader
	onRead func() // called whenever something has come
	most   int    // bytes of an event
}

// next returns the next event, which may have no data.
func (r *eventReader) next() (e event, err error) {
	hasField, size := false, 0
	for {
		line, err := r.line()
		if err != nil {
			return event{}, err // an event that was cut off is none
		}
		if size += len(line) + 1; size > r.most {
			return event{}, errTooLong
		}
		if len(line) == 0 {
			if hasField {
				return e, nil
			}
			size = 0
			continue
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(name) {
		case "id":
			if hasField = true; bytes.IndexByte(value, 0) < 0 { // else it is to be passed over
				e.id = string(value)
			}
		case "event":
			e.name, hasField = string(value), true
		case "data":
			if e.data != nil {
				e.data = append(e.data, '\n')
			}
			e.data, hasField = append(e.data, value...), true
		}
	}
}

// line returns the next line, without its end.
func (r *eventReader) line() ([]byte, error) {
	var line []byte
	for {
		part, err := r.lines.ReadSlice('\n')
		r.onRead()
		if len(line)+len(part) > r.most {
			return nil, errTooLong
		}
		line = append(line, part...)
		switch {
		case err == nil:
			return bytes.TrimSuffix(line[:len(line)-1], []byte("\r")), nil
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && len(line) > 0:
			return nil, io.ErrUnexpectedEOF
		default:
			return nil, err
		}
	}
}
