package seen

import (
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/wal"
)

// An entry says where a record of an event is, and until when the event counts
// as seen: seconds since 1970, or 0.
type entry struct {
	key      store.Key
	position wal.Position
	until    uint32
	next     uint32 // in a table: the one before it in its chain, from 1
}

func compare(a, b entry) int {
	return cmp.Or(
		cmp.Compare(high(&a.key), high(&b.key)),
		cmp.Compare(low(&a.key), low(&b.key)),
		cmp.Compare(a.position, b.position),
	)
}

// high returns the part of a key that comes first when they are sorted.
func high(k *store.Key) uint64 { return binary.BigEndian.Uint64(k[:8]) }

func low(k *store.Key) uint64 { return binary.BigEndian.Uint64(k[8:]) }

// A table is entries in memory, in chains by their keys, which are as good as
// random.
type table struct {
	entries []entry
	chains  []uint32 // the last entry of each, from 1; a power of two
	added   int      // entries, with those that expired here
}

func newTable() *table { return &table{chains: make([]uint32, 1024)} }

func (t *table) len() int { return len(t.entries) }

func (t *table) add(e entry) {
	if len(t.entries) == len(t.chains) {
		t.resize(2 * len(t.chains))
	}
	t.entries = append(t.entries, e)
	t.link(len(t.entries) - 1)
	t.added++
}

func (t *table) resize(chains int) {
	t.chains = make([]uint32, chains)
	for i := range t.entries {
		t.link(i)
	}
}

// full reports whether the table has to grow for another entry.
func (t *table) full() bool { return len(t.entries) == len(t.chains) }

// expire forgets entries that count no more, and grows if that makes little
// room.
func (t *table) expire(now, oldest uint32) {
	t.entries = slices.DeleteFunc(t.entries, func(e entry) bool { return e.dead(now, oldest) })
	chains := len(t.chains)
	if len(t.entries) > chains/2 {
		chains *= 2
	}
	t.resize(chains)
}

func (t *table) link(i int) {
	chain := t.chain(&t.entries[i].key)
	t.entries[i].next, *chain = *chain, uint32(i+1)
}

func (t *table) chain(k *store.Key) *uint32 { return &t.chains[low(k)&uint64(len(t.chains)-1)] }

// each calls visit with each entry of a key, the last one first, until it
// returns false.
func (t *table) each(key store.Key, visit func(entry) bool) (goOn bool) {
	for i := *t.chain(&key); i != 0; {
		e := &t.entries[i-1]
		if e.key == key && !visit(*e) {
			return false
		}
		i = e.next
	}
	return true
}

// live returns how many keys count as seen. A key counts once.
func (t *table) live(now int64) (n int64) {
	for i := range t.entries {
		e := &t.entries[i]
		if int64(e.until) <= now {
			continue
		}
		later := false
		for j := *t.chain(&e.key); j != uint32(i+1) && !later; j = t.entries[j-1].next {
			later = t.entries[j-1].key == e.key && int64(t.entries[j-1].until) > now
		}
		if !later {
			n++
		}
	}
	return n
}

// move has entries say where their records are by now.
func (t *table) move(moved map[wal.Position]wal.Position) {
	if len(moved) == 0 {
		return
	}
	for i := range t.entries {
		if to, ok := moved[t.entries[i].position]; ok {
			t.entries[i].position = to
		}
	}
}

// since returns a table with the entries from a position on.
func (t *table) since(from wal.Position) *table {
	others := newTable()
	for i := range t.entries {
		if e := &t.entries[i]; e.position >= from {
			others.add(*e)
		}
	}
	return others
}

// sorted returns the entries before a position in their order.
func (t *table) sorted(to wal.Position) []entry {
	entries := make([]entry, 0, len(t.entries)) // the chains of the table are still in use
	for i := range t.entries {
		if e := &t.entries[i]; e.position < to {
			entries = append(entries, *e)
		}
	}
	slices.SortFunc(entries, compare)
	return entries
}
