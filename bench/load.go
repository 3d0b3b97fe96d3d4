package main

import (
	"bufio"
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// A load is what a server is driven with for a while: connections that are
// kept alive, each of which sends its next request when it has got the answer
// to the last.
type load struct {
	workload    *workload
	connections int
	rate        int // requests a second on all connections together; 0: each sends as soon as it can
	duration    time.Duration
	client      *tls.Config   // for a secure workload
	pause       time.Duration // of the upstream before its answer, while the load lasts
	want        int           // the status of every answer
}

// slowest is how long an answer may take. With a thousand updates to pass on
// one by one, on many connections at once, it takes seconds.
const slowest = 5 * time.Minute

// nextID is the first id that no connection has used.
var nextID atomic.Uint64

// idsEach is how many ids a connection may use.
const idsEach = 1 << 32

// A lane is one connection under load.
type lane struct {
	conn      net.Conn
	reader    *bufio.Reader
	source    *source
	want      int
	latencies []time.Duration
	fresh     int // requests whose events are new

	due   time.Time     // the next request, unless the answer to the last comes later
	every time.Duration // between two requests
}

// A result is what a load has come to.
type result struct {
	latencies []time.Duration
	elapsed   time.Duration
	fresh     int
}

// run drives the server at addr. Before the clock starts, every connection is
// made and has got an answer; begin and end are called when every request has
// been answered, with the number of those whose events are new since the call
// before.
func (l load) run(addr string, begin, end func(fresh int) error) (r result, err error) {
	lanes := make([]*lane, l.connections)
	for i := range lanes {
		if lanes[i], err = l.open(addr); err != nil {
			return r, err
		}
		defer lanes[i].conn.Close()
	}
	if err := together(lanes, (*lane).exchange); err != nil {
		return r, err
	}
	first := 0
	for _, c := range lanes {
		first += c.fresh
		c.latencies, c.fresh = c.latencies[:0], 0
	}
	if err := begin(first); err != nil {
		return r, err
	}
	start := time.Now()
	until := start.Add(l.duration)
	for i, c := range lanes {
		c.every, c.due = l.interval(), start
		if l.rate > 0 {
			c.due = start.Add(time.Duration(i) * time.Second / time.Duration(l.rate))
		}
	}
	err = together(lanes, func(c *lane) error { return c.drive(until) })
	r.elapsed = time.Since(start)
	if err != nil {
		return r, err
	}
	for _, c := range lanes {
		r.latencies = append(r.latencies, c.latencies...)
		r.fresh += c.fresh
	}
	return r, end(r.fresh)
}

// interval returns the time from one request of a connection to the next.
func (l load) interval() time.Duration {
	if l.rate == 0 {
		return 0
	}
	return time.Duration(l.connections) * time.Second / time.Duration(l.rate)
}

// together runs f on all lanes at once, and returns the first error there is:
// what ails one connection ails all.
func together(lanes []*lane, f func(*lane) error) error {
	errs := make([]error, len(lanes))
	var running sync.WaitGroup
	for i, c := range lanes {
		running.Go(func() { errs[i] = f(c) })
	}
	running.Wait()
	return cmp.Or(errs...)
}

func (l load) open(addr string) (*lane, error) {
	conn, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return nil, err
	}
	if l.workload.secure {
		conn = tls.Client(conn, l.client)
	}
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	first := nextID.Add(idsEach) - idsEach
	return &lane{
		conn:   conn,
		reader: bufio.NewReader(conn),
		source: newSource(l.workload, net.JoinHostPort(serverName, port), first),
		want:   l.want,
	}, nil
}

// drive sends requests, each when it is due, until the time is over.
func (c *lane) drive(until time.Time) error {
	for c.due.Before(until) && time.Now().Before(until) {
		time.Sleep(time.Until(c.due))
		c.due = c.due.Add(c.every)
		if err := c.exchange(); err != nil {
			return err
		}
	}
	return nil
}

// exchange sends a request and reads the answer.
func (c *lane) exchange() error {
	request, fresh := c.source.make()
	start := time.Now()
	if err := c.conn.SetDeadline(start.Add(slowest)); err != nil {
		return err
	}
	if _, err := c.conn.Write(request); err != nil {
		return err
	}
	h, err := readMessage(c.reader, nil)
	if err != nil {
		return err
	}
	c.latencies = append(c.latencies, time.Since(start))
	if fresh {
		c.fresh++
	}
	switch {
	case h.status != c.want:
		return fmt.Errorf("answered %d, want %d", h.status, c.want)
	case h.close:
		return errors.New("the server closes the connection")
	}
	return nil
}
