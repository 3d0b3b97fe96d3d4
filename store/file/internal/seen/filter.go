package seen

import "github.com/caddy-meta-webhook/caddy-meta-webhook/store"

// A filter is a Bloom filter whose bits for a key are in one cache line. It
// says of a key that is not there that it is about once in a hundred times.
type filter []byte

const (
	line       = 64 // bytes
	bitsPerKey = 10
	probes     = 6
)

func newFilter(keys int) filter {
	return make(filter, (keys*bitsPerKey/8/line+1)*line)
}

// line returns the part of the filter that has the bits for a key.
func (f filter) line(k *store.Key) []byte {
	lines := uint64(len(f) / line)
	i := (low(k) >> 32) * lines >> 32
	return f[i*line : (i+1)*line : (i+1)*line]
}

// bit returns one of the bits for a key, which is uniform and so its own hash.
// The top of the high half is left out: where keys are sorted, it is the same
// for neighbours.
func bit(k *store.Key, i int) (at int, mask byte) {
	b := high(k) >> (9 * i) & 511
	return int(b >> 3), 1 << (b & 7)
}

func (f filter) add(k *store.Key) {
	l := f.line(k)
	for i := range probes {
		at, mask := bit(k, i)
		l[at] |= mask
	}
}

// has reports whether a key may have been added.
func (f filter) has(k *store.Key) bool {
	l := f.line(k)
	for i := range probes {
		if at, mask := bit(k, i); l[at]&mask == 0 {
			return false
		}
	}
	return true
}
