package harness

import (
	"hash/fnv"
	"math/rand/v2"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"
)

// A Seed is what a random test comes from. META_WEBHOOK_SEED repeats a run, as
// far as processes can be repeated.
type Seed uint64

// NewSeed returns a random seed, or the one of META_WEBHOOK_SEED.
func NewSeed(t *testing.T) Seed {
	t.Helper()
	s := Seed(rand.Uint64())
	if given, err := strconv.ParseUint(os.Getenv("META_WEBHOOK_SEED"), 10, 64); err == nil {
		s = Seed(given)
	}
	t.Logf("META_WEBHOOK_SEED=%d", s)
	return s
}

// Seeds returns how many seeds a test of faults runs: META_WEBHOOK_FAULT_SEEDS,
// or else one where META_WEBHOOK_SEED says which, or else the number given.
func Seeds(byDefault int) Seed {
	if given, err := strconv.ParseUint(os.Getenv("META_WEBHOOK_FAULT_SEEDS"), 10, 64); err == nil {
		return Seed(given)
	}
	if os.Getenv("META_WEBHOOK_SEED") != "" {
		return 1
	}
	return Seed(byDefault) //nolint:gosec // it is not negative
}

// Random returns the randomness of one actor, which the others do not change.
func (s Seed) Random(actor string) *rand.Rand {
	h := fnv.New64a()
	h.Write([]byte(actor))
	return rand.New(rand.NewPCG(uint64(s), h.Sum64()))
}

// A Ledger holds what the app and Meta see of each event against what is
// promised: only what Meta has sent reaches the app, what was answered 200 was
// delivered, and what was recorded is not delivered again. Events are known by
// their posts.
type Ledger struct {
	t *testing.T

	// Whole has notifications come to the app as a whole, because of `deliver original`.
	Whole bool

	mu    sync.Mutex
	sent  map[string]bool // events that Meta has sent
	began map[string]int  // how often each event has reached the app
	taken map[string]int  // how often the app has answered 2xx for it
	acked map[string]bool // events that were answered 200
	known map[string]bool // events whose delivery must have been recorded

	changes   int // of how reliable the store is
	disturbed int // for how many reasons it is not
}

// NewLedger returns a ledger of nothing yet.
func NewLedger(t *testing.T) *Ledger {
	return &Ledger{
		t: t, sent: make(map[string]bool), began: make(map[string]int), taken: make(map[string]int),
		acked: make(map[string]bool), known: make(map[string]bool),
	}
}

// Disturb notes that from now on deliveries may not be recorded.
func (l *Ledger) Disturb() { l.change(+1) }

// Settle notes that a reason for that is gone.
func (l *Ledger) Settle() { l.change(-1) }

func (l *Ledger) change(reasons int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.changes++
	l.disturbed += reasons
}

// Forget notes that everything recorded so far is gone.
func (l *Ledger) Forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.changes++
	clear(l.known)
}

// Send notes that Meta is about to send a notification of these events. It
// returns what answered200 has to be told.
func (l *Ledger) Send(posts []string) (changes int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, post := range posts {
		l.sent[post] = true
	}
	return l.changes
}

var postID = regexp.MustCompile(`"post_id": ?"([^"]+)"`)

// Arrive notes what has reached the app, and returns it.
func (l *Ledger) Arrive(body string) []string {
	var posts []string
	for _, found := range postID.FindAllStringSubmatch(body, -1) {
		posts = append(posts, found[1])
	}
	if len(posts) == 0 {
		l.t.Errorf("got %.200q at the app, want events", body)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	var again []string
	for _, post := range posts {
		if !l.sent[post] {
			l.t.Errorf("got the event %q at the app, which Meta has not sent", post)
		}
		l.began[post]++
		if l.known[post] {
			again = append(again, post)
		}
	}
	if len(again) > 0 && (!l.Whole || len(again) == len(posts)) {
		l.t.Errorf("got the events %s at the app again, want none whose delivery was recorded", Brief(again))
	}
	return posts
}

// Take notes that the app is about to answer 2xx.
func (l *Ledger) Take(posts []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, post := range posts {
		l.taken[post]++
	}
}

// answered200 checks that the events of a notification were delivered. They
// were recorded, too, unless the store was unreliable at any time since there
// were so many changes.
func (l *Ledger) answered200(posts []string, changes int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, post := range posts {
		if l.taken[post] == 0 {
			l.t.Errorf("got 200 for the event %s, want it delivered", post)
		}
		l.acked[post] = true
		if l.disturbed == 0 && l.changes == changes {
			l.known[post] = true
		}
	}
}

// Events returns all events that were answered 200.
func (l *Ledger) Events() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := make([]string, 0, len(l.acked))
	for post := range l.acked {
		list = append(list, post)
	}
	slices.Sort(list)
	return list
}

// Repeated returns how many events the app has taken more than once.
func (l *Ledger) Repeated() (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, times := range l.taken {
		if times > 1 {
			n++
		}
	}
	return n
}

// Deliveries returns how many events have reached the app.
func (l *Ledger) Deliveries() (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, times := range l.began {
		n += times
	}
	return n
}

// WantAllAnswered fails the test unless all that Meta has sent was answered
// 200, which answered200 holds against what the app has taken.
func (l *Ledger) WantAllAnswered() {
	l.t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	var missing []string
	for post := range l.sent {
		if !l.acked[post] {
			missing = append(missing, post)
		}
	}
	if len(missing) > 0 {
		l.t.Errorf("got no 200 for %d events, %s among them, want one for each", len(missing), Brief(missing))
	}
}

// Times returns how often an event has reached the app, and how often the app
// has answered 2xx for it.
func (l *Ledger) Times(post string) (began, taken int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.began[post], l.taken[post]
}

// IsDisturbed reports whether deliveries may not be recorded.
func (l *Ledger) IsDisturbed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.disturbed > 0
}

// NewApp starts an app that works for up to so long on a request, and fails
// for one in so many; 0 is none.
func NewApp(t *testing.T, l *Ledger, random *rand.Rand, work time.Duration, failing int) *Upstream {
	var mu sync.Mutex
	return NewUpstream(t, func(w http.ResponseWriter, got Received) {
		posts := l.Arrive(got.Body)
		mu.Lock()
		pause := time.Duration(random.Int64N(int64(work)))
		fails := failing > 0 && random.IntN(failing) == 0
		mu.Unlock()
		time.Sleep(pause)
		if fails {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		l.Take(posts)
	})
}
