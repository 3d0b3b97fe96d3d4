package dedup

import "hash/maphash"

// A memoryEntry is an event in a memoryTable.
type memoryEntry struct {
	key     Key
	number  uint64 // counts the events that were added
	expires uint32 // in seconds from the set's start
	next    uint32 // in its queue, or of the free entries
}

// abandoned is when an entry expires that is in a queue still, and no longer in
// the table.
const abandoned = 0

// chunkEntries is how many entries are allocated at a time.
const chunkEntries = 128

// A memoryTable is a hash table of entries. It takes 32 bytes for an entry and
// 5 to 11 for finding it, where a map with what the queues need takes twice
// that; and it holds no pointers to entries, which the garbage collector would
// follow.
//
// Entries are known by references from 1 up, which stay what they are until
// the entry is reused. References lie in the slots by linear probing.
type memoryTable struct {
	chunks []*[chunkEntries]memoryEntry
	slots  []uint32 // 0 is free; the length is a power of two
	used   int
	made   uint32 // references that were ever given out
	free   uint32 // the first of the list of free entries
}

func (t *memoryTable) entry(ref uint32) *memoryEntry {
	return &t.chunks[(ref-1)/chunkEntries][(ref-1)%chunkEntries]
}

// find returns the reference of an entry, 0 if there is none.
func (t *memoryTable) find(key *Key, hash uint64) uint32 {
	if len(t.slots) == 0 {
		return 0
	}
	mask := uint64(len(t.slots) - 1)
	for i := hash & mask; t.slots[i] != 0; i = (i + 1) & mask {
		if t.entry(t.slots[i]).key == *key {
			return t.slots[i]
		}
	}
	return 0
}

// insert adds an entry that is not in the table.
func (t *memoryTable) insert(e memoryEntry, hash uint64, seed maphash.Seed) uint32 {
	if 4*(t.used+1) > 3*len(t.slots) {
		t.grow(seed)
	}
	ref := t.free
	if ref != 0 {
		t.free = t.entry(ref).next
	} else {
		if t.made%chunkEntries == 0 {
			t.chunks = append(t.chunks, new([chunkEntries]memoryEntry))
		}
		t.made++
		ref = t.made
	}
	e.next = 0
	*t.entry(ref) = e
	t.place(ref, hash)
	t.used++
	return ref
}

// place puts a reference into the first free slot that its hash leads to.
func (t *memoryTable) place(ref uint32, hash uint64) {
	mask := uint64(len(t.slots) - 1)
	i := hash & mask
	for t.slots[i] != 0 {
		i = (i + 1) & mask
	}
	t.slots[i] = ref
}

func (t *memoryTable) grow(seed maphash.Seed) {
	old := t.slots
	t.slots = make([]uint32, max(16, 2*len(old)))
	for _, ref := range old {
		if ref != 0 {
			t.place(ref, t.hash(ref, seed))
		}
	}
}

func (t *memoryTable) hash(ref uint32, seed maphash.Seed) uint64 {
	return maphash.Bytes(seed, t.entry(ref).key[:])
}

// abandon takes an entry out of the table. It stays where it is for those who
// hold its reference.
func (t *memoryTable) abandon(ref uint32, seed maphash.Seed) {
	mask := uint64(len(t.slots) - 1)
	hole := t.hash(ref, seed) & mask
	for t.slots[hole] != ref {
		hole = (hole + 1) & mask
	}
	// Whatever stands behind the hole and was to stand at it or before it
	// moves up: a search must find no hole on its way.
	for i := (hole + 1) & mask; t.slots[i] != 0; i = (i + 1) & mask {
		home := t.hash(t.slots[i], seed) & mask
		if (i-home)&mask >= (i-hole)&mask {
			t.slots[hole] = t.slots[i]
			hole = i
		}
	}
	t.slots[hole] = 0
	t.used--
	t.entry(ref).expires = abandoned
}

// reuse frees an abandoned entry for another one.
func (t *memoryTable) reuse(ref uint32) {
	*t.entry(ref) = memoryEntry{next: t.free}
	t.free = ref
}
