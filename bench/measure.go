package main

import (
	"errors"
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

	// Events and Messages have reached the upstream, the last Behind after the
	// last answer. Behind is of interest where the answer does not wait for the
	// upstream.
	Events   int           `json:"events"`
	Messages int           `json:"messages"`
	Behind   time.Duration `json:"behind_ns"`
}

// gathered returns how many events a message carries.
func (s sample) gathered() float64 {
	if s.Messages == 0 {
		return 0
	}
	return float64(s.Events) / float64(s.Messages)
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
	Gathered  float64  `json:"events_per_message"`
	Behind    float64  `json:"behind_ns"`
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
		r.Gathered = medianOf(r.Rounds, sample.gathered)
		r.Behind = medianOf(r.Rounds, func(s sample) float64 { return float64(s.Behind) })
		r.Peak = figure{float64(r.peak), float64(r.peak) / float64(rows[0].peak)}
	}
}

func medianOf(samples []sample, of func(sample) float64) float64 {
	values := make([]float64, len(samples))
	for i, s := range samples {
		values[i] = of(s)
	}
	return median(values)
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
	arrived, err := up.count()
	if err != nil {
		return sample{}, err
	}
	var before, after snapshot
	var behind time.Duration
	r, err := l.run(s.addr, func(fresh int) error {
		before, err = s.rest(up, arrived.events+int64(s.delivers(fresh)))
		return errors.Join(err, up.pause(l.pause))
	}, func(fresh int) error {
		answered := time.Now()
		if err := up.pause(0); err != nil {
			return err
		}
		after, err = s.rest(up, before.events+int64(s.delivers(fresh)))
		behind = max(0, after.arrived.Sub(answered))
		return err
	})
	if err != nil {
		return sample{}, errors.Join(err, up.pause(0))
	}
	n := len(r.latencies)
	if n == 0 {
		return sample{}, fmt.Errorf("no request was answered in %v", l.duration)
	}
	events, messages := after.events-before.events, after.requests-before.requests
	if want := int64(s.delivers(r.fresh)); events != want {
		return sample{}, fmt.Errorf("%d events have reached the upstream, want %d", events, want)
	}
	most := int64(s.forwards(n, r.fresh))
	if messages > most || messages < most && !s.contender.gathers {
		return sample{}, fmt.Errorf("%d requests have reached the upstream, want %d", messages, most)
	}
	slices.Sort(r.latencies)
	return sample{
		Requests: n,
		Rate:     float64(n) / r.elapsed.Seconds(),
		P50:      percentile(r.latencies, 50),
		P99:      percentile(r.latencies, 99),
		CPU:      (after.used - before.used) / time.Duration(n),
		Events:   int(events),
		Messages: int(messages),
		Behind:   behind,
	}, nil
}

// A snapshot is what there was at a moment when a server had nothing to do.
type snapshot struct {
	counts
	arrived time.Time     // when the events were seen to have arrived
	used    time.Duration // processor time
}

// rest waits until the upstream has got as many events as it should, and the
// server has nothing to do any more.
func (s *server) rest(up *upstream, events int64) (snapshot, error) {
	if err := up.await(events); err != nil {
		return snapshot{}, err
	}
	at := snapshot{arrived: time.Now()}
	err := s.settle()
	if err != nil {
		return at, err
	}
	if at.used, err = s.cpu(); err != nil {
		return at, err
	}
	at.counts, err = up.count()
	return at, err
}
