package ledger

import (
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
)

// A record is events that were delivered, and whose windows end together:
//
//	version [1] | until u32, seconds since 1970 | key [16] ...
const (
	version    = 1
	headerSize = 1 + 4
	keySize    = len(store.Key{})
	perRecord  = 1 << 16 // keys: a megabyte
)

// appendRecord appends the record for events.
func appendRecord(b []byte, events []store.Key, until time.Time) []byte {
	b = slices.Grow(b, headerSize+len(events)*keySize)
	b = append(b, version)
	b = binary.LittleEndian.AppendUint32(b, uint32(min(max(until.Unix(), 0), math.MaxUint32)))
	for i := range events {
		b = append(b, events[i][:]...)
	}
	return b
}

var errRecord = errors.New("is of a later version, or not one of this log")

// parseRecord returns the keys of a record, one behind the other.
func parseRecord(r []byte) (keys []byte, until time.Time, err error) {
	if len(r) < headerSize || r[0] != version || (len(r)-headerSize)%keySize != 0 {
		return nil, time.Time{}, errRecord
	}
	return r[headerSize:], time.Unix(int64(binary.LittleEndian.Uint32(r[1:])), 0), nil
}
