// Package stored tests stored delivery with real processes: what Meta was
// answered 200 for reaches each destination, in the order of its conversation.
package stored

import (
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// A book holds what each destination sees of each event against what is
// promised. Events are known by their mids, conversation.number.
type book struct {
	t *testing.T

	mu       sync.Mutex
	accepted map[string]int // by conversation, how many events were answered 200
	sent     map[string]int // likewise, how many may have been stored

	// Called before a notification is sent for the first time; what it returns
	// is called with its new events when it was answered 200. It may be nil.
	watch func() func(mids []string)
}

func newBook(t *testing.T) *book {
	return &book{t: t, accepted: make(map[string]int), sent: make(map[string]int)}
}

// A destinationApp is the app at one destination.
type destinationApp struct {
	*httptest.Server
	book *book
	name string

	mu       sync.Mutex
	random   *rand.Rand
	trouble  int  // attempts in a hundred that fail
	alone    bool // no two messages of a conversation may come at the same time
	down     bool
	taken    map[string]int       // by conversation, how many events in a row were taken
	has      map[string]bool      // the mids that were taken
	began    map[string]bool      // those that have arrived
	refused  map[string]time.Time // those whose messages are refused, and until when nothing may come behind them
	excused  map[string]bool      // those that need not arrive, as they were discarded, or are damaged
	required map[string]bool      // those that have to arrive; nil if all do
	under    map[string]int       // by conversation, how many messages are being answered
	requests []*http.Request
	repeats  int // arrivals of what had arrived before
	again    int // arrivals, not as a replay, of what was taken before
}

func newApp(b *book, name string, seed uint64, trouble int) *destinationApp {
	a := &destinationApp{
		book: b, name: name, random: rand.New(rand.NewPCG(seed, uint64(len(name)))), trouble: trouble,
		taken: make(map[string]int), has: make(map[string]bool), began: make(map[string]bool),
		refused: make(map[string]time.Time), excused: make(map[string]bool), under: make(map[string]int),
	}
	a.Server = httptest.NewServer(a)
	b.t.Cleanup(a.Close)
	return a
}

func (a *destinationApp) addr() string { return a.Listener.Addr().String() }

var mids = regexp.MustCompile(`"mid": ?"([^"]+)"`)

// ServeHTTP takes a message, or fails in one of many ways.
func (a *destinationApp) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	var events []string
	for _, found := range mids.FindAllStringSubmatch(string(body), -1) {
		events = append(events, strings.Clone(found[1])) // which is kept, unlike the body
	}
	defer a.leave(events)
	if !a.arrive(r, events) {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	a.mu.Lock()
	fails, way := a.random.IntN(100) < a.trouble, a.random.IntN(4)
	refused := slices.ContainsFunc(events, func(mid string) bool { _, ok := a.refused[mid]; return ok })
	a.mu.Unlock()
	switch {
	case refused:
		w.WriteHeader(http.StatusUnprocessableEntity)
		_, _ = io.WriteString(w, "no such customer")
	case !fails:
		a.take(events)
		w.WriteHeader(http.StatusOK)
	case way == 0:
		w.WriteHeader(http.StatusInternalServerError)
	case way == 1:
		w.WriteHeader(http.StatusTooManyRequests)
	case way == 2:
		panic(http.ErrAbortHandler)
	default: // an answer that is cut off
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, "half")
		panic(http.ErrAbortHandler)
	}
}

// arrive checks that everything before each event was taken, and reports
// whether the app is up.
func (a *destinationApp) arrive(r *http.Request, events []string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.down {
		return false
	}
	a.requests = append(a.requests, r)
	for conversation := range conversationsOf(events) {
		if a.under[conversation]++; a.under[conversation] > 1 && a.alone {
			a.book.t.Errorf("%s: got %v while another message of the conversation %s was being answered", a.name, events, conversation)
		}
	}
	inMessage := make(map[string]int)
	for _, mid := range events {
		conversation, n := split(mid)
		a.book.want(a.name, conversation, n)
		ready := max(a.taken[conversation], inMessage[conversation])
		for ready < n && a.mayMiss(midOf(conversation, ready)) {
			ready++
		}
		if n > ready {
			a.book.t.Errorf("%s: got event %s when %d of its conversation were taken, want it after those before it", a.name, mid, ready)
		}
		inMessage[conversation] = max(inMessage[conversation], n+1) // a replay may come between
		if a.began[mid] {
			a.repeats++
		}
		a.began[mid] = true
		if a.has[mid] && r.Header.Get("Webhook-Replay") == "" {
			a.again++
		}
	}
	return true
}

// mayMiss reports whether an event need not come before those behind it. The
// lock is held.
func (a *destinationApp) mayMiss(mid string) bool {
	until, refused := a.refused[mid]
	return refused && time.Now().After(until) || a.excused[mid] || a.required != nil && !a.required[mid] || a.has[mid]
}

// refuse has the app refuse an event, which is then dead, but not before some
// time.
func (a *destinationApp) refuse(mid string, until time.Time) {
	a.set(func() { a.refused[mid] = until })
}

// leave notes that a message is being answered no longer.
func (a *destinationApp) leave(events []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for conversation := range conversationsOf(events) {
		a.under[conversation] = max(0, a.under[conversation]-1)
	}
}

func conversationsOf(events []string) map[string]bool {
	all := make(map[string]bool)
	for _, mid := range events {
		conversation, _ := split(mid)
		all[conversation] = true
	}
	return all
}

func (a *destinationApp) take(events []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, mid := range events {
		conversation, n := split(mid)
		a.taken[conversation] = max(a.taken[conversation], n+1)
		a.has[mid] = true
	}
}

func (a *destinationApp) set(change func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change()
}

// missing returns the mids of events that were answered 200 and not taken,
// without those that are excused unless all are asked for.
func (a *destinationApp) missing(all bool) (mids []string) {
	a.book.mu.Lock()
	accepted := maps.Clone(a.book.accepted)
	a.book.mu.Unlock()
	a.mu.Lock()
	defer a.mu.Unlock()
	for conversation, events := range accepted {
		for n := range events {
			mid := midOf(conversation, n)
			if !a.has[mid] && (all || !a.excused[mid]) && (a.required == nil || a.required[mid]) {
				mids = append(mids, mid)
			}
		}
	}
	return mids
}

// count returns how many events were taken.
func (a *destinationApp) count() (n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.has)
}

func midOf(conversation string, n int) string { return conversation + "." + strconv.Itoa(n) }

func split(mid string) (conversation string, n int) {
	conversation, number, _ := strings.Cut(mid, ".")
	n, _ = strconv.Atoi(number)
	return conversation, n
}

// want checks that Meta has sent an event.
func (b *book) want(destination, conversation string, n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if n >= b.sent[conversation] {
		b.t.Errorf("%s: got event %s.%d, which Meta has not sent", destination, conversation, n)
	}
}

// notification returns the notification of events of a conversation, each in
// an entry of its own, and notes that Meta is about to send it.
func (b *book) notification(conversation string, from, to int) string {
	return b.notificationOf("x", conversation, from, to)
}

// notificationOf is notification for events with a text.
func (b *book) notificationOf(text, conversation string, from, to int) string {
	b.mu.Lock()
	b.sent[conversation] = max(b.sent[conversation], to)
	b.mu.Unlock()
	var entries []string
	for n := from; n < to; n++ {
		entries = append(entries, fmt.Sprintf(`{"id":"7","time":%d,"messaging":[{"sender":{"id":"%s"},"recipient":{"id":"7"},"timestamp":%d,"message":{"mid":"%s.%d","text":"%s"}}]}`,
			time.Now().UnixMilli(), conversation, 1_700_000_000_000+n, conversation, n, text))
	}
	return `{"object":"page","entry":[` + strings.Join(entries, ",") + `]}`
}

// total returns how many events were answered 200.
func (b *book) total() (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, accepted := range b.accepted {
		n += accepted
	}
	return n
}
