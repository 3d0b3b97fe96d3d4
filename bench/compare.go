package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// A bench is what all comparisons share.
type bench struct {
	options
	dir    string
	caddy  string // the program
	up     *upstream
	certs  *certificates
	stderr io.Writer

	missing []string // contenders that are left out, and why
}

func (b *bench) close() {
	if b.up != nil {
		_ = b.up.conn.Close()
	}
	removeExpress()
}

// compare drives the contenders, in turn, with a workload. Each is started
// anew, so that none bears the memory of what was before.
func (b *bench) compare(ctx context.Context, w *workload, contenders []*contender) ([]*row, error) {
	var servers []*server
	defer func() {
		for _, s := range servers {
			s.stop()
		}
	}()
	for _, c := range contenders {
		if !c.takesPart(w) {
			continue
		}
		dir := filepath.Join(b.dir, w.name+"-"+c.name)
		if err := os.Mkdir(dir, 0o755); err != nil { //nolint:gosec // nginx has users of its own
			return nil, err
		}
		s, err := c.launch(ctx, site{workload: w, dir: dir, upstream: b.up.addr, caddy: b.caddy, certs: b.certs})
		if errors.Is(err, errMissing) {
			b.leaveOut(c, err)
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %v", c.name, err)
		}
		servers = append(servers, s)
	}
	if len(servers) == 0 {
		return nil, errors.New("none of the contenders takes part")
	}
	rows := make([]*row, len(servers))
	for i, s := range servers {
		rows[i] = &row{Contender: s.contender.name, What: s.contender.what}
	}
	l := load{workload: w, connections: b.connections, rate: b.rate, duration: b.duration, client: b.certs.client, pause: b.pause}
	warmUp := l
	warmUp.pause = 0
	warmUp.duration = b.duration / 4
	for round := -1; round < b.rounds; round++ {
		for i, s := range servers {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			if round < 0 {
				if err := b.prepare(warmUp, s); err != nil {
					return nil, fmt.Errorf("%s: %v", s.contender.name, err)
				}
				continue
			}
			sample, err := measure(l, s, b.up)
			if err != nil {
				return nil, fmt.Errorf("%s: %v: %s", s.contender.name, err, s.output())
			}
			rows[i].Rounds = append(rows[i].Rounds, sample)
		}
		fmt.Fprintf(b.stderr, "%s: round %d of %d\n", w.name, round+1, b.rounds)
	}
	for i, s := range servers {
		var err error
		if rows[i].peak, err = s.memory(); err != nil {
			return nil, err
		}
		if b.profile != "" && s.contender.isCaddy {
			if err := b.takeProfile(l, s); err != nil {
				return nil, fmt.Errorf("%s: profile: %v", s.contender.name, err)
			}
		}
	}
	summarize(rows)
	return rows, nil
}

// prepare has a server serve for a moment that does not count.
func (b *bench) prepare(l load, s *server) error {
	if err := s.resetMemory(); err != nil {
		return err
	}
	_, err := measure(l, s, b.up)
	if err != nil {
		return fmt.Errorf("%v: %s", err, s.output())
	}
	return nil
}

// leaveOut says, once and loudly, that a contender is left out.
func (b *bench) leaveOut(c *contender, why error) {
	text := fmt.Sprintf("%s (%s): %v", c.name, c.what, why)
	if !slices.Contains(b.missing, text) {
		b.missing = append(b.missing, text)
		fmt.Fprintf(b.stderr, "LEFT OUT: %s\n", text)
	}
}

// takeProfile asks a server for its CPU profile while it is driven.
func (b *bench) takeProfile(l load, s *server) error {
	if err := os.MkdirAll(b.profile, 0o755); err != nil { //nolint:gosec // nothing secret
		return err
	}
	file, err := os.Create(filepath.Join(b.profile, s.workload.name+"-"+s.contender.name+".pprof"))
	if err != nil {
		return err
	}
	defer file.Close()
	seconds := int(max(1, l.duration.Seconds()))
	l.duration = time.Duration(seconds) * time.Second
	driven := make(chan error, 1)
	go func() {
		_, err := measure(l, s, b.up)
		driven <- err
	}()
	res, err := http.Get(fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", s.admin, seconds))
	if err == nil {
		_, err = io.Copy(file, res.Body)
		_ = res.Body.Close()
	}
	return errors.Join(err, <-driven)
}
