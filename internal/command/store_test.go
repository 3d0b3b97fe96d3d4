package command

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/ledgertest"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file"
)

// storeFolder returns the folder of a store with three events in the queue of
// shop, and the store itself, which is open until the function is called.
func storeFolder(t *testing.T) (path string, stop func()) {
	t.Helper()
	f := &file.Store{Path: filepath.Join(t.TempDir(), "stored")}
	ledgertest.Provision(t, f)
	q, err := f.OpenQueue("shop")
	if err != nil {
		t.Fatal(err)
	}
	l, err := f.Open("inline")
	if err != nil {
		t.Fatal(err)
	}
	ledgertest.Commit(t, l, []store.Key{{1}}, time.Hour)
	for n, body := range []string{"event one", "event two", "event three"} {
		_, err := q.Accept(t.Context(), &store.Notification{Received: time.Now(), Events: []store.Event{{
			Key: store.Key{byte(n)}, Window: time.Hour, Body: []byte(body),
			Targets: []store.Target{{Destination: "app", Lanes: []store.Lane{store.Lane(n)}}},
		}}})
		if err != nil {
			t.Fatal(err)
		}
	}
	taken, err := q.Take(t.Context(), "app", store.Want{Max: 1, Lease: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	if err := q.Settle(t.Context(), "app", []store.Outcome{{
		Held: taken[0].Held, Result: store.Dead, Attempt: store.Attempt{Cause: "status"},
	}}); err != nil {
		t.Fatal(err)
	}
	if err := q.Pause(t.Context(), "crm", true); err != nil {
		t.Fatal(err)
	}
	return f.Path, func() {
		if err := errors.Join(q.Close(), l.Close()); err != nil {
			t.Fatal(err)
		}
	}
}

func wantResult(t *testing.T, what string, got result, code int, out ...string) {
	t.Helper()
	if got.code != code {
		t.Errorf("%s: got exit code %d, want %d", what, got.code, code)
	}
	for _, pattern := range out {
		if !regexp.MustCompile(pattern).MatchString(got.out + got.errs) {
			t.Errorf("%s: got\n%s%swant it to match %q", what, got.out, got.errs, pattern)
		}
	}
}

func TestStoreCheckAndRepair(t *testing.T) {
	path, stop := storeFolder(t)
	for _, name := range []string{"check", "repair"} {
		wantResult(t, name+" of what is open", command(t, "", "store", name, "--path", path), 1, `lock is locked by another process`)
	}
	stop()
	whole := []string{
		`(?m)^queue of shop: .*queue-shop$`,
		`(?m)^  5 records in 1 segment, \d+ MB$`,
		`(?m)^  destination app: 2 waiting since 20\d\d-\d\d-\d\d \d\d:\d\d:\d\dZ, 1 dead \(status 1\)$`,
		`(?m)^  destination crm: 0 waiting, 0 dead, paused$`,
		`(?m)^delivered events of inline: .*delivered-inline$`,
		`(?m)^  1 event in 1 segment, 8.4 MB$`,
	}
	wantResult(t, "check", command(t, "", "store", "check", "--path", path), 0, append(whole, `(?m)^Nothing is damaged.$`)...)

	name := filepath.Join(path, "queue-shop", "0000000001.log")
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	content[bytes.Index(content, []byte("event two"))] ^= 1
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	wantResult(t, "check of what is damaged", command(t, "", "store", "check", "--path", path), 2,
		`(?m)^  damaged: \d+ bytes at \d+ of segment 1 with 1 record, was not set aside yet$`,
		`1 of 2 parts are damaged; caddy meta-webhook store repair sets aside what is`)
	wantResult(t, "repair", command(t, "", "store", "repair", "--path", path), 0,
		`(?m)^  damaged: \d+ bytes at \d+ of segment 1 with 1 record, was set aside$`, `(?m)^Repaired 1 of 2 parts.$`)
	wantResult(t, "check after repair", command(t, "", "store", "check", "--path", path), 0,
		`(?m)^  set aside earlier: \d+ bytes at \d+ of segment 1 with 1 record, in .*queue-shop.0000000001-\d{10}\.damaged$`, `(?m)^Nothing is damaged.$`)
	wantResult(t, "repair once more", command(t, "", "store", "repair", "--path", path), 0, `(?m)^Nothing was damaged.$`)
}

func TestStoreCommandErrors(t *testing.T) {
	empty := t.TempDir()
	for _, test := range []struct {
		name string
		args []string
		want string
	}{
		{"no path", []string{"check"}, `required flag\(s\) "path" not set`},
		{"no folder", []string{"check", "--path", filepath.Join(empty, "none")}, `no such file or directory|cannot find`},
		{"another folder", []string{"repair", "--path", empty}, `there is no store in`},
		{"another command", []string{"chekc", "--path", empty}, `did you mean "check"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := command(t, "", append([]string{"store"}, test.args...)...)
			wantResult(t, strings.Join(test.args, " "), got, 1, test.want)
		})
	}
}
