package store

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/boltfile"
)

func init() {
	caddy.RegisterModule(File{})
}

// File remembers delivered events in a file. They survive restarts and
// crashes: a record is on the disk before Meta gets its answer. Requests that
// come at the same time share the writing.
//
// A file belongs to one process. Several instances of Caddy can share what
// they remember with the postgres store.
type File struct {
	// The path of the file, which is made if there is none. Handlers may share
	// a file. Placeholders are replaced when the configuration is loaded.
	// Default: `meta_webhook.db` in
	// [Caddy's data directory](https://caddyserver.com/docs/conventions#data-directory).
	Path string `json:"path,omitempty"`

	now func() time.Time
}

// CaddyModule returns the Caddy module information.
func (File) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.meta_webhook.dedup.file",
		New: func() caddy.Module { return new(File) },
	}
}

// Provision finds the path.
func (f *File) Provision(ctx caddy.Context) error {
	if f.now == nil {
		f.now = time.Now
	}
	if err := register(ctx); err != nil {
		return err
	}
	if f.Path == "" {
		f.Path = filepath.Join(caddy.AppDataDir(), "meta_webhook.db")
		return nil
	}
	path, err := caddy.NewReplacer().ReplaceOrErr(f.Path, true, true)
	if err != nil {
		return fmt.Errorf("path: %v", err)
	}
	f.Path = path
	return nil
}

// fileStates holds who delivers what to which file, by the file and the
// handler's name.
var fileStates = caddy.NewUsagePool()

type fileStateKey struct {
	file *boltfile.File
	name string
}

// Destruct implements caddy.Destructor.
func (*inFlight) Destruct() error { return nil }

// Open implements Opener.
func (f *File) Open(name string) (Ledger, error) {
	file, err := boltfile.Open(f.Path)
	if err != nil {
		return nil, err
	}
	key := fileStateKey{file, name}
	shared, _, err := fileStates.LoadOrNew(key, func() (caddy.Destructor, error) { return newInFlight(f.now), nil })
	if err != nil {
		return nil, err
	}
	return &local{
		inFlight: shared.(*inFlight),
		set:      newFileSet(file, name, f.now),
		close: func() error {
			_, err := fileStates.Delete(key)
			return errors.Join(err, file.Close())
		},
	}, nil
}

// UnmarshalCaddyfile sets up the store from Caddyfile tokens. Syntax:
//
//	dedup file {
//		path <path>
//	}
func (f *File) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	return unmarshal(d, map[string]func(string) error{
		"path": func(value string) error {
			f.Path = value
			return nil
		},
	})
}

// Interface guards
var (
	_ caddy.Provisioner     = (*File)(nil)
	_ caddyfile.Unmarshaler = (*File)(nil)
	_ Opener                = (*File)(nil)
)
