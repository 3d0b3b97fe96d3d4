package postgres

import (
	"context"
	"errors"
	"slices"
	"sync"
)

// A batcher has calls that come at the same time done together. While one batch
// is being done, the next one gathers.
type batcher[T any] struct {
	do       func(batch []*call[T])
	parallel int // batches at the same time
	calls    int // in a batch, at most
	weight   int // of a batch, at most, unless it is one call
	room     int // for calls that wait

	mu      sync.Mutex
	waiting []*call[T]
	running int
	ended   sync.WaitGroup
}

// A call is one of those in a batch.
type call[T any] struct {
	what   T
	weight int
	err    error
	done   chan struct{}
}

// errNoRoom means that too many calls wait.
var errNoRoom = errors.New("too many calls wait for the database")

// call does something in a batch, and returns when it is done. If the context
// ends first, it may or may not be done; if began is false, it is not, and never
// will be.
func (b *batcher[T]) call(ctx context.Context, what T, weight int) (began bool, err error) {
	c := &call[T]{what: what, weight: weight, done: make(chan struct{})}
	b.mu.Lock()
	if len(b.waiting) >= b.room {
		b.mu.Unlock()
		return false, errNoRoom
	}
	b.waiting = append(b.waiting, c)
	if b.running < b.parallel {
		b.running++
		b.ended.Go(b.run)
	}
	b.mu.Unlock()
	select {
	case <-c.done:
		return true, c.err
	case <-ctx.Done():
		return !b.withdraw(c), ctx.Err()
	}
}

// withdraw takes back a call, and reports whether it was not too late.
func (b *batcher[T]) withdraw(c *call[T]) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	at := slices.Index(b.waiting, c)
	if at < 0 {
		return false
	}
	b.waiting = slices.Delete(slices.Clone(b.waiting), at, at+1)
	return true
}

// run does batches for as long as there are calls.
func (b *batcher[T]) run() {
	for {
		batch := b.next()
		if batch == nil {
			return
		}
		b.do(batch)
		for _, c := range batch {
			close(c.done)
		}
	}
}

// next returns the calls of the next batch.
func (b *batcher[T]) next() []*call[T] {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.waiting) == 0 {
		b.running--
		return nil
	}
	n, weight := 0, 0
	for ; n < min(len(b.waiting), b.calls); n++ {
		if weight += b.waiting[n].weight; n > 0 && weight > b.weight {
			break
		}
	}
	batch := b.waiting[:n:n]
	b.waiting = b.waiting[n:]
	return batch
}

// wait returns when all batches are done. There are no more calls.
func (b *batcher[T]) wait() { b.ended.Wait() }
