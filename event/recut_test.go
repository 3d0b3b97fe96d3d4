package event_test

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/event"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/recut"
)

// However Meta cuts, merges and stamps what it sends, each update keeps its
// identity and its conversation, and a conversation its order.
func TestTheCutOfANotificationChangesNothing(t *testing.T) {
	t.Parallel()
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 2))
		updates := make([]recut.Update, 2+r.IntN(30))
		for i := range updates {
			updates[i] = recut.Random(r, i)
		}
		whole := recut.Cutter{Rand: r, Time: 1790000000}
		ids, order := parseUpdates(t, whole.Bodies(updates))
		if got := len(ids); got != len(updates) {
			t.Fatalf("seed %d: events: got %d with ids of their own, want %d", seed, got, len(updates))
		}
		for again := range 5 {
			later := recut.Cutter{Rand: r, Time: 1790000000 + again}
			gotIDs, gotOrder := parseUpdates(t, later.Bodies(updates))
			if !maps.Equal(gotIDs, ids) {
				t.Errorf("seed %d: cut again: got ids and conversations\n%v\nwant\n%v", seed, gotIDs, ids)
			}
			if !maps.EqualFunc(gotOrder, order, slices.Equal) {
				t.Errorf("seed %d: cut again: got the order\n%v\nwant\n%v", seed, gotOrder, order)
			}
			shuffled := slices.Clone(updates)
			r.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
			if gotIDs, _ := parseUpdates(t, later.Bodies(shuffled)); !maps.Equal(gotIDs, ids) {
				t.Errorf("seed %d: in another order: got ids and conversations\n%v\nwant\n%v", seed, gotIDs, ids)
			}
			twice := slices.Concat(updates, shuffled)
			if gotIDs, _ := parseUpdates(t, slices.Concat(later.Bodies(updates), later.Bodies(shuffled))); !maps.Equal(gotIDs, ids) {
				t.Errorf("seed %d: %d updates, sent twice: got %d ids, want %d", seed, len(twice), len(gotIDs), len(ids))
			}
		}
		for i, u := range updates {
			alone := whole.Bodies([]recut.Update{u})
			got, _ := parseUpdates(t, alone)
			for id, conversation := range got {
				if ids[id] != conversation {
					t.Errorf("seed %d: update %d alone: got id %s in %s, want one of %v", seed, i, id, conversation, ids)
				}
			}
		}
	}
}

// parseUpdates returns the events' ids with their conversations, and the order
// in each.
func parseUpdates(t *testing.T, bodies []string) (map[event.ID]string, map[string][]event.ID) {
	t.Helper()
	ids, order := make(map[event.ID]string), make(map[string][]event.ID)
	for _, body := range bodies {
		events := parse(t, body)
		for i := range events {
			id, conversation := events[i].ID(), events[i].Conversation()
			if other, taken := ids[id]; taken && other != conversation {
				t.Errorf("Parse(%s): conversations of %s: got %s and %s, want one", body, id, other, conversation)
			}
			ids[id] = conversation
			order[conversation] = append(order[conversation], id)
		}
	}
	return ids, order
}
