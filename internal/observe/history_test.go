package observe

import (
	"slices"
	"testing"
	"time"
)

func TestHistoryOfAnHour(t *testing.T) {
	h, start := new(history), time.Unix(1_700_000_040, 0) // a full minute
	at := func(minutes int) time.Time { return start.Add(time.Duration(minutes) * time.Minute) }
	h.deliver(1, at(0))
	h.deliver(2, at(0))
	h.deliver(4, at(59))
	got, waited, _ := h.hour(at(59))
	if len(got) != 60 || got[0] != 3 || got[59] != 4 {
		t.Errorf("got %v, want 3 at first and 4 at last", got)
	}
	if len(waited) != 0 {
		t.Errorf("got %v that waited, want nothing that is not known", waited)
	}
	if got, _, _ = h.hour(at(60)); got[0] != 0 || got[58] != 4 {
		t.Errorf("got %v a minute later, want the 3 gone", got)
	}
	h.deliver(5, at(1000))
	want := append(make([]int64, 59), 5)
	if got, _, _ = h.hour(at(1000)); !slices.Equal(got, want) {
		t.Errorf("got %v after a long pause, want only 5 at last", got)
	}
}

func TestHistoryOfWhatWaits(t *testing.T) {
	h, start := new(history), time.Unix(1_700_000_040, 0) // a full minute
	at := func(minutes int) time.Time { return start.Add(time.Duration(minutes) * time.Minute) }
	h.wait(7, at(1))
	h.wait(9, at(2))
	h.wait(3, at(4)) // a minute was left out
	if _, got, _ := h.hour(at(5)); !slices.Equal(got, []int64{7, 9, 9, 3}) {
		t.Errorf("got %v, want 7 9 9 3", got)
	}
	if _, got, _ := h.hour(at(200)); len(got) != 59 || got[0] != 3 {
		t.Errorf("got %v much later, want 59 minutes of 3", got)
	}
}

func TestRateOfDelivery(t *testing.T) {
	h, start := new(history), time.Unix(1_700_000_040, 0) // a full minute
	h.deliver(100, start)
	h.deliver(80, start.Add(time.Minute))
	for _, test := range []struct {
		after time.Duration
		want  float64
	}{{75 * time.Second, 180. / 75}, {90 * time.Second, 2}, {150 * time.Second, 80. / 90}, {3 * time.Minute, 0}} {
		if _, _, got := h.hour(start.Add(test.after)); got != test.want {
			t.Errorf("after %v: got %v events a second, want %v", test.after, got, test.want)
		}
	}
}
