package postgres

import (
	"context"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
)

// Expire deletes what has expired, as a store does every minute.
func Expire(l store.Ledger) { l.(*ledger).expireNow(context.Background()) }
