package command

import (
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/event"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/admin"
)

// selectionFlags are the flags that select stored events.
type selectionFlags struct {
	handler, destination string
	states               []string
	object, kind         string
	conversation, text   string
	since, from, until   string
}

func (s *selectionFlags) register(cmd *cobra.Command, of *adminFlags) {
	flags := cmd.Flags()
	flags.StringVar(&s.handler, "handler", "", "Name of the handler, where several have destinations")
	flags.StringVar(&s.destination, "destination", "", "Only events of this destination")
	flags.StringSliceVar(&s.states, "state", nil, "Only events in these states: waiting, under_way, done, dead, discarded, unmatched")
	flags.StringVar(&s.object, "object", "", "Only events of this object, such as page")
	flags.StringVar(&s.kind, "kind", "", "Only events of this kind, such as messages")
	flags.StringVar(&s.conversation, "conversation", "", "Only events of this conversation")
	flags.StringVar(&s.text, "text", "", "Only events with this in their id or subject")
	flags.StringVar(&s.since, "since", "", "Only events received in the last while, such as 2h")
	flags.StringVar(&s.from, "from", "", "Only events received from a time on, such as 2026-01-02T15:04:05Z")
	flags.StringVar(&s.until, "until", "", "Only events received before a time")
	of.completeNames(cmd, "handler", handlerOf)
	of.completeNames(cmd, "destination", destinationOf)
	completeWords(cmd, "state", admin.States())
	completeWords(cmd, "kind", event.Kinds())
	completeWords(cmd, "object", objects())
}

// objects returns the objects that Meta documents.
func objects() (all []string) {
	for object := range event.Documented() {
		all = append(all, object)
	}
	slices.Sort(all)
	return all
}

// query returns the query that selects the events, among those with some ids if
// there are any.
func (s *selectionFlags) query(ids []string) (url.Values, error) {
	query := make(url.Values)
	for name, value := range map[string]string{
		"handler": s.handler, "destination": s.destination, "object": s.object, "kind": s.kind,
		"conversation": s.conversation, "text": s.text, "since": s.since, "from": s.from, "until": s.until,
	} {
		if value != "" {
			query.Set(name, value)
		}
	}
	for _, state := range s.states {
		if !slices.Contains(admin.States(), state) {
			return nil, unknownWord("state", state, admin.States())
		}
		query.Add("state", state)
	}
	for _, id := range ids {
		if !admin.IsID(id) {
			return nil, fmt.Errorf("%q is not an event's id, which has 32 hex digits", id)
		}
		query.Add("id", id)
	}
	if s.since != "" {
		if d, err := caddy.ParseDuration(s.since); err != nil || d <= 0 {
			return nil, fmt.Errorf("--since: %q is not a duration such as 2h", s.since)
		}
	}
	for flag, value := range map[string]string{"from": s.from, "until": s.until} {
		if _, err := time.Parse(time.RFC3339, value); value != "" && err != nil {
			return nil, fmt.Errorf("--%s: %q is not a time such as 2026-01-02T15:04:05Z", flag, value)
		}
	}
	return query, nil
}
