package local

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
)

// TestTableIsAMap holds a table against a map, with a secret, and with one so
// bad that all entries begin in one bucket and have one tag.
func TestTableIsAMap(t *testing.T) {
	for _, secret := range [][2]uint64{NewTable[int]().secret, {}} {
		for _, keys := range []int{1, 10, 100, 3000} {
			random := rand.New(rand.NewPCG(uint64(keys), 1))
			table := Table[uint64]{secret: secret}
			refs := make(map[store.Key]uint32)
			values := make(map[store.Key]uint64)
			for range 50_000 {
				var key store.Key
				key[3], key[9] = byte(random.IntN(keys)), byte(random.IntN(keys)>>8)
				ref := table.Find(&key)
				if ref != refs[key] {
					t.Fatalf("find: got reference %d, want %d", ref, refs[key])
				}
				switch {
				case ref == 0:
					values[key] = random.Uint64()
					refs[key] = table.Insert(&key, values[key])
				case *table.entry(ref) != entry[uint64]{key, values[key]}:
					t.Fatalf("entry: got %v, want %v with %d", *table.entry(ref), key, values[key])
				case random.IntN(3) > 0:
					table.Remove(ref)
					table.Reuse(ref)
					delete(refs, key)
				}
				if got := used(&table); got != len(refs) {
					t.Fatalf("used: got %d, want %d", got, len(refs))
				}
			}
			for key, want := range refs {
				if got := table.Find(&key); got != want {
					t.Errorf("find: got reference %d, want %d", got, want)
				}
			}
			if int(table.made) > 12*256 || keys < 256 && int(table.made) > keys {
				t.Errorf("got %d entries made for %d keys, want those reused that were free", table.made, keys)
			}
		}
	}
}

func used[V any](t *Table[V]) (n int) {
	for i := range t.parts {
		n += t.parts[i].used
	}
	return n
}

// TestReservedRoom fills a table that has room for so many, and goes on.
func TestReservedRoom(t *testing.T) {
	const room = 100_000
	table := NewTable[uint64]()
	table.Reserve(room)
	insert := func() {
		var key store.Key
		binary.NativeEndian.PutUint64(key[:8], uint64(table.made))
		table.Insert(&key, uint64(table.made))
	}
	if got := testing.AllocsPerRun(1, func() {
		for range room / 2 { // there is another run before, which does not count
			insert()
		}
	}); got != 0 {
		t.Errorf("got %v allocations for what there is room for, want none", got)
	}
	for range room {
		insert()
	}
	for ref := uint32(1); ref <= table.made; ref++ {
		e := table.entry(ref)
		if got := table.Find(&e.key); got != ref || e.value != uint64(ref-1) {
			t.Fatalf("got reference %d with %d, want %d with %d", got, e.value, ref, ref-1)
		}
	}
}

// TestTablePassesFullBuckets removes from buckets, around the end of the table,
// that were full when others came to them.
func TestTablePassesFullBuckets(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 100 {
		table := NewTable[struct{}]()
		part := &table.parts[0]
		part.buckets = make([]bucket, 4)
		refs := make(map[store.Key]uint32)
		for len(refs) < 4*bucketEntries { // as full as a part gets
			var key store.Key
			binary.NativeEndian.PutUint64(key[:8], random.Uint64())
			binary.NativeEndian.PutUint64(key[8:], random.Uint64())
			if p := table.place(&key); p.part == part && p.hash%4 >= 2 {
				refs[key] = table.Insert(&key, struct{}{})
			}
		}
		if len(part.buckets) != 4 {
			t.Fatalf("got a part of %d buckets, want 4", len(part.buckets))
		}
		if part.buckets[3].passed == 0 {
			t.Error("got no entry past the end, want those for which there was no room before")
		}
		for key, ref := range refs { // in any order
			table.Remove(ref)
			delete(refs, key)
			for other, want := range refs {
				if got := table.Find(&other); got != want {
					t.Fatalf("find after a removal: got reference %d, want %d", got, want)
				}
			}
			if got := table.Find(&key); got != 0 {
				t.Fatalf("find of what was removed: got reference %d, want none", got)
			}
		}
		for i, b := range part.buckets {
			if b.passed != 0 {
				t.Errorf("bucket %d of an empty part: got %d entries that have passed it, want none", i, b.passed)
			}
		}
	}
}

// TestBucketFindsTags holds what a bucket finds at once against what is there.
func TestBucketFindsTags(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	for range 100_000 {
		b := bucket{passed: random.Uint32()}
		for i := range b.tags {
			if random.IntN(3) > 0 {
				b.tags[i] = tagBit | uint8(random.IntN(4))
			}
		}
		for _, tag := range []uint8{0, tagBit, tagBit | 1, tagBit | 2, tagBit | 127} {
			var got, want []int
			for s := b.with(tag); s != 0; s = s.rest() {
				got = append(got, int(s.first()))
			}
			slices.Sort(got)
			for i := range b.tags {
				similar := tag != 0 && b.tags[i] == tag^1 && slices.Contains(got, i)
				if b.tags[i] == tag || similar {
					want = append(want, i)
				}
			}
			if !slices.Equal(got, want) {
				t.Fatalf("slots with tag %#x of %#x: got %v, want %v", tag, b.tags, got, want)
			}
		}
	}
}
