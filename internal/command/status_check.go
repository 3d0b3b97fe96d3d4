package command

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/admin"
)

// For how long something may go wrong before a person has to look at it.
const (
	longFailing = 10 * time.Minute // every notification, or every attempt at a destination
	longWaiting = time.Hour        // an event
)

// check prints what a person has to look at, and fails if there is anything.
func check(cmd *cobra.Command, all []admin.Status, now time.Time) error {
	found := problems(all, now)
	for _, p := range found {
		fmt.Fprintln(cmd.OutOrStdout(), printable(p, ""))
	}
	if len(found) > 0 {
		return problem{fmt.Errorf("problems found: %d", len(found))}
	}
	return nil
}

// problems returns what a person has to look at, a line each. A line stays as
// it is for as long as there is nothing new to say.
func problems(all []admin.Status, now time.Time) (found []string) {
	if len(all) == 0 {
		return []string{"no meta_webhook handler is running"}
	}
	for i := range all {
		s := &all[i]
		add := func(format string, args ...any) { found = append(found, s.Name+": "+fmt.Sprintf(format, args...)) }
		if longer(s.FailingSince, now, longFailing) {
			add("every notification fails")
		}
		if longer(s.OldestUndelivered, now, longWaiting) {
			add("an event that failed has not been delivered for an hour")
		}
		if s.StoreError != "" {
			add("the store fails: %s", s.StoreError)
		}
		if s.Store != nil && s.Store.Damaged > 0 {
			add("damaged batches of stored events: %d", s.Store.Damaged)
		}
		for k := range s.Destinations {
			d := &s.Destinations[k]
			if longer(d.Since, now, longFailing) {
				add("destination %s is down: %s", d.Destination, d.Cause)
			}
			if longer(d.Oldest, now, longWaiting) {
				add("an event for destination %s has waited for an hour", d.Destination)
			}
			if d.State == admin.StateUnconfigured && d.Waiting > 0 {
				add("events that wait for destination %s, which is in no configuration: %d", d.Destination, d.Waiting)
			}
			if d.Dead > 0 {
				add("dead events for destination %s: %d", d.Destination, d.Dead)
			}
		}
	}
	return found
}

// longer reports whether something has been so for longer than a while.
func longer(since, now time.Time, while time.Duration) bool {
	return !since.IsZero() && now.Sub(since) > while
}
