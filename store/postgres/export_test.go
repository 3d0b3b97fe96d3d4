package postgres

import (
	"context"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
)

// Expire deletes what has expired, as a store does every minute.
func Expire(l store.Ledger) { l.(*ledger).expireNow(context.Background()) }

// ExpireQueue deletes what a queue has seen and need not know any more.
func ExpireQueue(q store.Queue) { q.(*queue).expireNow(context.Background()) }

// SetClock sets the clock that an instance's times are compared with.
func SetClock(s *Store, now func() time.Time) { s.now = now }

// Days returns so many days.
func Days(n int) caddy.Duration { return caddy.Duration(n) * caddy.Duration(24*time.Hour) }

// Turn turns the segments, as a store does every minute.
func Turn(q store.Queue) error { return q.(*queue).turnNow(context.Background()) }

// Segments is how many segments there are.
const Segments = segments

// Current returns the number of the current segment.
func Current(q store.Queue) int { return int(q.(*queue).segment.Load()) }
