package delivery

import (
	"errors"
	"sync"
	"testing"
)

// A door is a store that knows how often it was opened and closed.
type door struct {
	mu             sync.Mutex
	opened, closed int
	err            error // of Open
}

func (d *door) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed++
	return nil
}

func (d *door) shared() *Shared[*door] {
	return &Shared[*door]{Open: func() (*door, error) {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.opened++
		return d, d.err
	}}
}

func (d *door) want(t *testing.T, when string, opened, closed int) {
	t.Helper()
	if d.opened != opened || d.closed != closed {
		t.Errorf("%s: got it opened %d times and closed %d times, want %d and %d", when, d.opened, d.closed, opened, closed)
	}
}

func TestSharedStoreIsOpenFromStartToEnd(t *testing.T) {
	d := new(door)
	s := d.shared()
	d.want(t, "provisioned", 0, 0)
	for range 2 {
		mustStart(t, s)
	}
	request(t, s)
	d.want(t, "after a request", 1, 0)
	for range 2 {
		mustEnd(t, s)
	}
	d.want(t, "ended", 1, 1)
	request(t, s)
	d.want(t, "after a late request", 2, 2)
}

// TestRequestBeforeTheStart: Caddy may start its HTTP app first. What the
// request has recorded must not be forgotten when it ends.
func TestRequestBeforeTheStart(t *testing.T) {
	d := new(door)
	s := d.shared()
	request(t, s)
	d.want(t, "after the request", 1, 0)
	mustStart(t, s)
	mustEnd(t, s)
	d.want(t, "ended", 1, 1)
}

func TestSharedStoreOfAConfigurationThatIsOnlyValidated(t *testing.T) {
	d := new(door)
	s := d.shared()
	mustEnd(t, s)
	d.want(t, "ended", 0, 0)
}

// TestStoreThatCannotBeOpenedIsTriedOnce: a file that is locked is waited for
// each time.
func TestStoreThatCannotBeOpenedIsTriedOnce(t *testing.T) {
	d := &door{err: errors.New("locked")}
	s := d.shared()
	for range 3 {
		if _, err := s.Acquire(); !errors.Is(err, d.err) {
			t.Errorf("Acquire: got error %v, want %v", err, d.err)
		}
		if err := s.Start(); !errors.Is(err, d.err) {
			t.Errorf("Start: got error %v, want %v", err, d.err)
		}
	}
	mustEnd(t, s)
	d.want(t, "ended", 1, 0)
}

func TestRequestThatOutlivesTheConfiguration(t *testing.T) {
	d := new(door)
	s := d.shared()
	mustStart(t, s)
	if _, err := s.Acquire(); err != nil {
		t.Fatal(err)
	}
	mustEnd(t, s)
	d.want(t, "with a request under way", 1, 0)
	if err := s.Release(); err != nil {
		t.Errorf("Release: got error %v, want none", err)
	}
	d.want(t, "after it", 1, 1)
}

func TestSharedStoreInManyHands(t *testing.T) {
	d := new(door)
	s := d.shared()
	var running sync.WaitGroup
	for range 16 {
		running.Go(func() {
			for range 100 {
				request(t, s)
			}
		})
	}
	running.Go(func() { mustStart(t, s) })
	running.Wait()
	d.want(t, "after all requests", 1, 0)
	mustEnd(t, s)
	d.want(t, "ended", 1, 1)
}

func mustStart(t *testing.T, s *Shared[*door]) {
	t.Helper()
	if err := s.Start(); err != nil {
		t.Errorf("Start: got error %v, want none", err)
	}
}

func mustEnd(t *testing.T, s *Shared[*door]) {
	t.Helper()
	if err := s.End(); err != nil {
		t.Errorf("End: got error %v, want none", err)
	}
}

func request(t *testing.T, s *Shared[*door]) {
	t.Helper()
	if _, err := s.Acquire(); err != nil {
		t.Errorf("Acquire: got error %v, want none", err)
		return
	}
	if err := s.Release(); err != nil {
		t.Errorf("Release: got error %v, want none", err)
	}
}
