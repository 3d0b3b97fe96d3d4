package file

import (
	"encoding/binary"
	"math"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/internal/boltfile"
)

// A set is the delivered events of a handler in a file. It has two buckets there.
//
// One has the events: the key, and the second in which its window ends. The
// bucket's sequence counts them.
//
// The other has the same keys by the minute in which their windows end, in
// lists of up to listKeys: what is due is found without looking at the rest.
// It leaves with the events that come later, a bit at a time, and those take
// its place in the file.
type set struct {
	file           *boltfile.File
	events, expiry []byte // names of the buckets
	now            func() time.Time
}

const (
	keySize  = len(store.Key{})
	slot     = 60 // seconds
	listKeys = 64
)

func newSet(file *boltfile.File, name string, now func() time.Time) *set {
	return &set{file, []byte("dedup.events/" + name), []byte("dedup.expiry/" + name), now}
}

// Find implements local.Set.
func (s *set) Find(events []store.Key, states []store.State) error {
	return s.file.View(func(tx *bbolt.Tx) error {
		bucket := tx.Bucket(s.events)
		if bucket == nil {
			return nil
		}
		now := s.now()
		for i := range events {
			if delivered(bucket.Get(events[i][:]), now) {
				states[i] = store.Delivered
			}
		}
		return nil
	})
}

// delivered reports whether the window of an event has not ended.
func delivered(value []byte, now time.Time) bool {
	return len(value) == 4 && now.Unix() < int64(binary.BigEndian.Uint32(value))
}

// Add implements local.Set.
func (s *set) Add(events []store.Key, window time.Duration) error {
	now := s.now()
	end := min(now.Add(window+time.Second-1).Unix(), math.MaxUint32) // rounded up
	value := binary.BigEndian.AppendUint32(nil, uint32(end))
	return s.file.Update(func(tx *bbolt.Tx) error {
		bucket, err := tx.CreateBucketIfNotExists(s.events)
		if err != nil {
			return err
		}
		expiry, err := tx.CreateBucketIfNotExists(s.expiry)
		if err != nil {
			return err
		}
		size := bucket.Sequence()
		for i := range events {
			if bucket.Get(events[i][:]) == nil {
				size++
			}
			if err := bucket.Put(events[i][:], value); err != nil {
				return err
			}
		}
		if err := list(expiry, uint32(end/slot), events); err != nil {
			return err
		}
		expired, err := expire(bucket, expiry, now, 1+2*len(events)/listKeys)
		if err != nil {
			return err
		}
		return bucket.SetSequence(size - expired)
	})
}

// size returns how many events the set has.
func (s *set) size() (n int64, err error) {
	err = s.file.View(func(tx *bbolt.Tx) error {
		if bucket := tx.Bucket(s.events); bucket != nil {
			n = int64(bucket.Sequence())
		}
		return nil
	})
	return n, err
}

// list appends keys to the lists of a slot. Lists are keyed by slot and number.
func list(expiry *bbolt.Bucket, slot uint32, keys []store.Key) error {
	expiry.FillPercent = 0.9 // what comes later comes last
	place := binary.BigEndian.AppendUint32(nil, slot)
	var number uint32
	var last []byte
	cursor := expiry.Cursor()
	cursor.Seek(binary.BigEndian.AppendUint32(nil, slot+1))
	k, v := cursor.Prev()
	if k == nil { // nothing is behind the slot
		k, v = cursor.Last()
	}
	if len(k) == 8 && slices.Equal(k[:4], place) {
		number, last = binary.BigEndian.Uint32(k[4:]), v
	}
	for len(keys) > 0 {
		if len(last) >= listKeys*keySize {
			number++
			last = nil
		}
		n := min(len(keys), listKeys-len(last)/keySize)
		next := make([]byte, 0, len(last)+n*keySize)
		next = append(next, last...)
		for i := range keys[:n] {
			next = append(next, keys[i][:]...)
		}
		keys = keys[n:]
		if err := expiry.Put(binary.BigEndian.AppendUint32(slices.Clone(place), number), next); err != nil {
			return err
		}
		last = next
	}
	return nil
}

// expire drops the events of up to so many lists whose slot has passed, and
// returns how many. An event that was delivered again since stays; it is in a
// later list, too.
func expire(bucket, expiry *bbolt.Bucket, now time.Time, lists int) (expired uint64, err error) {
	for range lists {
		k, v := expiry.Cursor().First()
		if len(k) != 8 || int64(binary.BigEndian.Uint32(k)+1)*slot > now.Unix() {
			return expired, nil
		}
		place := slices.Clone(k)
		for key := range slices.Chunk(slices.Clone(v), keySize) {
			known := bucket.Get(key)
			if known == nil || delivered(known, now) {
				continue
			}
			if err := bucket.Delete(key); err != nil {
				return expired, err
			}
			expired++
		}
		if err := expiry.Delete(place); err != nil {
			return expired, err
		}
	}
	return expired, nil
}
