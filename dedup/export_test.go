package dedup

import "time"

// What the tests outside of the package need from inside.

func (m *Memory) SetClock(now func() time.Time) { m.now = now }

func (f *File) SetClock(now func() time.Time) { f.now = now }
