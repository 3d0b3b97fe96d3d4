package dedup

import (
	"hash/maphash"
	"math/rand/v2"
	"testing"
)

// TestMemoryTableIsAMap holds a table against a map, with hashes so bad that
// entries stand in each other's way.
func TestMemoryTableIsAMap(t *testing.T) {
	seed := maphash.MakeSeed()
	for _, keys := range []int{1, 10, 100, 3000} {
		random := rand.New(rand.NewPCG(uint64(keys), 1))
		var table memoryTable
		refs := make(map[Key]uint32)
		entries := make(map[Key]memoryEntry)
		for range 50_000 {
			var key Key
			key[3], key[9] = byte(random.IntN(keys)), byte(random.IntN(keys)>>8)
			hash := maphash.Bytes(seed, key[:])
			ref := table.find(&key, hash)
			if ref != refs[key] {
				t.Fatalf("find: got reference %d, want %d", ref, refs[key])
			}
			switch {
			case ref == 0:
				e := memoryEntry{key: key, number: random.Uint64(), expires: 1 + random.Uint32N(1000)}
				refs[key] = table.insert(e, hash, seed)
				entries[key] = e
			case *table.entry(ref) != entries[key]:
				t.Fatalf("entry: got %v, want %v", *table.entry(ref), entries[key])
			case random.IntN(3) > 0:
				table.abandon(ref, seed)
				table.reuse(ref)
				delete(refs, key)
				delete(entries, key)
			}
			if table.used != len(refs) {
				t.Fatalf("used: got %d, want %d", table.used, len(refs))
			}
		}
		for key, want := range refs {
			if got := table.find(&key, maphash.Bytes(seed, key[:])); got != want {
				t.Errorf("find: got reference %d, want %d", got, want)
			}
		}
		if int(table.made) > 4*keys+chunkEntries && keys < 100 {
			t.Errorf("got %d entries made for %d keys, want those reused that were free", table.made, keys)
		}
	}
}

// TestMemoryTableClosesGaps removes from runs of entries that all want the
// same slots, and so lie behind each other, around the end of the table, too.
func TestMemoryTableClosesGaps(t *testing.T) {
	seed := maphash.MakeSeed()
	random := rand.New(rand.NewPCG(3, 4))
	for range 2000 {
		var table memoryTable
		table.slots = make([]uint32, 16)
		refs := make(map[Key]uint32)
		for len(refs) < 12 { // as full as a table gets
			var key Key
			key[0], key[1] = byte(random.Uint32()), byte(random.Uint32())
			hash := maphash.Bytes(seed, key[:])
			if home := hash & 15; refs[key] == 0 && (home < 2 || home > 13) {
				refs[key] = table.insert(memoryEntry{key: key, expires: 1}, hash, seed)
			}
		}
		if len(table.slots) != 16 {
			t.Fatalf("got a table of %d slots, want 16", len(table.slots))
		}
		for key, ref := range refs { // in any order
			table.abandon(ref, seed)
			delete(refs, key)
			for other, want := range refs {
				if got := table.find(&other, maphash.Bytes(seed, other[:])); got != want {
					t.Fatalf("find after a removal: got reference %d, want %d", got, want)
				}
			}
			if got := table.find(&key, maphash.Bytes(seed, key[:])); got != 0 {
				t.Fatalf("find of what was removed: got reference %d, want none", got)
			}
		}
	}
}
