// Package pgtest runs a PostgreSQL server for a test.
package pgtest

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/freeport"
)

// A Server is a PostgreSQL server on the loopback interface, with a folder of
// its own, that ends with the test.
type Server struct {
	t    testing.TB
	bin  string
	dir  string
	port int
	as   account

	settings []string

	paused bool
}

// Start starts a server, with settings such as fsync=on, which is off otherwise.
// Where PostgreSQL is not installed the test is skipped, or, if
// META_WEBHOOK_TEST_ALL is set, fails.
func Start(t testing.TB, settings ...string) *Server {
	t.Helper()
	s := &Server{t: t, bin: binaries(t), settings: settings}
	s.as = unprivileged(t)
	dir, err := os.MkdirTemp("", "pgtest")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := s.as.own(dir); err != nil {
		t.Fatal(err)
	}
	s.dir = dir
	s.port = freeport.Of(t)
	s.run("initdb", "--pgdata", s.data(), "--username", "postgres", "--auth", "trust", "--no-sync", "--encoding", "UTF8")
	s.Start()
	t.Cleanup(s.Stop)
	return s
}

// DSN is how to connect as the superuser.
func (s *Server) DSN() string { return s.DSNOf("postgres") }

// DSNOf is how to connect as a user, who needs no password.
func (s *Server) DSNOf(user string) string {
	return fmt.Sprintf("postgres://%s@127.0.0.1:%d/postgres?sslmode=disable", user, s.port)
}

// Start starts the server again after Stop, and returns when it serves.
func (s *Server) Start() {
	s.t.Helper()
	options := fmt.Sprintf("-p %d -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off -c max_connections=300", s.port)
	if len(s.settings) > 0 {
		options += " -c " + strings.Join(s.settings, " -c ")
	}
	s.run("pg_ctl", "start", "--wait", "--timeout", "60", "--pgdata", s.data(), "--log", filepath.Join(s.dir, "log"), "--options", options)
}

// Stop ends the server and every connection to it at once, as a crash would.
func (s *Server) Stop() {
	s.t.Helper()
	s.Resume()
	if _, err := os.Stat(filepath.Join(s.data(), "postmaster.pid")); err == nil {
		s.run("pg_ctl", "stop", "--wait", "--pgdata", s.data(), "--mode", "immediate")
	}
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

// run runs one of PostgreSQL's programs to its end.
func (s *Server) run(program string, args ...string) {
	s.t.Helper()
	cmd := exec.Command(filepath.Join(s.bin, program), args...)
	cmd.Dir = s.dir
	s.as.run(cmd)
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	cmd.WaitDelay = 10 * time.Second // the server has inherited them
	if err := cmd.Run(); err != nil {
		log, _ := os.ReadFile(filepath.Join(s.dir, "log"))
		s.t.Fatalf("%s: got error %v\n%s%s", program, err, &output, log)
	}
}

// binaries returns the folder of PostgreSQL's programs.
func binaries(t testing.TB) string {
	t.Helper()
	if path, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(path)
	}
	// Debian keeps them out of the way
	if found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb"); len(found) > 0 {
		return filepath.Dir(found[len(found)-1])
	}
	missing(t, "PostgreSQL's initdb and pg_ctl")
	return ""
}

func missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("META_WEBHOOK_TEST_ALL") != "" {
		t.Fatalf("NOT RUN: this test needs %s", what)
	}
	t.Skipf("SKIPPED: this test needs %s", what)
}
