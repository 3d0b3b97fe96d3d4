package delivery

import (
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestWorkersTellHowItGoes has an app down for three minutes, with five
// conversations waiting for it.
func TestWorkersTellHowItGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var down atomic.Bool
		down.Store(true)
		app := &testApp{answer: func(w http.ResponseWriter, _ *http.Request, _ string) error {
			if down.Load() {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
			return nil
		}}
		g := newGateway(t, to(app))
		g.run(func() {
			began := time.Now()
			for c := range closeAfter {
				if err := g.accept(message([2]int{c, 0})); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(3*time.Minute + time.Second)
			w := g.Workers()[0]
			if !w.Closed || w.Cause != "http_503" || !w.Since.Equal(began) || time.Until(w.Probe) > longestProbe || time.Now().After(w.Probe) {
				t.Errorf("got %+v, want it closed by http_503 since %v", w, began)
			}
			if want := []int64{closeAfter, closeAfter}; len(w.Backlog) < 2 || !slices.Equal(w.Backlog[:2], want) || w.Rate != 0 {
				t.Errorf("got the backlog %v and %v events a second, want %v and none", w.Backlog, w.Rate, want)
			}
			down.Store(false)
			time.Sleep(5 * time.Minute)
			if w = g.Workers()[0]; w.Closed || w.Cause != "" || w.Backlog[len(w.Backlog)-1] != 0 {
				t.Errorf("got %+v, want it open, and nothing waiting", w)
			}
			if sum := slices.Max(w.Delivered); sum == 0 || len(w.Delivered) != 60 {
				t.Errorf("got %v delivered, want some in an hour", w.Delivered)
			}
		})
	})
}
