package event

// Conversation returns the key of the conversation that the event's order is
// kept in. It is the same however Meta cut the notification, and stays the same
// from version to version:
//
//	phone number id / customer    WhatsApp; in a group, the group is the customer
//	entry id / customer           Messenger and Instagram messaging
//	entry id # post or media      comments and feed
//	object : entry id             everything else
//
// The customer is the side that is not the entry, by its user id where Meta
// sends no number. Letters, digits and - . _ ~ @ = + stand for themselves on
// both sides, and everything else is percent-encoded, so that the separator is
// the only one of its sort. A side of more than 256 bytes has a digest in its
// place. The key is never empty.
func (e *Event) Conversation() string { return string(e.AppendConversation(nil)) }

// AppendConversation appends what Conversation returns to dst.
func (e *Event) AppendConversation(dst []byte) []byte {
	one, separator, other := e.conversation()
	dst = append(appendSide(dst, one), separator)
	return appendSide(dst, other)
}

// conversation returns both sides of the conversation, and what stands between
// them.
func (e *Event) conversation() (one literal, separator byte, other literal) {
	switch at, party := e.at(), e.doc.brief(e.party); {
	case party == nil:
		object := e.doc.brief(at.object)
		if object == nil {
			object = unknownLiteral
		}
		return object, ':', e.doc.brief(e.doc.origin(at))
	case !e.scope.empty():
		return e.doc.brief(e.scope), '/', party
	case e.about:
		return e.doc.brief(e.doc.origin(at)), '#', party
	default:
		return e.doc.brief(e.doc.origin(at)), '/', party
	}
}

// settle finds the customer, now that it is known whose the entry is.
func (s *scanner) settle(u *draft) {
	d := s.doc
	d.abridge(u.party, s.spaced)
	if u.sides {
		entry, from := d.brief(d.origin(&d.entries[u.entry])), d.brief(u.party)
		if isFrom := from.same(entry); from == nil || isFrom || u.echo {
			if inside := s.within(u.other, itemTo); !inside.empty() {
				u.other = inside
			}
			d.abridge(u.other, s.spaced)
			if to := d.brief(u.other); to.saysSomething() && !to.same(entry) {
				u.party = u.other
			} else if isFrom {
				u.party = span{}
			}
		}
	}
	if u.party.empty() {
		u.scope = span{}
	}
}

// conversationRoom returns how many bytes AppendConversation appends at most.
func (e *Event) conversationRoom() int {
	one, _, other := e.conversation()
	return sideRoom(one) + 1 + sideRoom(other)
}

// conversationLen returns how many bytes AppendConversation appends.
func (e *Event) conversationLen() int {
	one, _, other := e.conversation()
	return sideLen(one) + 1 + sideLen(other)
}

// sideLen returns how many bytes appendSide appends.
func sideLen(l literal) int {
	text := l.text()
	n := len(text)
	for _, c := range text {
		if !inSide[c] {
			n += len("%00") - 1
		}
	}
	return n
}

// appendSide appends what a literal says, percent-encoded.
func appendSide(dst []byte, l literal) []byte {
	const digits = "0123456789ABCDEF"
	text, same := l.text(), 0
	for same < len(text) && inSide[text[same]] {
		same++
	}
	dst = append(dst, text[:same]...) // all of it, as a rule
	for _, c := range text[same:] {
		if inSide[c] {
			dst = append(dst, c)
		} else {
			dst = append(dst, '%', digits[c>>4], digits[c&15])
		}
	}
	return dst
}

// sideRoom returns how many bytes appendSide appends at most.
func sideRoom(l literal) int {
	if !l.saysSomething() {
		return 0
	}
	raw := l.raw()
	n := len(raw)
	for _, c := range raw {
		if !inSide[c] {
			n += 2
		}
	}
	return n
}

// inSide holds the characters that mean themselves in a side of a
// conversation.
var inSide = func() (in [256]bool) {
	for _, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~@=+") {
		in[c] = true
	}
	return in
}()
