package listen

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/delivery"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
)

// A fakeQueue holds deliveries, which a test puts into it in any order.
type fakeQueue struct {
	store.Operator

	mu    sync.Mutex
	all   []store.Summary // the latest first
	calls int
}

// put puts deliveries to the destination app, by their numbers.
func (q *fakeQueue) put(received time.Time, numbers ...store.Number) {
	for _, n := range numbers {
		q.putOne(store.Summary{Number: n, Destination: "app", Received: received, Info: store.Info{Object: "page", Kind: "feed"}})
	}
}

func (q *fakeQueue) putOne(s store.Summary) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if s.Key == (store.Key{}) {
		s.Key = store.Key{byte(s.Number >> 8), byte(s.Number)}
	}
	q.all = append(q.all, s)
	slices.SortFunc(q.all, func(a, b store.Summary) int { return int(b.Number) - int(a.Number) })
}

func (q *fakeQueue) Operate(f func(store.Operator) error) error { return f(q) }

func (q *fakeQueue) List(_ context.Context, _ store.Filter, cursor string, limit int) (found []store.Summary, next string, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.calls++
	below := ^uint64(0)
	if cursor != "" {
		below, _ = strconv.ParseUint(cursor, 10, 64)
	}
	for _, s := range q.all {
		if uint64(s.Number) < below {
			if len(found) == limit {
				return found, strconv.FormatUint(uint64(found[limit-1].Number), 10), nil
			}
			found = append(found, s)
		}
	}
	return found, "", nil
}

func (q *fakeQueue) Story(_ context.Context, key store.Key) ([]store.Story, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := store.Story{Key: key}
	for _, d := range slices.Backward(q.all) {
		if d.Key == key {
			s.Received, s.Info, s.Whole = d.Received, d.Info, d.Whole
			s.Deliveries = append(s.Deliveries, store.DeliveryStory{Number: d.Number, Destination: d.Destination, Replay: d.Replay})
		}
	}
	s.Body = fmt.Appendf(nil, `{"specversion":"1.0","id":%q,"type":"com.facebook.%s.%s","metaobject":%q,"partitionkey":%q}`, key, s.Info.Object, s.Info.Kind, s.Info.Object, s.Info.Conversation)
	if s.Deliveries == nil {
		return nil, nil
	}
	return []store.Story{s}, nil
}

func (q *fakeQueue) Copy(_ string, of *store.Story, _ bool) (*delivery.Copy, error) {
	return &delivery.Copy{Header: http.Header{}, Body: of.Body}, nil
}

// A collector is a sink that keeps what it gets.
type collector struct {
	got  []string // keys, and reasons of gaps
	at   []position
	last position
}

func (c *collector) message(m *Message, at position) error {
	c.got, c.at, c.last = append(c.got, strings.TrimPrefix(m.Key, inStore+".")), append(c.at, at), at
	return nil
}

func (c *collector) gap(g Gap, at position) error {
	c.got, c.last = append(c.got, fmt.Sprintf("%s %d", g.Reason, g.Missed)), at
	return nil
}

func (c *collector) idle(at position) error {
	c.last = at
	return nil
}

func (c *collector) want(t *testing.T, want ...string) {
	t.Helper()
	if !slices.Equal(c.got, want) {
		t.Errorf("got %s, want %s", c.got, want)
	}
	c.got = nil
}

// following returns a follower of the queue.
func (q *fakeQueue) following(t *testing.T, f Filter, last *position, from time.Time) *follower {
	t.Helper()
	r, err := follow(t.Context(), func() queue { return q }, f, last, from, new(pace))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// drain has the follower read what there is.
func drain(t *testing.T, r reader, c *collector) {
	t.Helper()
	if _, err := r.drain(t.Context(), c); err != nil {
		t.Fatal(err)
	}
}

func numbers(from, to int) (all []string) {
	for i := from; i <= to; i++ {
		all = append(all, strconv.Itoa(i))
	}
	return all
}

func TestFollowerBeginsWithWhatComes(t *testing.T) {
	q, c := new(fakeQueue), new(collector)
	q.put(time.Now(), 1, 2)
	r := q.following(t, Filter{}, nil, time.Time{})
	drain(t, r, c)
	c.want(t)
	q.put(time.Now(), 3, 4)
	drain(t, r, c)
	c.want(t, "3", "4")
	drain(t, r, c)
	c.want(t)
}

// TestFollowerGoesUpLongLists has more than fits into a few pages.
func TestFollowerGoesUpLongLists(t *testing.T) {
	q, c := new(fakeQueue), new(collector)
	r := q.following(t, Filter{}, nil, time.Time{})
	for i := 1; i <= 5*manyInPage; i++ {
		q.put(time.Now(), store.Number(i))
	}
	drain(t, r, c)
	c.want(t, numbers(1, 5*manyInPage)...)
}

// TestFollowerSeesWhatAppearsLate has several instances store at the same time.
func TestFollowerSeesWhatAppearsLate(t *testing.T) {
	q, c := new(fakeQueue), new(collector)
	q.put(time.Now(), 10)
	r := q.following(t, Filter{}, nil, time.Time{})
	q.put(time.Now(), 12, 15)
	drain(t, r, c)
	c.want(t, "12", "15")
	q.put(time.Now(), 11, 14, 16)
	drain(t, r, c)
	c.want(t, "11", "14", "16")
	r.settle(time.Now().Add(2 * settleTime))
	if r.at.floor != 16 || len(r.seen)+len(r.order) != 0 {
		t.Errorf("got the floor %d and %d deliveries, want 16 and none once that is long ago", r.at.floor, len(r.seen))
	}
	drain(t, r, c)
	c.want(t)
}

// TestFollowerGoesOn has a listener come back to any of its positions: it gets
// everything after it, and of what was before only what it may know.
func TestFollowerGoesOn(t *testing.T) {
	q, c := new(fakeQueue), new(collector)
	r := q.following(t, Filter{}, nil, time.Time{})
	q.put(time.Now().Add(-2*longAgo), 1, 2, 3)
	q.put(time.Now(), 4, 6)
	drain(t, r, c)
	positions := c.at
	q.put(time.Now(), 5, 7)
	for i, at := range positions {
		parsed, ok := parsePosition(at.String())
		if !ok {
			t.Fatalf("got the position %s, want one that can be read", at)
		}
		again := new(collector)
		drain(t, q.following(t, Filter{}, &parsed, time.Time{}), again)
		want := numbers(min(i+2, 4), 7)
		if !slices.Equal(again.got, want) {
			t.Errorf("after %d: got %s, want %s", at.number, again.got, want)
		}
	}
}

func TestFollowerFilters(t *testing.T) {
	for name, tc := range map[string]struct {
		filter Filter
		want   []string
	}{
		"nothing":      {Filter{}, []string{"1", "3", "4", "6"}},
		"destination":  {Filter{Destination: "crm"}, []string{"2", "6"}},
		"object":       {Filter{Object: "instagram"}, []string{"3"}},
		"kind":         {Filter{Kind: "messages"}, []string{"3", "4"}},
		"conversation": {Filter{Conversation: "c"}, []string{"4"}},
	} {
		q, c := new(fakeQueue), new(collector)
		r := q.following(t, tc.filter, nil, time.Time{})
		one := store.Key{1}
		for _, s := range []store.Summary{
			{Number: 1, Destination: "app", Key: one},
			{Number: 2, Destination: "crm", Key: one}, // the same event
			{Number: 3, Destination: "app", Info: store.Info{Object: "instagram", Kind: "messages"}},
			{Number: 4, Destination: "app", Info: store.Info{Kind: "messages", Conversation: "c"}},
			{Number: 5}, // unmatched
			{Number: 6, Destination: "crm", Key: one, Replay: true},
		} {
			s.Received = time.Now()
			q.putOne(s)
		}
		drain(t, r, c)
		if !slices.Equal(c.got, tc.want) {
			t.Errorf("%s: got %s, want %s", name, c.got, tc.want)
		}
	}
}

func TestFollowerSinceATime(t *testing.T) {
	q, c := new(fakeQueue), new(collector)
	q.put(time.Now().Add(-5*time.Hour), 1)
	q.put(time.Now().Add(-3*time.Hour), 2)
	q.put(time.Now().Add(-time.Hour), 3)
	q.put(time.Now(), 4)
	drain(t, q.following(t, Filter{}, nil, time.Now().Add(-2*time.Hour)), c)
	c.want(t, "3", "4")
}

// TestFollowerOfAnotherStore has a store whose numbers begin anew.
func TestFollowerOfAnotherStore(t *testing.T) {
	q, c := new(fakeQueue), new(collector)
	q.put(time.Now(), 1, 2)
	last := position{epoch: inStore, number: 900, floor: 890, at: time.Now().Add(-2 * longAgo)}
	drain(t, q.following(t, Filter{}, &last, time.Time{}), c)
	c.want(t, GapStore+" 0", "1", "2")
}

// TestFollowersRest has followers that work a lot.
func TestFollowersRest(t *testing.T) {
	p := new(pace)
	now := time.Now()
	p.spent(now.Add(-50 * time.Millisecond))
	if rest := p.until.Sub(now); rest < 900*time.Millisecond || rest > longestRest {
		t.Errorf("got %v of rest after 50ms of work, want about a second", rest)
	}
	p.spent(now.Add(-time.Hour))
	if rest := time.Until(p.until); rest > longestRest {
		t.Errorf("got %v of rest, want no more than %v", rest, longestRest)
	}
}
