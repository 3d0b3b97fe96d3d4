package event

import "bytes"

// Room returns how many bytes of memory Parse takes at most for body, beside
// body itself: for as many updates as there may be, one of which is parted from
// the next by a comma, and for what has to be put together from parts of body.
//
// A body of four million bytes may hold two million updates. Room tells before
// they are made, and without looking at more than the commas.
func Room(body []byte) int {
	return (bytes.Count(body, []byte{','})+1)*updateRoom + len(body)
}

// Held returns how many bytes of memory events take that Parse has returned,
// beside the body.
func Held(events []Event) int {
	if len(events) == 0 {
		return 0
	}
	doc := events[0].doc
	return cap(events)*eventSize + cap(doc.entries)*entrySize + cap(doc.made) + len(doc.short)*shortSize
}

// What an update takes at most while it is read, what of it is an event
// afterwards, and what an entry is.
const (
	updateRoom = 304
	eventSize  = 96
	entrySize  = 32
	shortSize  = 64
)
