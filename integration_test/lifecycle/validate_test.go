package lifecycle

import (
	"io/fs"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/integration_test/harness"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/caddyproc"
)

// files returns what there is in the folder of a process.
func files(t *testing.T, c *caddyproc.Process) (paths []string) {
	t.Helper()
	err := filepath.WalkDir(c.Path(""), func(path string, _ fs.DirEntry, err error) error {
		paths = append(paths, path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// TestValidateLeavesNothing validates configurations as a user who is not the
// service's may. Nothing is made, and no database is asked.
func TestValidateLeavesNothing(t *testing.T) {
	database, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer database.Close()
	for name, store := range map[string]string{
		"a file in the default place": "store file",
		"a file in a new folder":      "store file {\npath new/folder/stored\n}",
		"a file that cannot be made":  "store file {\npath Caddyfile/stored\n}",
		"a database":                  "store postgres {\ndsn postgres://" + database.Addr().String() + "/app\n}",
	} {
		t.Run(name, func(t *testing.T) {
			c := caddyproc.New(t)
			config := c.WriteConfig(harness.Lines(harness.Hook(store), "respond 200"))
			before := files(t, c)
			if output, err := c.Command("validate", "--config", config).CombinedOutput(); err != nil {
				t.Errorf("got error %v, want none\n%s", err, output)
			}
			for _, path := range files(t, c) {
				if !slices.Contains(before, path) {
					t.Errorf("got %s made, want nothing", path)
				}
			}
		})
	}
	_ = database.(*net.TCPListener).SetDeadline(time.Now().Add(time.Millisecond))
	if conn, err := database.Accept(); err == nil {
		conn.Close()
		t.Error("got a connection to the database, want none")
	}
}

// TestFileInUseIsLeftToItsProcess has a second process validate, start with
// and change to a configuration with a file that another one has open.
func TestFileInUseIsLeftToItsProcess(t *testing.T) {
	t.Parallel()
	u := harness.NewUpstream(t, nil)
	owner := caddyproc.New(t)
	path := owner.Path("stored")
	site := harness.Lines(harness.Hook("name shop", "store file {", "path "+path, "}"), "reverse_proxy "+u.Addr)
	const refusal = "shop: store: "
	locked := filepath.Join(path, "delivered-shop", "lock") + " is locked by another process"
	owner.Start(site)

	if output, err := owner.Command("validate", "--config", owner.Path("Caddyfile")).CombinedOutput(); err != nil {
		t.Errorf("validate: got error %v, want none\n%s", err, output)
	}

	second := caddyproc.New(t)
	output, err := second.Command("run", "--config", second.WriteConfig(site)).CombinedOutput()
	if err == nil || !strings.Contains(string(output), refusal+locked) {
		t.Errorf("run: got error %v, want one with %q\n%s", err, refusal+locked, output)
	}

	second.Start(harness.Lines(harness.Hook("name shop"), "reverse_proxy "+u.Addr))
	if err := second.Load(site); err == nil || !strings.Contains(err.Error(), refusal+locked) {
		t.Errorf("reload: got error %v, want one with %q", err, refusal+locked)
	}
	for _, c := range []*caddyproc.Process{second, owner} {
		u.Forget()
		if got := <-sending(t, c, 1); got != 200 {
			t.Errorf("got answer %d afterwards, want 200", got)
		}
		if got := len(u.Requests()); got == 0 {
			t.Error("got nothing delivered afterwards, want the notification")
		}
	}
}
