package file

import "time"

// SetClock sets the clock of a store's windows and leases.
func (s *Store) SetClock(now func() time.Time) { s.now = now }

// SetSegmentSize sets the size of the segments of a store's queues.
func (s *Store) SetSegmentSize(bytes int64) { s.segmentSize = bytes }
