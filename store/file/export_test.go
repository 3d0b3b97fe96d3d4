package file

import "time"

// SetClock sets the clock of a store's windows and leases.
func (s *Store) SetClock(now func() time.Time) { s.now = now }
