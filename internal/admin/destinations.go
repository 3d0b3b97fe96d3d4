package admin

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/delivery"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
)

// destinationsOf returns the destinations of a handler, in the order of their
// names: those that are configured, and those that have anything stored.
func destinationsOf(ctx context.Context, s *delivery.Stored, o store.Operator) ([]Destination, store.Stats, error) {
	stats, err := o.Stats(ctx)
	if err != nil {
		return nil, stats, err
	}
	var all []Destination
	at := make(map[string]int)
	workers := s.Workers()
	for i := range workers {
		w := &workers[i]
		d := Destination{Handler: s.Name, Destination: w.Destination, State: StateOpen, Delivered: w.Delivered, Rate: w.Rate, Causes: map[string]int64{}}
		if w.Closed {
			d.State, d.Since, d.Cause, d.Probe = StateProbing, w.Since, w.Cause, w.Probe
		}
		at[w.Destination] = len(all)
		all = append(all, d)
	}
	for i := range stats.Destinations {
		stored := &stats.Destinations[i]
		k, configured := at[stored.Destination]
		if !configured {
			k = len(all)
			all = append(all, Destination{Handler: s.Name, Destination: stored.Destination, State: StateUnconfigured, Causes: map[string]int64{}})
		}
		all[k].add(stored)
	}
	for i := range workers {
		d := &all[i]
		d.Backlog = append(workers[i].Backlog, d.Waiting+d.UnderWay)
	}
	slices.SortFunc(all, func(a, b Destination) int { return cmp.Compare(a.Destination, b.Destination) })
	return all, stats, nil
}

// add adds what is stored for the destination.
func (d *Destination) add(stored *store.DestinationStats) {
	d.Waiting, d.UnderWay, d.Oldest = stored.Waiting, stored.UnderWay, stored.Oldest
	for cause, n := range stored.Dead {
		d.Causes[cause] = n
		d.Dead += n
	}
	if stored.Paused {
		d.State = StatePaused
	}
}

// isThere reports a destination that is not configured, and has nothing stored:
// what is replayed to it would wait for one that may never be.
func isThere(ctx context.Context, s *delivery.Stored, o store.Operator, name string) error {
	if slices.ContainsFunc(s.Destinations, func(d *delivery.Destination) bool { return d.Name == name }) {
		return nil
	}
	_, err := find(ctx, s, o, name)
	return err
}

// find returns the destination of a handler that has this name.
func find(ctx context.Context, s *delivery.Stored, o store.Operator, name string) (*Destination, error) {
	all, _, err := destinationsOf(ctx, s, o)
	if err != nil {
		return nil, err
	}
	for i := range all {
		if all[i].Destination == name {
			return &all[i], nil
		}
	}
	return nil, caddy.APIError{HTTPStatus: http.StatusNotFound, Err: fmt.Errorf("destination: handler %s has none of this name", s.Name)}
}
