package admin

import (
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/delivery"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
)

// eventOf returns what is shown of a delivery in a list.
func eventOf(handler string, s *store.Summary) Event {
	return Event{
		Handler: handler, Number: uint64(s.Number), ID: s.Key.String(), Destination: s.Destination, State: s.State.String(),
		Object: s.Info.Object, Entry: s.Info.Entry, Field: s.Info.Field, Kind: s.Info.Kind,
		Subject: s.Info.Subject, Conversation: s.Info.Conversation,
		Original: s.Whole, Received: s.Received, Due: s.Due, Attempts: s.Attempts,
		Tried: s.Last.Started, Took: s.Last.Took.Seconds(),
		Status: s.Last.Status, Cause: s.Last.Cause, Error: s.Last.Error, Replay: s.Replay, Size: s.Size,
	}
}

// storyOf returns what is shown of an event.
func storyOf(handler string, s *store.Story) Story {
	shown := Story{
		Handler: handler, ID: s.Key.String(),
		Object: s.Info.Object, Entry: s.Info.Entry, Field: s.Info.Field, Kind: s.Info.Kind,
		Subject: s.Info.Subject, Conversation: s.Info.Conversation,
		Original: s.Whole, Received: s.Received, Body: string(s.Body), Deliveries: make([]Delivery, 0, len(s.Deliveries)),
	}
	shown.Origin = delivery.ShownOrigin(s.Origin)
	for i := range s.Deliveries {
		d := &s.Deliveries[i]
		one := Delivery{
			Number: uint64(d.Number), Destination: d.Destination, State: d.State.String(),
			Since: d.Since, Due: d.Due, Settled: d.Settled, Replay: d.Replay, Attempts: make([]Attempt, 0, len(d.Attempts)),
		}
		for _, a := range d.Attempts {
			one.Attempts = append(one.Attempts, Attempt{
				Started: a.Started, Took: a.Took.Seconds(), Status: a.Status, Cause: a.Cause, Error: a.Error, Answer: string(a.Answer),
			})
		}
		shown.Deliveries = append(shown.Deliveries, one)
	}
	return shown
}
