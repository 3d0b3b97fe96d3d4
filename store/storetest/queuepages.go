package storetest

import (
	"context"
	"errors"
	"fmt"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
)

// list returns all deliveries that fit, and their bodies.
func (q *queueCheck) list(f store.Filter, limit int) []store.Summary {
	q.Helper()
	found, err := listAll(q.Context(), q.Queue, f, limit)
	if err != nil {
		q.Fatal(err)
	}
	return found
}

// listAll lists page by page.
func listAll(ctx context.Context, queue store.Queue, f store.Filter, limit int) (all []store.Summary, err error) {
	cursor := ""
	for range 10_000 {
		found, next, err := queue.List(ctx, f, cursor, limit)
		if err != nil {
			return nil, fmt.Errorf("List: got error %w, want none", err)
		}
		if len(found) > limit {
			return nil, fmt.Errorf("List: got %d deliveries, want up to %d", len(found), limit)
		}
		all = append(all, found...)
		if next == "" {
			return all, nil
		}
		cursor = next
	}
	return nil, errors.New("List: got ten thousand pages, want an end")
}

// A change is Replay to a destination, or Discard.
type change func(f store.Filter, cursor string, limit int, dry bool) (int, string, error)

func replayTo(ctx context.Context, queue store.Queue, destination string) change {
	return func(f store.Filter, cursor string, limit int, dry bool) (int, string, error) {
		return queue.Replay(ctx, destination, f, cursor, limit, dry)
	}
}

func discardIn(ctx context.Context, queue store.Queue) change {
	return func(f store.Filter, cursor string, limit int, dry bool) (int, string, error) {
		return queue.Discard(ctx, f, cursor, limit, dry)
	}
}

// all makes a change page by page, and returns how many it was made to.
func (c change) all(f store.Filter, limit int, dry bool) (total int, err error) {
	cursor := ""
	for range 10_000 {
		n, next, err := c(f, cursor, limit, dry)
		if err != nil {
			return total, fmt.Errorf("got error %w, want none", err)
		}
		if n > limit {
			return total, fmt.Errorf("got %d, want up to %d", n, limit)
		}
		if total += n; next == "" {
			return total, nil
		}
		cursor = next
	}
	return total, errors.New("got ten thousand pages, want an end")
}

// replay replays all that fit, and fails the test unless they are so many.
func (q *queueCheck) replay(destination string, f store.Filter, want int) {
	q.Helper()
	q.changes("Replay", replayTo(q.Context(), q.Queue, destination), f, want)
}

// discard discards all that fit, and fails the test unless they are so many.
func (q *queueCheck) discard(f store.Filter, want int) {
	q.Helper()
	q.changes("Discard", discardIn(q.Context(), q.Queue), f, want)
}

func (q *queueCheck) changes(what string, c change, f store.Filter, want int) {
	q.Helper()
	for _, dry := range []bool{true, false} {
		if got, err := c.all(f, 2, dry); err != nil || got != want {
			q.Fatalf("%s (dry: %t): got %d and error %v, want %d", what, dry, got, err, want)
		}
	}
}

// stats returns what is said of a destination.
func (q *queueCheck) stats(destination string) store.DestinationStats {
	q.Helper()
	stats, err := q.Stats(q.Context())
	if err != nil {
		q.Fatalf("Stats: got error %v, want none", err)
	}
	for _, d := range stats.Destinations {
		if d.Destination == destination {
			return d
		}
	}
	return store.DestinationStats{Destination: destination}
}

// story returns the only story of a key.
func (q *queueCheck) story(key store.Key) store.Story {
	q.Helper()
	stories, err := q.Story(q.Context(), key)
	if err != nil {
		q.Fatalf("Story: got error %v, want none", err)
	}
	if len(stories) != 1 {
		q.Fatalf("Story: got %d stories, want 1", len(stories))
	}
	return stories[0]
}
