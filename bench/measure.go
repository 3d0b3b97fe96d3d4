package main

import (
	"fmt"
	"slices"
	"time"
)

// A sample is what one round of a contender has come to.
type sample struct {
	Requests int           `json:"requests"`
	Rate     float64       `json:"requests_per_second"`
	P50      time.Duration `json:"p50_ns"`
	P99      time.Duration `json:"p99_ns"`
	CPU      time.Duration `json:"cpu_per_request_ns"`
}

// A row is what all rounds of a contender have come to: the median of each
// figure, and of its ratio to the first row in the same round. What disturbs
// the machine for a while disturbs both.
type row struct {
	Contender string   `json:"contender"`
	What      string   `json:"what"`
	Rate      figure   `json:"requests_per_second"`
	P50       figure   `json:"p50_ns"`
	P99       figure   `json:"p99_ns"`
	CPU       figure   `json:"cpu_per_request_ns"`
	Peak      figure   `json:"peak_memory_bytes"`
	Rounds    []sample `json:"rounds"`

	peak int64
}

// A figure is a median, and its ratio to that of the first row.
type figure struct {
	Median float64 `json:"median"`
	Ratio  float64 `json:"ratio"`
}

// figures are those that come of every round.
var figures = []struct {
	of func(sample) float64
	in func(*row) *figure
}{
	{func(s sample) float64 { return s.Rate }, func(r *row) *figure { return &r.Rate }},
	{func(s sample) float64 { return float64(s.P50) }, func(r *row) *figure { return &r.P50 }},
	{func(s sample) float64 { return float64(s.P99) }, func(r *row) *figure { return &r.P99 }},
	{func(s sample) float64 { return float64(s.CPU) }, func(r *row) *figure { return &r.CPU }},
}

// summarize fills in the figures of rows with the same number of rounds each.
func summarize(rows []*row) {
	for _, r := range rows {
		for _, f := range figures {
			values := make([]float64, len(r.Rounds))
			ratios := make([]float64, len(r.Rounds))
			for i := range r.Rounds {
				values[i] = f.of(r.Rounds[i])
				ratios[i] = values[i] / f.of(rows[0].Rounds[i])
			}
			*f.in(r) = figure{median(values), median(ratios)}
		}
		r.Peak = figure{float64(r.peak), float64(r.peak) / float64(rows[0].peak)}
	}
}

// median returns the middle of values, or the mean of the two there are.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	if n == 0 {
		return 0
	}
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// percentile returns the smallest of sorted values that p percent of them do
// not exceed.
func percentile(sorted []time.Duration, p int) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[max(0, (len(sorted)*p+99)/100-1)]
}

// measure drives a server for a round, and makes sure that the upstream has
// got what it should.
func measure(l load, s *server, up *upstream) (sample, error) {
	l.want = s.want()
	var usedBefore, usedAfter time.Duration
	var arrivedBefore, arrivedAfter int64
	snapshot := func(used *time.Duration, arrived *int64) func() error {
		return func() (err error) {
			if *used, err = s.cpu(); err != nil {
				return err
			}
			*arrived, err = up.count()
			return err
		}
	}
	after := snapshot(&usedAfter, &arrivedAfter)
	r, err := l.run(s.addr, snapshot(&usedBefore, &arrivedBefore), func() error {
		if err := s.settle(); err != nil {
			return err
		}
		return after()
	})
	if err != nil {
		return sample{}, err
	}
	n := len(r.latencies)
	if n == 0 {
		return sample{}, fmt.Errorf("no request was answered in %v", l.duration)
	}
	if got, want := arrivedAfter-arrivedBefore, int64(s.forwards(n, r.fresh)); got != want {
		return sample{}, fmt.Errorf("%d requests have reached the upstream, want %d", got, want)
	}
	slices.Sort(r.latencies)
	return sample{
		Requests: n,
		Rate:     float64(n) / r.elapsed.Seconds(),
		P50:      percentile(r.latencies, 50),
		P99:      percentile(r.latencies, 99),
		CPU:      (usedAfter - usedBefore) / time.Duration(n),
	}, nil
}
