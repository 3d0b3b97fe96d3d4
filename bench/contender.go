package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"path/filepath"
	"strconv"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/freeport"
)

// A contender is a server that could stand where the gateway does.
type contender struct {
	name string
	what string

	// takesPart reports whether there is anything to compare in a workload.
	takesPart func(w *workload) bool

	// start starts the server for a workload, in a folder of its own.
	start func(ctx context.Context, s *site) (*process, error)

	// forwards tells how many requests reach the upstream when a server has
	// answered so many, with so many notifications that are new.
	forwards func(w *workload, requests, fresh int) int

	// gathers tells that a request to the upstream may carry events of several
	// notifications: what forwards returns is the most there can be.
	gathers bool

	refusal int // what a forged request is answered with, if not 401

	isCaddy bool
	version func() (string, error) // of what is not Caddy
}

// A site is what a contender is started with.
type site struct {
	workload *workload
	dir      string
	addr     string // to listen on
	admin    string // to listen on, for the contenders that serve profiles
	upstream string
	caddy    string // the program
	certs    *certificates
}

// errMissing is why a contender is left out that is not installed.
var errMissing = errors.New("not installed")

// A server is a contender that runs.
type server struct {
	*process
	contender *contender
	workload  *workload
	addr      string
	admin     string
}

func (s *server) forwards(requests, fresh int) int {
	if s.contender.forwards == nil {
		return 0
	}
	return s.contender.forwards(s.workload, requests, fresh)
}

// delivers returns how many events reach the upstream for so many notifications
// that are new.
func (s *server) delivers(fresh int) int {
	if s.contender.forwards == nil || s.workload.forged || s.workload.method != http.MethodPost {
		return 0
	}
	return fresh * s.workload.updates
}

// want returns the status that every answer must have.
func (s *server) want() int {
	if s.workload.forged && s.contender.refusal != 0 {
		return s.contender.refusal
	}
	return s.workload.want
}

// launch starts a contender, and returns when it serves.
func (c *contender) launch(ctx context.Context, s site) (*server, error) {
	addr, release, err := freeAddr()
	if err != nil {
		return nil, err
	}
	defer release()
	admin, release, err := freeAddr()
	if err != nil {
		return nil, err
	}
	defer release()
	s.addr, s.admin = addr, admin
	p, err := c.start(ctx, &s)
	if err != nil {
		return nil, err
	}
	if err := p.await(ctx, s.addr); err != nil {
		p.stop()
		return nil, err
	}
	return &server{process: p, contender: c, workload: s.workload, addr: s.addr, admin: s.admin}, nil
}

// freeAddr returns an address of the loopback interface that has no listener,
// and that no other caller gets before its release.
func freeAddr() (addr string, release func(), err error) {
	port, release, err := freeport.Take()
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), release, err
}

func (s *site) path(name string) string { return filepath.Join(s.dir, name) }

// How many requests reach the upstream.
func forwardsAll(_ *workload, requests, _ int) int { return requests }

// forwardsAuthentic is for contenders that check the signature.
func forwardsAuthentic(w *workload, requests, _ int) int {
	if w.forged || w.method != "POST" {
		return 0
	}
	return requests
}

// forwardsNew is for contenders that drop repeats.
func forwardsNew(w *workload, _, fresh int) int { return forwardsAuthentic(w, fresh, fresh) }

func forwardsEach(w *workload, _, fresh int) int { return w.updates * forwardsNew(w, fresh, fresh) }

// notForged is for contenders that do not check the signature.
func notForged(w *workload) bool { return !w.forged }

func onlyForged(w *workload) bool { return w.forged }

// authentic reports whether a workload has events to deliver.
func authentic(w *workload) bool { return w.method == http.MethodPost && !w.forged }

func always(*workload) bool { return true }
