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

// A node is a place in a JSON value, as deep as the tables look into it.
type node struct {
	name     string
	member   member   // how the captures call what stands there
	kind     kind     // of an item that holds it, or of the elements in it; 0 if it tells none
	leaf     bool     // the tables do not look into it
	children [][]node // by the length of their names
}

var (
	itemNode    = newItemTree()
	valueNode   = newTree(valueMembers, whatsAppArrays)
	elementNode = newTree(elementMembers, nil)
)

func newTree(members map[string]member, arrays []string) *node {
	root := new(node)
	for _, path := range slices.Sorted(maps.Keys(members)) {
		root.add(path).member = members[path]
	}
	for i, name := range arrays {
		root.add(name).kind = firstArrayKind + kind(i)
	}
	return root
}

func newItemTree() *node {
	root := newTree(itemMembers, nil)
	for i, k := range messagingKinds {
		root.add(k.member).kind = firstItemKind + kind(i)
	}
	return root
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
		if sameLength[i].name == string(name) {
			return &sameLength[i]
		}
	}
	return nil
}

// capture reads the value that comes next, and keeps what the tables ask for
// below n.
func (s *scanner) capture(n *node, into *captures) span {
	if s.peek() != '{' {
		return s.value()
	}
	from := s.pos
	for s.enter(); s.next(); {
		child := n.child(s.name())
		switch {
		case child == nil:
			s.skip()
			continue
		case child.kind >= firstArrayKind:
			s.array(child.kind)
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

// kindOf returns the kind that the member of that name tells, or 0.
func (n *node) kindOf(name literal) kind {
	if child := n.child(name.text()); child != nil {
		return child.kind
	}
	return 0
}
