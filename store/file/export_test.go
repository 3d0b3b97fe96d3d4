package file

import "time"

// SetClock sets the clock of a store's windows and leases.
func (s *Store) SetClock(now func() time.Time) { s.now = now }

// LedgerFile returns the file of what was delivered.
func (s *Store) LedgerFile() string { return s.ledgerFile() }
