package listen

import (
	"fmt"
	"net/http"
	"testing"
	"time"
)

// opened returns a journal of the test's own.
func opened(t *testing.T) *journal {
	t.Helper()
	j, err := openJournal(t.Name())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := j.close(); err != nil {
			t.Error(err)
		}
	})
	return j
}

// eventOf returns an event as it is delivered.
func eventOf(id, object, kind, conversation string) string {
	return fmt.Sprintf(`{"specversion":"1.0","id":%q,"type":"com.facebook.%s.%s","metaobject":%q,"partitionkey":%q}`, id, object, kind, object, conversation)
}

// put puts messages into the journal, of one event each.
func (j *journal) put(most int, ids ...string) {
	for _, id := range ids {
		j.add(&Message{ID: id, Received: time.Now(), Header: http.Header{}, Body: []byte(eventOf(id, "page", "feed", "c"))}, most, 1<<20)
	}
}

// keys returns the keys of the messages with these numbers.
func (j *journal) keys(numbers ...uint64) (keys []string) {
	for _, n := range numbers {
		keys = append(keys, position{epoch: j.epoch}.key(n))
	}
	return keys
}

func TestJournalTellsWhatWasDropped(t *testing.T) {
	j, c := opened(t), new(collector)
	r := j.read(Filter{}, nil, time.Time{})
	j.put(3, "a", "b")
	drain(t, r, c)
	c.want(t, j.keys(1, 2)...)
	j.put(3, "c", "d", "e", "f", "g")
	drain(t, r, c)
	c.want(t, append([]string{GapDropped + " 2"}, j.keys(5, 6, 7)...)...)
}

func TestJournalIsBounded(t *testing.T) {
	j := opened(t)
	for i := range 1000 {
		j.add(&Message{ID: fmt.Sprint(i), Body: make([]byte, 10_000)}, 1_000_000, 100_000)
		j.fail(fmt.Sprint(i), 50)
	}
	if len(j.kept) > 10 || j.bytes > 100_000 || len(j.failed) > 100 {
		t.Errorf("got %d messages, %d bytes and %d failures, want no more than fit", len(j.kept), j.bytes, len(j.failed))
	}
	j.add(&Message{ID: "large", Body: make([]byte, 200_000)}, 10, 100_000)
	if len(j.kept) != 1 {
		t.Errorf("got %d messages, want the last one, although it is large", len(j.kept))
	}
}

// TestRepeatsOfWhatFailedAreNotCopied has Meta send again what the app has
// failed for, and, later, the same event anew.
func TestRepeatsOfWhatFailedAreNotCopied(t *testing.T) {
	j, c := opened(t), new(collector)
	r := j.read(Filter{}, nil, time.Time{})
	j.put(10, "a")
	j.fail("a", 10)
	j.put(10, "b", "a") // fails again
	j.fail("a", 10)
	j.put(10, "a") // is delivered
	j.put(10, "a") // is one more
	drain(t, r, c)
	c.want(t, j.keys(1, 2, 3)...)
}

func TestJournalReaderGoesOn(t *testing.T) {
	j, c := opened(t), new(collector)
	j.put(10, "a", "b", "c")
	for want, last := range map[string]position{
		"[" + j.keys(2)[0] + " " + j.keys(3)[0] + "]": {epoch: j.epoch, number: 1},
		"[]": {epoch: j.epoch, number: 3},
		// one of the process before, and of a store
		fmt.Sprint(append([]string{GapProcess + " 0"}, j.keys(1, 2, 3)...)): {epoch: "ANOTHER1", number: 7, at: time.Now().Add(-time.Minute)},
		fmt.Sprint([]string{GapProcess + " 0"}):                             {epoch: inStore, number: 7, at: time.Now().Add(time.Minute)},
	} {
		parsed, ok := parsePosition(last.String())
		if !ok {
			t.Fatalf("got the position %s, want one that can be read", last)
		}
		drain(t, j.read(Filter{}, &parsed, time.Time{}), c)
		if got := fmt.Sprint(c.got); got != want {
			t.Errorf("after %s: got %s, want %s", last, got, want)
		}
		c.got = nil
	}
	drain(t, j.read(Filter{}, nil, time.Now().Add(-time.Hour)), c)
	c.want(t, j.keys(1, 2, 3)...)
	drain(t, j.read(Filter{}, nil, time.Now().Add(time.Hour)), c)
	c.want(t)
}

// TestMessageFitsIfAnyEventDoes has messages of several events.
func TestMessageFitsIfAnyEventDoes(t *testing.T) {
	one, two := eventOf("1", "page", "feed", "x"), eventOf("2", "page", "messages", "y")
	notification := `{"object":"page","entry":[{"id":"1","time":1,"changes":[{"field":"feed","value":{"post_id":"1_2"}}]}]}`
	for _, tc := range []struct {
		body         string
		filter       Filter
		fits         bool
		events       int
		object, kind string
	}{
		{one, Filter{}, true, 1, "page", "feed"},
		{one, Filter{Kind: "messages"}, false, 1, "page", "feed"},
		{one, Filter{Kind: "feed", Conversation: "y"}, false, 1, "page", "feed"},
		{"[" + one + "]", Filter{Kind: "feed"}, true, 1, "page", "feed"},
		{"[" + one + "," + two + "]", Filter{Kind: "messages"}, true, 2, "page", ""},
		{"[" + one + "," + two + "]", Filter{Kind: "messages", Conversation: "x"}, false, 2, "page", ""},
		{notification, Filter{Object: "page"}, true, 1, "page", "feed"},
		{notification, Filter{Object: "user"}, false, 1, "page", "feed"},
		{"not JSON", Filter{}, true, 1, "", ""},
		{"not JSON", Filter{Object: "page"}, false, 1, "", ""},
	} {
		m := &Message{Body: []byte(tc.body)}
		if fits := m.describe(&tc.filter); fits != tc.fits || m.Events != tc.events || m.Object != tc.object || m.Kind != tc.kind {
			t.Errorf("%s, %+v: got %t, %d events, object %q and kind %q, want %+v", tc.body, tc.filter, fits, m.Events, m.Object, m.Kind, tc)
		}
	}
}

// TestOnlyTheGatewaysHeadersAreCopied has handlers in between add headers for
// the app.
func TestOnlyTheGatewaysHeadersAreCopied(t *testing.T) {
	got := passed(http.Header{
		"Content-Type": {"application/json"}, "Webhook-Id": {"1"}, "X-Hub-Signature-256": {"sha256=0"}, "User-Agent": {"facebookexternalua"},
		"Webhook-Signature": {"v1,secret"}, "Webhook-Timestamp": {"1"}, "Authorization": {"Bearer secret"}, "Cookie": {"secret"},
	})
	for _, name := range []string{"Content-Type", "Webhook-Id", "X-Hub-Signature-256", "User-Agent"} {
		if got.Get(name) == "" {
			t.Errorf("got no %s, want it", name)
		}
	}
	if len(got) != 4 {
		t.Errorf("got %v, want nothing else", got)
	}
}
