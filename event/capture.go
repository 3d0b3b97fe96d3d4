package event

import (
	"maps"
	"slices"
	"strings"
)

// captures holds those members of one item, value or element that the tables
// ask for.
type captures [memberCount]literal

// first returns the first of the members that says something.
func (c *captures) first(members []member) literal {
	for _, m := range members {
		if len(c[m].text()) > 0 {
			return c[m]
		}
	}
	return nil
}

// A node is a place in a JSON value, as deep as the tables look into it.
type node struct {
	name     string
	literal  literal // the name, quoted
	member   member  // how the captures call what stands there
	kind     int     // the kind of an item that holds it: index in messagingKinds, or -1
	array    bool    // it is one of the whatsAppArrays
	children []node
}

var (
	itemNode    = newItemTree()
	valueNode   = newTree(valueMembers, whatsAppArrays)
	elementNode = newTree(elementMembers, nil)
)

func newTree(members map[string]member, arrays []string) *node {
	root := &node{kind: -1}
	for _, path := range slices.Sorted(maps.Keys(members)) {
		root.add(path).member = members[path]
	}
	for _, name := range arrays {
		root.add(name).array = true
	}
	return root
}

func newItemTree() *node {
	root := newTree(itemMembers, nil)
	for i, k := range messagingKinds {
		root.add(k.member).kind = i
	}
	return root
}

// add returns the node at the path below n, which it makes if need be.
func (n *node) add(path string) *node {
	name, rest, deeper := strings.Cut(path, ".")
	child := n.child([]byte(name))
	if child == nil {
		n.children = append(n.children, node{name: name, literal: quoted(name), kind: -1})
		child = &n.children[len(n.children)-1]
	}
	if deeper {
		return child.add(rest)
	}
	return child
}

// child returns the node of the member of that name, or nil if the tables do
// not speak of it.
func (n *node) child(name []byte) *node {
	for i := range n.children {
		if n.children[i].name == string(name) {
			return &n.children[i]
		}
	}
	return nil
}
