package schedule

import (
	"crypto/rand"
	"encoding/binary"
	"math/bits"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
)

// A lane is a list of entries, in the order of their numbers.
type lane struct {
	lane       store.Lane
	head, tail Ref
}

// lanes finds the lanes that have entries. It is a hash table in parts, which
// grow one at a time, so that no call waits for all of it to grow.
type lanes struct {
	slab   slab[lane]
	secret uint64
	parts  [1 << laneBits]lanePart
}

const laneBits = 6

// A lanePart is an open hash table of references to lanes. Its size is a power
// of two, and a quarter of it is free.
type lanePart struct {
	refs []Ref
	used int
}

func newLanes() lanes {
	var secret [8]byte
	_, _ = rand.Read(secret[:])
	return lanes{secret: binary.NativeEndian.Uint64(secret[:]) | 1}
}

// hash spreads lanes, which others may have chosen.
func (l *lanes) hash(of store.Lane) uint64 {
	high, low := bits.Mul64(uint64(of)^l.secret, 0x9e3779b97f4a7c15)
	return (high ^ low) * l.secret
}

func (l *lanes) part(hash uint64) *lanePart { return &l.parts[hash>>(64-laneBits)] }

// place returns where a lane is in a part, or where it would be.
func (l *lanes) place(p *lanePart, hash uint64, of store.Lane) int {
	mask := len(p.refs) - 1
	for i := int(hash) & mask; ; i = (i + 1) & mask {
		if p.refs[i] == 0 || l.slab.get(p.refs[i]).lane == of {
			return i
		}
	}
}

// find returns the reference of a lane, which it makes if there is none.
func (l *lanes) find(of store.Lane) Ref {
	hash := l.hash(of)
	p := l.part(hash)
	if (p.used+1)*4 > len(p.refs)*3 {
		l.resize(p, max(8, 2*len(p.refs)))
	}
	i := l.place(p, hash, of)
	if p.refs[i] == 0 {
		p.refs[i] = l.slab.add()
		l.slab.get(p.refs[i]).lane = of
		p.used++
	}
	return p.refs[i]
}

func (l *lanes) resize(p *lanePart, size int) {
	old := p.refs
	p.refs = make([]Ref, size)
	for _, ref := range old {
		if ref != 0 {
			of := l.slab.get(ref).lane
			p.refs[l.place(p, l.hash(of), of)] = ref
		}
	}
}

// remove takes out a lane that is empty.
func (l *lanes) remove(ref Ref) {
	of := l.slab.get(ref).lane
	hash := l.hash(of)
	p := l.part(hash)
	mask := len(p.refs) - 1
	hole := l.place(p, hash, of)
	l.slab.remove(ref)
	p.used--
	// What comes behind the hole, and could have stood in it, moves up.
	for i := (hole + 1) & mask; p.refs[i] != 0; i = (i + 1) & mask {
		home := int(l.hash(l.slab.get(p.refs[i]).lane)) & mask
		if (i-home)&mask >= (i-hole)&mask {
			p.refs[hole] = p.refs[i]
			hole = i
		}
	}
	p.refs[hole] = 0
	if len(p.refs) > 64 && p.used*8 < len(p.refs) {
		l.resize(p, len(p.refs)/2)
	}
}
