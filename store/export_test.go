package store

import (
	"context"
	"time"
)

// What the tests outside of the package need from inside.

func (m *Memory) SetClock(now func() time.Time) { m.now = now }

func (f *File) SetClock(now func() time.Time) { f.now = now }

// Expire has a postgres store delete what has expired, as it does every
// minute.
func Expire(s Ledger) { s.(*postgresStore).expireNow(context.Background()) }
