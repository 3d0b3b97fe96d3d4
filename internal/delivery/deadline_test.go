package delivery

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestADeadlineEnds(t *testing.T) {
	for _, tc := range []struct {
		name string
		end  func(cancelParent, cancel context.CancelFunc)
		want error
	}{
		{"not before its time", func(_, _ context.CancelFunc) { time.Sleep(4 * time.Second) }, nil},
		{"in time", func(_, _ context.CancelFunc) { time.Sleep(5 * time.Second) }, context.DeadlineExceeded},
		{"with its parent", func(cancelParent, _ context.CancelFunc) { cancelParent() }, context.Canceled},
		{"when it is cancelled", func(_, cancel context.CancelFunc) { cancel() }, context.Canceled},
	} {
		for _, waits := range []string{"before", "after"} {
			synctest.Test(t, func(t *testing.T) {
				parent, cancelParent := context.WithCancel(t.Context())
				defer cancelParent()
				ctx, cancel := within(parent, 5*time.Second)
				defer cancel()
				if waits == "before" {
					ctx.Done()
				}
				tc.end(cancelParent, cancel)
				synctest.Wait()
				if got := ctx.Err(); !errors.Is(got, tc.want) {
					t.Errorf("%s, waiting from %s: got %v, want %v", tc.name, waits, got, tc.want)
				}
				select {
				case <-ctx.Done():
					if tc.want == nil {
						t.Errorf("%s, waiting from %s: got done, want not yet", tc.name, waits)
					}
				default:
					if tc.want != nil {
						t.Errorf("%s, waiting from %s: got not done, want done", tc.name, waits)
					}
				}
			})
		}
	}
}

// What is derived from it ends with it, and finds what the parent holds.
func TestContextsDerivedFromADeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type key struct{}
		ctx, cancel := within(context.WithValue(t.Context(), key{}, "value"), 5*time.Second)
		defer cancel()
		if got := ctx.Value(key{}); got != "value" {
			t.Errorf("got %v from the parent, want value", got)
		}
		derived, cancelDerived := context.WithCancel(ctx)
		defer cancelDerived()
		if got := derived.Value(key{}); got != "value" {
			t.Errorf("got %v by a derived context, want value", got)
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if got := derived.Err(); !errors.Is(got, context.DeadlineExceeded) {
			t.Errorf("derived: got %v, want %v", got, context.DeadlineExceeded)
		}
	})
}

func TestTheEarlierDeadlineCounts(t *testing.T) {
	now := time.Now()
	for _, tc := range []struct{ parent, own, want time.Duration }{
		{time.Hour, time.Minute, time.Minute},
		{time.Minute, time.Hour, time.Minute},
	} {
		parent, cancelParent := context.WithDeadline(t.Context(), now.Add(tc.parent))
		defer cancelParent()
		ctx, cancel := within(parent, tc.own)
		defer cancel()
		if got, ok := ctx.Deadline(); !ok || got.Sub(now).Round(time.Second) > tc.want+10*time.Second || got.Sub(now) < tc.want-time.Second {
			t.Errorf("of %v and %v: got %v, %t; want %v", tc.parent, tc.own, got.Sub(now), ok, tc.want)
		}
	}
}
