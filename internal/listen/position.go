package listen

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A position is where a listener is: it has had every message up to it.
type position struct {
	epoch  string    // of the journal, or inStore
	number uint64    // of the last message
	floor  uint64    // in the store: up to it there is none that was not there yet
	at     time.Time // when the last message was received
}

// inStore is the epoch of positions in a store, which outlives processes.
const inStore = "stored"

// String returns the position as the id of a server-sent event.
func (p position) String() string {
	return fmt.Sprintf("%s.%d.%d.%d", p.epoch, p.number, p.floor, p.at.UnixMilli())
}

// parsePosition reads a position, and reports whether it is one.
func parsePosition(text string) (p position, ok bool) {
	parts := strings.Split(text, ".")
	if len(parts) != 4 || parts[0] == "" {
		return p, false
	}
	p.epoch = parts[0]
	var errs [3]error
	p.number, errs[0] = strconv.ParseUint(parts[1], 10, 64)
	p.floor, errs[1] = strconv.ParseUint(parts[2], 10, 64)
	var at int64
	at, errs[2] = strconv.ParseInt(parts[3], 10, 64)
	p.at = time.UnixMilli(at)
	return p, errs == [3]error{}
}

// key returns what names a message of this position's journal or store.
func (p position) key(number uint64) string { return p.epoch + "." + strconv.FormatUint(number, 10) }
