package event

import (
	"maps"
	"slices"
	"strings"
)

// captures holds those members of one item, value or element that the tables
// ask for.
type captures [memberCount]span

// first returns the first of the members that says something.
func (s *scanner) first(of []member, found *captures) span {
	for _, m := range of {
		if s.literal(found[m]).saysSomething() {
			return found[m]
		}
	}
	return span{}
}

// within returns the first of the members of some names that says something,
// if what stands there is an object.
func (s *scanner) within(object span, names []string) span {
	if object.empty() || s.text[object.from] != '{' {
		return span{}
	}
	for _, name := range names {
		c := cursor{text: s.text, pos: int(object.from)}
		if c.find(name) {
			if value := c.value(); s.literal(value).saysSomething() {
				return value
			}
		}
	}
	return span{}
}

// A node is a place in a JSON value, as deep as the tables look into it.
type node struct {
	name     string
	member   member   // how the captures call what stands there
	kind     kind     // of an item that holds it, or of the elements in it; 0 if it tells none
	leaf     bool     // the tables do not look into it
	closed   bool     // the tables speak of all that may be there; anything else is a novelty
	children [][]node // by the length of their names
}

var (
	itemNode    = newItemTree()
	valueNode   = newValueTree()
	elementNode = newTree(elementMembers)
	statusNode  = newStatusTree()
)

func newTree(members map[string]member) *node {
	root := new(node)
	for _, path := range slices.Sorted(maps.Keys(members)) {
		root.add(path).member = members[path]
	}
	return root
}

func newItemTree() *node {
	root := newTree(itemMembers)
	for i, k := range messagingKinds {
		root.add(k.member).kind = firstItemKind + kind(i)
	}
	return root
}

// newValueTree returns an item's tree with what else a value may hold.
func newValueTree() *node {
	root := newItemTree()
	for _, path := range slices.Sorted(maps.Keys(valueMembers)) {
		root.add(path).member = valueMembers[path]
	}
	for _, name := range whatsAppArrays {
		root.add(name).kind = arrayKind(name)
		if name != whatsAppErrors {
			root.add(whatsAppStandby + "." + name).kind = arrayKind(name)
		}
	}
	return root
}

func newStatusTree() *node {
	root := newTree(elementMembers)
	for _, sameLength := range root.children {
		for i := range sameLength {
			if n := &sameLength[i]; !slices.Contains(statusMembers, n.name) {
				n.member, n.leaf, n.children = novelty, true, nil
			}
		}
	}
	for _, name := range statusMembers {
		root.add(name)
	}
	root.closed = true
	return root
}

// elementNodeOf returns the tree of the elements of an array.
func elementNodeOf(k kind) *node {
	if k == statusesKind {
		return statusNode
	}
	return elementNode
}

// add returns the node at the path below n, which it makes if need be.
func (n *node) add(path string) *node {
	name, rest, deeper := strings.Cut(path, ".")
	n.leaf = false
	child := n.child([]byte(name))
	if child == nil {
		for len(n.children) <= len(name) {
			n.children = append(n.children, nil)
		}
		sameLength := &n.children[len(name)]
		*sameLength = append(*sameLength, node{name: name, leaf: true})
		child = &(*sameLength)[len(*sameLength)-1]
	}
	if deeper {
		return child.add(rest)
	}
	return child
}

// child returns the node of the member of that name, or nil if the tables do
// not speak of it.
func (n *node) child(name []byte) *node {
	if len(name) >= len(n.children) {
		return nil
	}
	sameLength := n.children[len(name)]
	for i := range sameLength {
		if child := &sameLength[i]; child.name[0] == name[0] && child.name == string(name) {
			return child
		}
	}
	return nil
}

// firstElement is what the tables call the first element of a list.
var firstElement = []byte("0")

// capture reads the value that comes next, and keeps what the tables ask for
// below n.
func (s *scanner) capture(n *node, into *captures) span {
	from := s.pos
	switch s.peek() {
	case '{':
	case '[':
		return s.captureFirst(n, into)
	default:
		return s.value()
	}
	for in := s.open(); s.nextMember(&in); {
		child := n.child(in.name)
		switch {
		case child == nil && n.closed:
			into[novelty] = s.value()
			continue
		case child == nil:
			s.skip()
			continue
		case child.kind >= firstArrayKind:
			s.array(child.kind, n != valueNode)
			continue
		case child.kind > 0 && (s.itemKind == 0 || child.kind < s.itemKind):
			s.itemKind = child.kind
		}
		if child.leaf {
			into[child.member] = s.value()
		} else {
			into[child.member] = s.capture(child, into)
		}
	}
	return spanOf(from, s.pos)
}

// captureFirst reads the list that comes next, and keeps what the tables ask
// for in its first element.
func (s *scanner) captureFirst(n *node, into *captures) span {
	first := n.child(firstElement)
	if first == nil {
		return s.value()
	}
	from := s.pos
	in := s.open()
	if s.nextElement(&in) {
		s.capture(first, into)
		for s.nextElement(&in) {
			s.skip()
		}
	}
	return spanOf(from, s.pos)
}
