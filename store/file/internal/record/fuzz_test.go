package record_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/internal/record"
)

// seeds are a record of each kind.
func seeds() [][]byte {
	at := time.Unix(1_700_000_000, 0)
	target := store.Target{Destination: "app", Lanes: []store.Lane{1, 2}}
	n := &store.Notification{
		Received: at, Origin: []byte("origin"),
		Events: []store.Event{
			{Key: store.Key{1}, Window: time.Hour, Info: store.Info{Object: "page", Subject: "a"}, Body: []byte("{}"), Targets: []store.Target{target, target}},
			{Key: store.Key{2}, Body: []byte("unmatched")},
		},
		Whole: store.Event{Key: store.Key{3}, Body: []byte("whole"), Targets: []store.Target{target}},
	}
	all, _, _ := record.Notification(n, make([]bool, len(n.Events)), at)
	attempt := store.Attempt{Started: at, Took: time.Second, Status: 500, Cause: "http_500", Error: "no", Answer: []byte("oops")}
	outcomes := record.Outcomes(at, "app")
	for result := store.Done; result <= store.Returned; result++ {
		outcomes = record.AppendOutcome(outcomes, &record.Outcome{Number: 7, Key: store.Key{1}, Position: 9, Result: result, Due: at, Attempts: 3, Attempt: attempt})
	}
	all = append(all, outcomes, record.AppendDiscard(record.Discards(at, "app"), &record.Discard{Number: 7, Key: store.Key{1}}), record.Pause("app", true))
	_ = record.Events(bytes.Clone(all[0]), 0, func(o *record.Origin, e *record.Event) bool {
		story := store.DeliveryStory{Number: 7, Destination: "app", State: store.DeliveryDead, Since: at, Attempts: []store.Attempt{attempt}}
		all = append(all,
			record.AppendReplay(nil, o, e, &record.Replay{Number: 9, Since: at, Destination: "crm", Lanes: target.Lanes}),
			record.AppendMoved(nil, 5, o, e, []record.Delivery{{DeliveryStory: story, Lanes: target.Lanes, Attempts: 3}}))
		return false
	})
	return all
}

// FuzzRecord reads anything as a record, as a log gives it that was damaged in a
// way that its checksum does not show, or written by another.
func FuzzRecord(f *testing.F) {
	for _, seed := range seeds() {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var bodies int
		see := func(e *record.Event) {
			text := e.Text()
			bodies += len(e.Body) + len(text.Object) + len(text.Entry) + len(text.Field) + len(text.Kind) + len(text.Subject) + len(text.Conversation)
			e.Targets(func(_ int, destination []byte, lanes []store.Lane) { bodies += len(destination) + 8*len(lanes) })
		}
		switch record.KindOf(b) {
		case record.KindEvents:
			_ = record.Events(b, 0, func(_ *record.Origin, e *record.Event) bool { see(e); return true })
			_ = record.Events(b, 1<<63, func(*record.Origin, *record.Event) bool { return true })
		case record.KindReplay:
			if o, e, p, err := record.ReadReplay(b); err == nil && e.Body != nil {
				see(&e)
				_, again, _, err := record.ReadReplay(record.AppendReplay(nil, &o, &e, &p))
				if err != nil || again.Text() != e.Text() || again.Key != e.Key || !bytes.Equal(again.Body, e.Body) {
					t.Errorf("got %+v and error %v when it is written again, want %+v", again, err, e)
				}
			}
		case record.KindMoved:
			if o, e, deliveries, err := record.ReadMoved(b); err == nil && e.Body != nil {
				see(&e)
				_, _, again, err := record.ReadMoved(record.AppendMoved(nil, record.MovedFrom(b), &o, &e, deliveries))
				if err != nil || len(again) != len(deliveries) {
					t.Errorf("got %d deliveries and error %v when it is written again, want %d", len(again), err, len(deliveries))
				}
			}
		case record.KindOutcomes:
			_ = record.ReadOutcomes(b, func(_ time.Time, _ []byte, o *record.Outcome) { bodies += len(o.Attempt.Error) + len(o.Attempt.Answer) })
		case record.KindDiscards:
			_ = record.ReadDiscards(b, func(time.Time, []byte, *record.Discard) {})
		case record.KindPause:
			_, _, _ = record.ReadPause(b)
		}
		if bodies > len(b) {
			t.Errorf("got %d bytes of texts and bodies in a record of %d", bodies, len(b))
		}
	})
}
