package schedule

// A heap has references in an order, the first at the top. Each knows its
// place, so that it can be taken out of the middle.
type heap struct {
	refs []Ref
	less func(a, b Ref) bool
	at   func(r Ref) *uint32 // where the place of a reference is kept, from 1
}

func (h *heap) top() Ref {
	if len(h.refs) == 0 {
		return 0
	}
	return h.refs[0]
}

func (h *heap) push(r Ref) {
	h.refs = append(h.refs, r)
	h.up(len(h.refs) - 1)
}

// remove takes a reference out.
func (h *heap) remove(r Ref) {
	place := h.at(r)
	i := int(*place) - 1
	*place = 0
	last := len(h.refs) - 1
	moved := h.refs[last]
	h.refs = h.refs[:last]
	if cap(h.refs) > 1024 && len(h.refs) < cap(h.refs)/4 {
		h.refs = append(make([]Ref, 0, cap(h.refs)/2), h.refs...)
	}
	if i == last {
		return
	}
	h.refs[i] = moved
	h.fix(i)
}

// changed puts a reference in its place after its order has changed.
func (h *heap) changed(r Ref) { h.fix(int(*h.at(r)) - 1) }

func (h *heap) fix(i int) {
	if h.up(i) == i {
		h.down(i)
	}
}

func (h *heap) up(i int) int {
	r := h.refs[i]
	for i > 0 {
		parent := (i - 1) / 2
		if !h.less(r, h.refs[parent]) {
			break
		}
		h.put(i, h.refs[parent])
		i = parent
	}
	h.put(i, r)
	return i
}

func (h *heap) down(i int) {
	r := h.refs[i]
	for {
		child := 2*i + 1
		if child >= len(h.refs) {
			break
		}
		if child+1 < len(h.refs) && h.less(h.refs[child+1], h.refs[child]) {
			child++
		}
		if !h.less(h.refs[child], r) {
			break
		}
		h.put(i, h.refs[child])
		i = child
	}
	h.put(i, r)
}

func (h *heap) put(i int, r Ref) {
	h.refs[i] = r
	*h.at(r) = uint32(i) + 1
}
