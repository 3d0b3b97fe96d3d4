package delivery

import "sync"

// A Shared store is open while it is used: by the configuration, and by each
// request that has come under it. A reload does not wait for requests, so they
// can outlive the configuration; one that begins later still opens the store
// again.
type Shared[T interface{ Close() error }] struct {
	Open func() (T, error)

	mu    sync.Mutex
	store T
	users int
}

// Acquire returns the store. Each Acquire that does not fail needs a Release.
func (s *Shared[T]) Acquire() (store T, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.users == 0 {
		if s.store, err = s.Open(); err != nil {
			return store, err
		}
	}
	s.users++
	return s.store, nil
}

// Release closes the store with its last user.
func (s *Shared[T]) Release() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.users--; s.users > 0 {
		return nil
	}
	return s.store.Close()
}
