package delivery

import "sync"

// A Shared store is open while it is used: by the configuration, from Start to
// End, and by each request that has come under it. Requests need not wait for
// the start, nor does a reload wait for requests: one that comes before opens
// the store for the configuration as well, and one that outlives the
// configuration keeps it open, or opens it again.
type Shared[T interface{ Close() error }] struct {
	Open func() (T, error)

	mu      sync.Mutex
	store   T
	users   int
	config  use
	refused error // what the first try to open failed with
}

// A use is where the use by the configuration stands.
type use uint8

const (
	before use = iota
	during
	after
)

// Start opens the store for the configuration. A store that cannot be opened
// then is not tried again: the configuration is about to be refused, and each
// try may take its time.
func (s *Shared[T]) Start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.start()
}

func (s *Shared[T]) start() error {
	if s.config == before {
		s.config = during
		_, s.refused = s.acquire()
	}
	return s.refused
}

// End ends the use by the configuration, whether or not it has begun.
func (s *Shared[T]) End() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	was := s.config
	s.config = after
	if was != during || s.refused != nil {
		return nil
	}
	return s.release()
}

// Acquire returns the store. Each Acquire that does not fail needs a Release.
func (s *Shared[T]) Acquire() (store T, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.start(); err != nil {
		return store, err
	}
	return s.acquire()
}

func (s *Shared[T]) acquire() (store T, err error) {
	if s.users == 0 {
		if s.store, err = s.Open(); err != nil {
			return store, err
		}
	}
	s.users++
	return s.store, nil
}

// Release ends the use of the store that an Acquire began.
func (s *Shared[T]) Release() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.release()
}

// release closes the store with its last user.
func (s *Shared[T]) release() error {
	if s.users--; s.users > 0 {
		return nil
	}
	return s.store.Close()
}
