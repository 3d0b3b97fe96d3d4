package local

import (
	"crypto/rand"
	"encoding/binary"
	"math/bits"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
)

const (
	// chunkEntries is how many entries are allocated at a time.
	chunkEntries = 128

	// partBits is how many bits of a hash choose the part of a table.
	partBits = 6

	// bucketSlots is how many entries a bucket has room for, and bucketEntries
	// how many there are in one at most, on average.
	bucketSlots   = 12
	bucketEntries = 10
)

// A Table is a hash table of values by the keys of events. Beside an entry it
// takes 6 to 13 bytes for finding it; and it holds no pointers to entries,
// which the garbage collector would follow.
//
// Entries are known by references from 1 up, which stay what they are until
// the entry is reused.
type Table[V any] struct {
	// Keys are hashed with a secret, or one who sends many events could choose
	// those that stand in each other's way.
	secret [2]uint64

	parts      [1 << partBits]part
	chunks     []*[chunkEntries]entry[V]
	made       uint32 // references that were ever given out
	free, last uint32 // the list of free entries
}

// An entry of the list of free ones has the next one in the place of the key.
type entry[V any] struct {
	key   store.Key
	value V
}

// A part is what finds a part of the entries. Parts grow on their own, so that
// no caller waits for a whole table to grow.
type part struct {
	buckets []bucket // their number is a power of two
	used    int
}

// A bucket has references to entries, and a tag of each, which is a few bits of
// the hash: a search hardly looks at an entry that it does not want. The bucket
// is as large as a line of a processor's cache.
//
// An entry whose bucket is full is in the next one that is not. A bucket counts
// those that have passed it, so that a search ends where none has.
type bucket struct {
	tags   [bucketSlots]uint8 // 0 is free, others have tagBit
	passed uint32
	refs   [bucketSlots]uint32
}

const tagBit = 0x80

// slots is a set of slots of a bucket: bit 8i is slot i, and 8i+1 is slot 8+i.
type slots uint64

func (s slots) first() uint {
	bit := uint(bits.TrailingZeros64(uint64(s)))
	return bit/8 + bit%8*8
}

func (s slots) rest() slots { return s & (s - 1) }

// with returns the slots with a tag, all at once. Of those that are not free,
// it may add some with the tag that differs in the last bit.
func (b *bucket) with(tag uint8) slots {
	const each = 0x0101010101010101
	low := binary.LittleEndian.Uint64(b.tags[:8]) ^ each*uint64(tag)
	high := uint64(binary.LittleEndian.Uint32(b.tags[8:])) ^ each*uint64(tag)
	low = (low - each) &^ low & (each * tagBit)
	high = (high - each) &^ high & (each * tagBit >> 32)
	return slots(low>>7 | high>>6)
}

// NewTable returns an empty table.
func NewTable[V any]() Table[V] {
	var random [16]byte
	_, _ = rand.Read(random[:])
	return Table[V]{secret: [2]uint64{binary.NativeEndian.Uint64(random[:8]), binary.NativeEndian.Uint64(random[8:])}}
}

// Reserve makes room for so many entries in an empty table.
func (t *Table[V]) Reserve(entries int) {
	t.chunks = make([]*[chunkEntries]entry[V], (entries+chunkEntries-1)/chunkEntries)
	room := make([]entry[V], len(t.chunks)*chunkEntries)
	for i := range t.chunks {
		t.chunks[i] = (*[chunkEntries]entry[V])(room[i*chunkEntries:])
	}
	buckets := 1
	for buckets*bucketEntries*len(t.parts) < entries {
		buckets *= 2
	}
	for i := range t.parts {
		t.parts[i].buckets = make([]bucket, buckets)
	}
}

// A place is where to search, and for what tag.
type place struct {
	part *part
	hash uint64
	tag  uint8
}

func (t *Table[V]) place(key *store.Key) place {
	a, b := binary.LittleEndian.Uint64(key[:8]), binary.LittleEndian.Uint64(key[8:])
	high, low := bits.Mul64(a^t.secret[0], b^t.secret[1])
	hash := high ^ low
	return place{&t.parts[hash>>(64-partBits)], hash, tagBit | uint8(hash>>(64-partBits-8))}
}

// bucket returns the bucket that a search comes to after i others.
func (p *place) bucket(i int) *bucket {
	return &p.part.buckets[(p.hash+uint64(i))&uint64(len(p.part.buckets)-1)]
}

// Value returns the value of an entry.
func (t *Table[V]) Value(ref uint32) *V { return &t.entry(ref).value }

func (t *Table[V]) entry(ref uint32) *entry[V] {
	return &t.chunks[(ref-1)/chunkEntries][(ref-1)%chunkEntries]
}

// Find returns the reference of an entry, 0 if there is none.
func (t *Table[V]) Find(key *store.Key) uint32 {
	p := t.place(key)
	for i := range p.part.buckets {
		b := p.bucket(i)
		for s := b.with(p.tag); s != 0; s = s.rest() {
			if ref := b.refs[s.first()]; t.entry(ref).key == *key {
				return ref
			}
		}
		if b.passed == 0 {
			break
		}
	}
	return 0
}

// Insert adds an entry whose key is not in the table.
func (t *Table[V]) Insert(key *store.Key, value V) uint32 {
	p := t.place(key)
	if p.part.used == bucketEntries*len(p.part.buckets) {
		t.grow(p.part)
	}
	p.part.used++
	ref := t.free
	if ref != 0 {
		t.free = binary.NativeEndian.Uint32(t.entry(ref).key[:])
	} else {
		if int(t.made) == len(t.chunks)*chunkEntries {
			t.chunks = append(t.chunks, new([chunkEntries]entry[V]))
		}
		t.made++
		ref = t.made
	}
	*t.entry(ref) = entry[V]{*key, value}
	p.put(ref)
	return ref
}

// put puts a reference into the first bucket with a free slot.
func (p *place) put(ref uint32) {
	for i := 0; ; i++ {
		b := p.bucket(i)
		if free := b.with(0); free != 0 {
			at := free.first()
			b.tags[at], b.refs[at] = p.tag, ref
			return
		}
		b.passed++
	}
}

func (t *Table[V]) grow(part *part) {
	old := part.buckets
	part.buckets = make([]bucket, max(1, 2*len(old)))
	for i := range old {
		for at, ref := range old[i].refs {
			if old[i].tags[at] != 0 {
				p := t.place(&t.entry(ref).key)
				p.put(ref)
			}
		}
	}
}

// Remove takes an entry out of the table. It stays where it is for callers that
// hold its reference.
func (t *Table[V]) Remove(ref uint32) {
	p := t.place(&t.entry(ref).key)
	p.part.used--
	for i := 0; ; i++ {
		b := p.bucket(i)
		for s := b.with(p.tag); s != 0; s = s.rest() {
			if at := s.first(); b.refs[at] == ref {
				b.tags[at] = 0
				return
			}
		}
		b.passed--
	}
}

// Reuse frees a removed entry for another one. The one that was freed first is
// reused first, so that what comes after each other lies side by side.
func (t *Table[V]) Reuse(ref uint32) {
	*t.entry(ref) = entry[V]{}
	if t.free == 0 {
		t.free = ref
	} else {
		binary.NativeEndian.PutUint32(t.entry(t.last).key[:], ref)
	}
	t.last = ref
}
