package schedule

// A Ref names an entry, for as long as it is in the schedule. 0 names none.
type Ref uint32

// chunkSize is how many entries are allocated, and freed, at a time.
const chunkSize = 256

// A slab holds values of one kind by their references. None of them holds a
// pointer, so that the garbage collector has nothing to follow, and a chunk in
// which nothing is left goes back to it.
type slab[T any] struct {
	chunks []*chunk[T]
	open   []uint32 // chunks that have, or had, free places
	used   int
}

type chunk[T any] struct {
	values [chunkSize]T
	next   [chunkSize]uint16 // the list of free places, from 1
	free   uint16            // the first of it
	used   int
	listed bool // in open
}

// get returns the value of a reference.
func (s *slab[T]) get(ref Ref) *T {
	return &s.chunks[(ref-1)/chunkSize].values[(ref-1)%chunkSize]
}

// valid reports whether there may be a value of this reference.
func (s *slab[T]) valid(ref Ref) bool {
	return ref > 0 && int(ref-1)/chunkSize < len(s.chunks) && s.chunks[(ref-1)/chunkSize] != nil
}

// add makes room for a value.
func (s *slab[T]) add() Ref {
	for len(s.open) > 0 {
		n := s.open[len(s.open)-1]
		c := s.chunks[n]
		if c == nil { // it was freed
			c = newChunk[T]()
			c.listed = true
			s.chunks[n] = c
		}
		if c.free == 0 {
			c.listed = false
			s.open = s.open[:len(s.open)-1]
			continue
		}
		place := c.free
		c.free = c.next[place-1]
		c.used++
		s.used++
		return Ref(n*chunkSize) + Ref(place)
	}
	s.open = append(s.open, uint32(len(s.chunks)))
	s.chunks = append(s.chunks, nil)
	return s.add()
}

func newChunk[T any]() *chunk[T] {
	c := new(chunk[T])
	for i := range c.next {
		c.next[i] = uint16(i+2) % (chunkSize + 1)
	}
	c.free = 1
	return c
}

// remove frees the place of a value.
func (s *slab[T]) remove(ref Ref) {
	n := uint32(ref-1) / chunkSize
	c := s.chunks[n]
	var zero T
	at := (ref - 1) % chunkSize
	c.values[at] = zero
	c.next[at] = c.free
	c.free = uint16(at) + 1
	c.used--
	s.used--
	if !c.listed {
		c.listed = true
		s.open = append(s.open, n)
	}
	if c.used == 0 && s.used > 0 { // the last one is soon used again
		s.chunks[n] = nil
	}
}

// each calls visit with the values of a chunk, also with those of its free
// places, which are zero.
func (s *slab[T]) each(n int, visit func(ref Ref, v *T)) {
	c := s.chunks[n]
	if c == nil {
		return
	}
	for i := range c.values {
		visit(Ref(n*chunkSize+i+1), &c.values[i])
	}
}
