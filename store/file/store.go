// Package file is the store that keeps what it remembers in files of its own.
package file

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/caddyblock"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/rule"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/internal/ledger"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/local"
)

func init() {
	caddy.RegisterModule(Store{})
}

// Store keeps what it remembers in files of its own: delivered events, and,
// with destinations, the events that are to be delivered. They survive restarts
// and crashes: what counts is on the disk before Meta gets its answer. Requests
// that come at the same time share the writing.
//
// A folder belongs to one process. Several instances of Caddy can share what
// they remember with the postgres store.
type Store struct {
	// The folder of the files, which is made if there is none, for Caddy's user
	// alone. Handlers may share a folder. Placeholders are replaced when the
	// configuration is loaded. Default: `meta_webhook` in
	// [Caddy's data directory](https://caddyserver.com/docs/conventions#data-directory).
	Path string `json:"path,omitempty"`

	// With destinations, how long an event stays after its delivery has ended,
	// for look-up and replay. With 0s, it is removed as soon as that is cheap.
	// Default: 7d.
	Keep *caddy.Duration `json:"keep,omitempty"`

	// With destinations, how many bytes the events of a handler may take on the
	// disk. When it is reached, those go first whose delivery has ended; then
	// Meta gets 503. Nothing that waits is dropped. Default: 10000000000; at
	// least 268435456.
	Capacity int64 `json:"capacity,omitempty"`

	now         func() time.Time
	segmentSize int64 // of a queue; 0 but in tests
	logger      *zap.Logger
}

// CaddyModule returns the Caddy module information.
func (Store) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.meta_webhook.store.file",
		New: func() caddy.Module { return new(Store) },
	}
}

// Provision finds the path.
func (s *Store) Provision(ctx caddy.Context) error {
	if s.now == nil {
		s.now = time.Now
	}
	if err := register(ctx); err != nil {
		return err
	}
	s.logger = ctx.Logger()
	if s.Keep == nil {
		keep := defaultKeep
		s.Keep = &keep
	}
	if s.Capacity == 0 {
		s.Capacity = defaultCapacity
	}
	if s.Path == "" {
		s.Path = filepath.Join(caddy.AppDataDir(), "meta_webhook")
		return nil
	}
	path, err := caddy.NewReplacer().ReplaceOrErr(s.Path, true, true)
	if err != nil {
		return fmt.Errorf("path: %v", err)
	}
	s.Path = path
	return nil
}

// Validate reports options that have no meaning.
func (s *Store) Validate() error {
	return cmp.Or(rule.For("keep", checkKeep(*s.Keep)), rule.For("capacity", checkCapacity(s.Capacity)))
}

func checkKeep(keep caddy.Duration) error {
	if keep < 0 {
		return errors.New("must be 0s or longer")
	}
	return nil
}

// leastCapacity is room for a few segments of the log.
const leastCapacity = 1 << 28

func checkCapacity(capacity int64) error { return rule.Between(capacity, leastCapacity, 1<<50) }

// ledgers holds the ledgers that are open, by their folders.
var ledgers = caddy.NewUsagePool()

// A sharedLedger is one that several configurations use.
type sharedLedger struct {
	*ledger.Ledger
	claims *local.Claims
	name   string // of the handler
}

// Destruct implements caddy.Destructor.
func (s sharedLedger) Destruct() error { return s.Close() }

// Open implements store.Opener.
func (s *Store) Open(name string) (store.Ledger, error) {
	folder, err := s.folder(deliveredKind, name)
	if err != nil {
		return nil, err
	}
	open, _, err := ledgers.LoadOrNew(folder, func() (caddy.Destructor, error) {
		l, err := ledger.Open(folder, ledger.Options{Now: s.now, Logger: s.logger.With(zap.String("name", name))})
		return sharedLedger{l, local.NewClaims(s.now), name}, err
	})
	if err != nil {
		return nil, err
	}
	shared := open.(sharedLedger)
	return local.NewLedger(shared.claims, shared, func() error {
		_, err := ledgers.Delete(folder)
		return err
	}), nil
}

// UnmarshalCaddyfile sets up the store from Caddyfile tokens. Syntax:
//
//	store file {
//		path     <folder>
//		keep     <duration>
//		capacity <size>
//	}
func (s *Store) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	return caddyblock.Module(d, func(d *caddyfile.Dispenser, option string) error {
		switch option {
		case "path":
			return caddyblock.Value(d, &s.Path, caddyblock.Text, rule.NotEmpty)
		case "keep":
			s.Keep = new(caddy.Duration)
			return caddyblock.Value(d, s.Keep, caddyblock.Duration, checkKeep)
		case "capacity":
			return caddyblock.Value(d, &s.Capacity, caddyblock.Size, checkCapacity)
		}
		return caddyblock.Unrecognized(d, "store file", option)
	})
}

// Interface guards
var (
	_ caddy.Provisioner     = (*Store)(nil)
	_ caddy.Validator       = (*Store)(nil)
	_ caddyfile.Unmarshaler = (*Store)(nil)
	_ store.Opener          = (*Store)(nil)
)
