package file_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/ledgertest"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/wal"
)

// queued is how many events of a filled store are in its queue: 1 is done, 2 is
// dead.
const queued = 100

func eventKey(n int) (key store.Key) {
	binary.BigEndian.PutUint64(key[:], uint64(n))
	return key
}

// filled returns a copy of the folder of a store that has delivered some events
// and has others in a queue, as it is while it is open, or after it was closed.
func filled(t *testing.T, open bool) string {
	t.Helper()
	f := &file.Store{Path: filepath.Join(t.TempDir(), "stored")}
	f.SetSegmentSize(256 << 10)
	ledgertest.Provision(t, f)
	l, err := f.Open("shop")
	if err != nil {
		t.Fatal(err)
	}
	ledgertest.Commit(t, l, ledgertest.RandomKeys(1000), time.Hour)
	q, err := f.OpenQueue("Shop")
	if err != nil {
		t.Fatal(err)
	}
	for n := range queued {
		_, err := q.Accept(t.Context(), &store.Notification{Received: time.Now(), Events: []store.Event{{
			Key: eventKey(n), Window: time.Hour, Body: fmt.Appendf(nil, "event %03d %s", n, strings.Repeat("x", 400)),
			Targets: []store.Target{{Destination: "app", Lanes: []store.Lane{store.Lane(n)}}},
		}}})
		if err != nil {
			t.Fatal(err)
		}
	}
	taken, err := q.Take(t.Context(), "app", store.Want{Max: 2, Bytes: 1 << 20, Lease: time.Minute})
	if err != nil || len(taken) != 2 {
		t.Fatalf("Take: got %d and error %v, want 2", len(taken), err)
	}
	if err := q.Settle(t.Context(), "app", []store.Outcome{
		{Held: taken[0].Held, Result: store.Done}, {Held: taken[1].Held, Result: store.Dead, Attempt: store.Attempt{Cause: "status"}},
	}); err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(t.TempDir(), "copy")
	if open {
		if err := os.CopyFS(other, os.DirFS(f.Path)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(l.Close(), q.Close()); err != nil {
		t.Fatal(err)
	}
	if !open {
		if err := os.CopyFS(other, os.DirFS(f.Path)); err != nil {
			t.Fatal(err)
		}
	}
	return other
}

// state returns what is in the files of a folder.
func state(t *testing.T, path string) (state string) {
	t.Helper()
	err := filepath.WalkDir(path, func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		content, err := os.ReadFile(name)
		state += fmt.Sprintf("%s %x\n", name, sha256.Sum256(content))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return state
}

// edit changes the content of the last file that fits a pattern.
func edit(t *testing.T, pattern string, change func(content []byte) []byte) {
	t.Helper()
	names, err := filepath.Glob(pattern)
	if err != nil || len(names) == 0 {
		t.Fatalf("%s: got %v and error %v, want one", pattern, names, err)
	}
	last := names[len(names)-1] // there may be an earlier snapshot
	content, err := os.ReadFile(last)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(last, change(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// flipAt changes a byte where there is some text.
func flipAt(text string) func(content []byte) []byte {
	return func(content []byte) []byte {
		content[bytes.Index(content, []byte(text))] ^= 1
		return content
	}
}

func check(t *testing.T, path string) []file.Part {
	t.Helper()
	parts, err := file.Check(path)
	if err != nil || len(parts) != 2 {
		t.Fatalf("Check: got %d parts and error %v, want 2", len(parts), err)
	}
	return parts
}

func TestCheckSaysWhatIsThere(t *testing.T) {
	for _, open := range []bool{false, true} {
		path := filled(t, open)
		before := state(t, path)
		for _, p := range check(t, path) {
			if p.Damaged() || len(p.SetAside) > 0 {
				t.Errorf("got %+v, want nothing damaged", p)
			}
			switch {
			case !p.Queue && (p.Handler != "shop" || p.Events != 1000 || p.Segments == 0 || p.Size == 0):
				t.Errorf("got %+v, want the 1000 events that were delivered", p)
			case p.Queue && (p.Handler != "Shop" || p.Records != queued+1 || len(p.Destinations) != 1):
				t.Errorf("got %+v, want a record for each event, and one for what became of two", p)
			case p.Queue:
				if d := p.Destinations[0]; d.Destination != "app" || d.Waiting != queued-2 || d.Dead["status"] != 1 || d.Oldest.IsZero() {
					t.Errorf("got %+v, want all but two waiting, and one dead", d)
				}
			}
		}
		if after := state(t, path); after != before {
			t.Errorf("got other files after Check:\n%s\nwant\n%s", after, before)
		}
	}
}

// TestCheckAndRepair damages a folder in several ways. Check finds what it is,
// and changes nothing; Repair makes of it what Check has nothing against, and in
// which everything lives that is not damaged itself.
func TestCheckAndRepair(t *testing.T) {
	const queue, delivered = "queue-%53hop", "delivered-shop"
	for _, test := range []struct {
		name   string
		open   bool
		file   string
		change func(content []byte) []byte
		found  func(p *file.Part) bool // of the part that has the file
		lost   int                     // events
	}{
		{"a record in the middle", true, queue + "/0*1.log", flipAt("event 050"), func(p *file.Part) bool {
			return len(p.Damage) == 1 && p.Damage[0].Records == 1 && p.Damaged()
		}, 1},
		{"a record in the middle, after it was closed", false, queue + "/0*1.log", flipAt("event 050"), func(p *file.Part) bool {
			return len(p.Damage) == 1 && p.Damage[0].Records == 1 && p.Damaged()
		}, 1},
		{"the very last records", true, queue + "/0*1.log", func(content []byte) []byte {
			at := bytes.Index(content, []byte("event 098"))
			clear(content[at+100:])
			return content
		}, func(p *file.Part) bool {
			return len(p.Damage) == 0 && p.TornBytes > 0 && !p.Damaged()
		}, 0}, // two, and what became of two others
		{"the end, which the index knows", false, queue + "/0*1.log", func(content []byte) []byte {
			at := bytes.Index(content, []byte("event 098"))
			return content[:at+100]
		}, func(p *file.Part) bool { return p.Missing && p.Damaged() }, 2},
		{"a snapshot", false, queue + "/*.snapshot", flipAt("app"), func(p *file.Part) bool {
			return len(p.Copies) == 1 && strings.HasSuffix(p.Copies[0], ".snapshot")
		}, 0},
		{"the index of a queue", false, queue + "/*.seen", func(content []byte) []byte {
			content[5000] ^= 1
			return content
		}, func(p *file.Part) bool { return len(p.Copies) == 1 && strings.HasSuffix(p.Copies[0], ".seen") }, 0},
		{"the header of the index", false, queue + "/*.seen", func(content []byte) []byte {
			content[20] ^= 1
			return content
		}, func(p *file.Part) bool { return len(p.Copies) == 1 && strings.HasSuffix(p.Copies[0], ".seen") }, 0},
		{"what was delivered", true, delivered + "/0*1.log", func(content []byte) []byte {
			content[10_000] ^= 1
			return content
		}, func(p *file.Part) bool { return p.Events == 0 }, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filled(t, test.open)
			edit(t, filepath.Join(path, test.file), test.change)
			before := state(t, path)
			of := func(parts []file.Part) *file.Part {
				i := slices.IndexFunc(parts, func(p file.Part) bool { return p.Queue == strings.HasPrefix(test.file, queue) })
				return &parts[i]
			}
			if p := of(check(t, path)); !test.found(p) {
				t.Errorf("Check: got %+v", *p)
			}
			if after := state(t, path); after != before {
				t.Errorf("got other files after Check:\n%s\nwant\n%s", after, before)
			}
			parts, err := file.Repair(path)
			if err != nil {
				t.Fatalf("Repair: got error %v, want none", err)
			}
			damage := of(parts)
			if !test.found(damage) {
				t.Errorf("Repair: got %+v", *damage)
			}
			for _, p := range check(t, path) {
				if p.Damaged() {
					t.Errorf("Check after Repair: got %+v, want nothing damaged", p)
				}
				if p.Folder == damage.Folder && len(p.SetAside) != len(damage.Damage) {
					t.Errorf("Check after Repair: got %+v set aside, want %+v", p.SetAside, damage.Damage)
				}
			}
			if n := delivers(t, path); n != queued-2-test.lost {
				t.Errorf("got %d events delivered after Repair, want %d", n, queued-2-test.lost)
			}
		})
	}
}

// delivers takes everything that waits in a folder, and returns how much it was.
func delivers(t *testing.T, path string) (n int) {
	t.Helper()
	f := &file.Store{Path: path}
	f.SetSegmentSize(256 << 10)
	ledgertest.Provision(t, f)
	q, err := f.OpenQueue("Shop")
	if err != nil {
		t.Fatalf("OpenQueue: got error %v, want none", err)
	}
	for {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		taken, err := q.Take(ctx, "app", store.Want{Max: queued, Bytes: 1 << 20, Lease: time.Minute})
		cancel()
		if errors.Is(err, context.DeadlineExceeded) {
			break
		}
		if err != nil {
			t.Fatalf("Take: got error %v, want none", err)
		}
		n += len(taken)
	}
	if err := q.Close(); err != nil {
		t.Errorf("Close: got error %v, want none", err)
	}
	return n
}

func TestCheckLeavesWhatIsOpenToItsProcess(t *testing.T) {
	f := newFile(t, new(ledgertest.Clock))
	_ = ledgertest.Open(t, f, "shop")
	q, err := f.OpenQueue("shop")
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	for name, examine := range map[string]func(string) ([]file.Part, error){"Check": file.Check, "Repair": file.Repair} {
		if parts, err := examine(f.Path); !errors.Is(err, wal.ErrLocked) || parts != nil {
			t.Errorf("%s: got %+v and error %v, want %v", name, parts, err, wal.ErrLocked)
		}
	}
}

func TestCheckOfNoStore(t *testing.T) {
	path := t.TempDir()
	if _, err := file.Check(filepath.Join(path, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Check of no folder: got error %v, want %v", err, fs.ErrNotExist)
	}
	if err := os.Mkdir(filepath.Join(path, "photos-2026"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := file.Check(path); err == nil || !strings.Contains(err.Error(), "there is no store in "+path) {
		t.Errorf("Check of another folder: got error %v, want one that says that there is no store in it", err)
	}
}

// TestHostileFolder has in a store's folder what another user may have put there:
// links to files of others, a pipe, files that say they have a terabyte. Neither
// command reads or changes what they lead to, waits, or takes the memory.
func TestHostileFolder(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("has no such files")
	}
	const secret = "what the administrator alone may read"
	for name, put := range map[string]func(folder, victim string) error{
		"a link for a segment": func(folder, victim string) error { return os.Symlink(victim, filepath.Join(folder, "0000000009.log")) },
		"a link for a snapshot": func(folder, victim string) error {
			return os.Symlink(victim, filepath.Join(folder, "00000000000000000009.snapshot"))
		},
		"a link for damage": func(folder, victim string) error {
			return os.Symlink(victim, filepath.Join(folder, "0000000001-0000008192.damaged"))
		},
		"a link for a lock":       func(folder, victim string) error { return relink(victim, filepath.Join(folder, "lock")) },
		"a link to what is not":   func(folder, victim string) error { return relink(victim+".new", filepath.Join(folder, "lock")) },
		"a link for a folder":     func(folder, victim string) error { return relink(filepath.Dir(victim), filepath.Join(folder, "seen")) },
		"a pipe for a segment":    func(folder, _ string) error { return makePipe(filepath.Join(folder, "0000000009.log")) },
		"a segment of a terabyte": func(folder, _ string) error { return sparse(filepath.Join(folder, "0000000009.log"), "") },
		"a snapshot of a terabyte": func(folder, _ string) error {
			return sparse(filepath.Join(folder, "00000000000000000009.snapshot"), "")
		},
		"a segment of a folder": func(folder, _ string) error { return os.Mkdir(filepath.Join(folder, "0000000009.log"), 0o700) },
	} {
		t.Run(name, func(t *testing.T) {
			path, elsewhere := t.TempDir(), t.TempDir()
			folder, victim := filepath.Join(path, "queue-shop"), filepath.Join(elsewhere, "victim")
			l, err := wal.Open(folder, wal.Options{SegmentSize: 64 << 10})
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(l.Close(), os.WriteFile(victim, []byte(secret), 0o600), put(folder, victim)); err != nil {
				t.Fatal(err)
			}
			for i, examine := range []func(string) ([]file.Part, error){file.Check, file.Repair} {
				what := []string{"check", "repair"}[i]
				parts, err := examine(path)
				if err == nil && !slices.ContainsFunc(parts, func(p file.Part) bool { return p.Damaged() }) {
					t.Errorf("%s: got nothing to say of it, want a word", what)
				}
				got, failed := os.ReadFile(victim)
				others, _ := os.ReadDir(elsewhere)
				if string(got) != secret || failed != nil || len(others) != 1 {
					t.Errorf("%s: got %q, %v and %d files elsewhere, want what was there", what, got, failed, len(others))
				}
			}
			found, _ := filepath.Glob(filepath.Join(folder, "*.damaged"))
			for _, f := range found {
				if info, err := os.Lstat(f); err == nil && info.Mode().IsRegular() {
					t.Errorf("got %s, want nothing of others copied", f)
				}
			}
		})
	}
}

// relink makes a link in place of what there is.
func relink(to, name string) error {
	if err := os.RemoveAll(name); err != nil {
		return err
	}
	return os.Symlink(to, name)
}

// sparse makes a file of a terabyte that takes no room.
func sparse(name, start string) error {
	if err := os.WriteFile(name, []byte(start), 0o600); err != nil {
		return err
	}
	return os.Truncate(name, 1<<40)
}
