package file

import (
	"time"

	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/internal/queue"
)

// The defaults of the options of a queue.
const (
	defaultKeep     = caddy.Duration(7 * 24 * time.Hour)
	defaultCapacity = 10_000_000_000
)

// queues holds the queues that are open, by their folders.
var queues = caddy.NewUsagePool()

// A shared queue is one that several configurations use.
type shared struct{ *queue.Queue }

// Destruct implements caddy.Destructor.
func (s shared) Destruct() error { return s.Close() }

// OpenQueue implements store.QueueOpener.
func (s *Store) OpenQueue(name string) (store.Queue, error) {
	folder, err := s.folder(queueKind, name)
	if err != nil {
		return nil, err
	}
	open, _, err := queues.LoadOrNew(folder, func() (caddy.Destructor, error) {
		q, err := queue.Open(folder, queue.Options{
			Keep:        time.Duration(*s.Keep),
			Capacity:    s.Capacity,
			SegmentSize: s.segmentSize,
			Logger:      s.logger.With(zap.String("name", name)),
			Free:        func() int64 { return free(folder) },
		})
		return shared{q}, err
	})
	if err != nil {
		return nil, err
	}
	return open.(shared).Handle(func() error {
		_, err := queues.Delete(folder)
		return err
	}), nil
}

// Interface guard
var _ store.QueueOpener = (*Store)(nil)
