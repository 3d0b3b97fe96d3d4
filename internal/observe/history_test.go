package observe

import (
	"slices"
	"testing"
	"time"
)

func TestHistoryOfAnHour(t *testing.T) {
	h, start := new(History), time.Unix(1_700_000_040, 0) // a full minute
	at := func(minutes int) time.Time { return start.Add(time.Duration(minutes) * time.Minute) }
	h.add(1, at(0))
	h.add(2, at(0))
	h.add(4, at(59))
	got := h.Minutes(at(59))
	if len(got) != 60 || got[0] != 3 || got[59] != 4 {
		t.Errorf("got %v, want 3 at first and 4 at last", got)
	}
	if got = h.Minutes(at(60)); got[0] != 0 || got[58] != 4 {
		t.Errorf("got %v a minute later, want the 3 gone", got)
	}
	h.add(5, at(1000))
	want := append(make([]int64, 59), 5)
	if got = h.Minutes(at(1000)); !slices.Equal(got, want) {
		t.Errorf("got %v after a long pause, want only 5 at last", got)
	}
}
