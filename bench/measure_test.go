package main

import (
	"testing"
	"time"
)

func TestPercentiles(t *testing.T) {
	hundred := make([]time.Duration, 100)
	for i := range hundred {
		hundred[i] = time.Duration(i + 1)
	}
	for _, tc := range []struct {
		sorted []time.Duration
		p      int
		want   time.Duration
	}{
		{nil, 50, 0},
		{[]time.Duration{7}, 50, 7},
		{[]time.Duration{7}, 99, 7},
		{[]time.Duration{1, 2}, 50, 1},
		{[]time.Duration{1, 2, 3}, 50, 2},
		{[]time.Duration{1, 2, 3}, 99, 3},
		{hundred, 0, 1},
		{hundred, 50, 50},
		{hundred, 99, 99},
		{hundred, 100, 100},
		{append(hundred[:100:100], 101), 99, 100},
	} {
		if got := percentile(tc.sorted, tc.p); got != tc.want {
			t.Errorf("p%d of %d: got %d, want %d", tc.p, len(tc.sorted), got, tc.want)
		}
	}
}

func TestEventsInAMessage(t *testing.T) {
	r := &row{Rounds: []sample{{}, {Events: 300, Messages: 3, Behind: 7}, {Events: 10, Messages: 10, Behind: 9}}}
	summarize([]*row{r})
	if r.Gathered != 1 || r.Behind != 7 {
		t.Errorf("got %v events in a message, and the last %v after the answers; want 1 and 7, the medians of 0, 100, 1 and of 0, 7, 9", r.Gathered, r.Behind)
	}
}

func TestMedians(t *testing.T) {
	for _, tc := range []struct {
		values []float64
		want   float64
	}{
		{nil, 0},
		{[]float64{3}, 3},
		{[]float64{9, 1, 2}, 2},
		{[]float64{4, 1, 3, 2}, 2.5},
	} {
		if got := median(tc.values); got != tc.want {
			t.Errorf("median of %v: got %v, want %v", tc.values, got, tc.want)
		}
	}
}

// A round in which the machine was slow makes both rows slow, and tells
// nothing of their ratio.
func TestRatiosAreOfTheSameRound(t *testing.T) {
	first := &row{peak: 100, Rounds: []sample{{Rate: 10, P50: 1, P99: 2, CPU: 100}, {Rate: 1, P50: 10, P99: 20, CPU: 1000}, {Rate: 10, P50: 1, P99: 2, CPU: 100}}}
	second := &row{peak: 50, Rounds: []sample{{Rate: 20, P50: 2, P99: 2, CPU: 50}, {Rate: 2, P50: 20, P99: 20, CPU: 500}, {Rate: 2, P50: 20, P99: 20, CPU: 500}}}
	summarize([]*row{first, second})
	for _, f := range []figure{first.Rate, first.P50, first.P99, first.CPU, first.Peak} {
		if f.Ratio != 1 {
			t.Errorf("first row: got ratio %v, want 1", f.Ratio)
		}
	}
	for _, tc := range []struct {
		name      string
		got, want figure
	}{
		{"requests/s", second.Rate, figure{2, 2}},
		{"p50", second.P50, figure{20, 2}},
		{"p99", second.P99, figure{20, 1}},
		{"CPU", second.CPU, figure{500, 0.5}},
		{"memory", second.Peak, figure{50, 0.5}},
	} {
		if tc.got != tc.want {
			t.Errorf("%s: got %v, want %v", tc.name, tc.got, tc.want)
		}
	}
}
