package file_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/ledgertest"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file"
)

// TestQueuesOfNames has names that could lead out of the folder, and handlers
// that share it.
func TestQueuesOfNames(t *testing.T) {
	f := &file.Store{Path: filepath.Join(t.TempDir(), "stored")}
	ledgertest.Provision(t, f)
	names := []string{"default", "shop", "..", "a/b", `a\b`, "ä ö"}
	for _, name := range names {
		q, err := f.OpenQueue(name)
		if err != nil {
			t.Fatalf("%q: got error %v, want none", name, err)
		}
		repeats, err := q.Accept(t.Context(), &store.Notification{Events: []store.Event{
			{Key: store.Key{1}, Window: 1 << 40, Body: []byte("{}"), Targets: []store.Target{{Destination: "app"}}},
		}})
		if err != nil || repeats[0] {
			t.Errorf("%q: got repeats %v and error %v, want an event that no other name has seen", name, repeats, err)
		}
		if err := q.Close(); err != nil {
			t.Errorf("%q: Close: got error %v, want none", name, err)
		}
	}
	entries, err := os.ReadDir(f.Path)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != len(names) {
		t.Errorf("got %v in the folder, want one folder for each of %q", entries, names)
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("got %s with mode %v, %v; want 0700", entry.Name(), info.Mode(), err)
		}
	}
}

func TestQueueOptions(t *testing.T) {
	f := new(file.Store)
	ledgertest.Provision(t, f)
	f.Capacity = 1
	if err := f.Validate(); err == nil {
		t.Error("capacity 1: got no error, want one")
	}
	f = new(file.Store)
	ledgertest.Provision(t, f)
	if err := f.Validate(); err != nil || f.Capacity != 10_000_000_000 {
		t.Errorf("got capacity %d, keep %v, error %v; want 10 GB, 7d, none", f.Capacity, f.Keep, err)
	}
}
