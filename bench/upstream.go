package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"
)

// upstreamEnv has a process of this program be the upstream: what it costs is
// nothing that a contender pays.
const upstreamEnv = "META_WEBHOOK_BENCH_UPSTREAM"

// controlPath is where the bench asks the upstream how much has arrived, and
// tells it how long to take for each answer from now on.
const controlPath = "/control/"

// An app is behind the contenders: it reads requests, and answers 200.
type app struct {
	mu       sync.Mutex
	requests int64
	events   seen
	pause    time.Duration
	hurry    chan struct{} // closed when the pause changes
}

// serveUpstream serves the app. It ends when its input does, which is with its
// parent.
func serveUpstream() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		_ = l.Close()
	}()
	a := app{events: seen{lanes: make(map[uint64][]uint64)}, hurry: make(chan struct{})}
	for {
		conn, err := l.Accept()
		if err != nil {
			return nil //nolint:nilerr // closed above
		}
		go a.answerAll(conn)
	}
}

var okResponse = []byte("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

// answerAll answers the requests of a connection.
func (a *app) answerAll(conn net.Conn) {
	defer conn.Close()
	r := bufio.NewReaderSize(conn, 16<<10)
	var body []byte
	take := func(part []byte) { body = append(body, part...) }
	var ids []uint64
	for {
		const control = "GET " + controlPath
		if first, err := r.Peek(len(control)); err == nil && string(first) == control {
			line, err := r.ReadString('\n')
			if err != nil {
				return
			}
			text := a.control(strings.Fields(line[len(control):])[0])
			_, _ = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(text), text)
			if _, err := r.ReadString('\n'); err != nil { // the end of the head
				return
			}
			continue
		}
		body = body[:0]
		h, err := readMessage(r, take)
		if err != nil {
			return
		}
		ids = appendIDs(ids[:0], body)
		a.take(ids)
		if _, err := conn.Write(okResponse); err != nil || h.close {
			return
		}
	}
}

// control sets the pause, if there is one, and returns what has arrived.
func (a *app) control(pause string) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if d, err := time.ParseDuration(pause); err == nil {
		a.pause = d
		close(a.hurry)
		a.hurry = make(chan struct{})
	}
	return fmt.Sprint(a.requests, a.events.count)
}

// take counts a request, and waits as long as an answer takes.
func (a *app) take(ids []uint64) {
	a.mu.Lock()
	a.requests++
	for _, id := range ids {
		a.events.add(id)
	}
	pause, hurry := a.pause, a.hurry
	a.mu.Unlock()
	if pause == 0 {
		return
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-hurry:
	}
}

// appendIDs appends the ids in a body, as often as they stand in it: the last
// digits of what Meta calls the messages.
func appendIDs(ids []uint64, body []byte) []uint64 {
	for {
		_, rest, ok := bytes.Cut(body, []byte("wamid."))
		if !ok {
			return ids
		}
		name, rest, _ := bytes.Cut(rest, []byte(`"`))
		if at := len(name) - len(slot); at >= 0 {
			if id, err := strconv.ParseUint(string(name[at:]), 16, 64); err == nil {
				ids = append(ids, id)
			}
		}
		body = rest
	}
}

// seen is a set of ids, which lanes count upwards.
type seen struct {
	lanes map[uint64][]uint64 // by the lane, a bit for each id
	count int64
}

func (s *seen) add(id uint64) {
	lane, n := id/idsEach, id%idsEach
	bits := s.lanes[lane]
	for uint64(len(bits)) <= n/64 {
		bits = append(bits, 0)
	}
	s.lanes[lane] = bits
	if bit := uint64(1) << (n % 64); bits[n/64]&bit == 0 {
		bits[n/64] |= bit
		s.count++
	}
}

// An upstream is the running one.
type upstream struct {
	addr string
	conn net.Conn // to control it

	patience time.Duration // how long to wait for another event
}

// startUpstream starts the upstream, which ends with the context.
func startUpstream(ctx context.Context) (*upstream, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self) //nolint:gosec // this program
	cmd.Env = append(os.Environ(), upstreamEnv+"=1")
	cmd.Stderr = os.Stderr
	if _, err := cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	addr, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("starting the upstream: %v", err)
	}
	go func() { _ = cmd.Wait() }()
	u := &upstream{addr: strings.TrimSpace(addr), patience: patience}
	u.conn, err = net.Dial("tcp", u.addr)
	return u, err
}

// counts are what has arrived at the upstream: requests, and events, each
// counted once.
type counts struct{ requests, events int64 }

func (u *upstream) count() (counts, error) { return u.control("count") }

// pause has the upstream take a while for each answer. It answers what it has
// got before at once.
func (u *upstream) pause(d time.Duration) error {
	_, err := u.control(d.String())
	return err
}

func (u *upstream) control(command string) (c counts, err error) {
	if err := u.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return c, err
	}
	if _, err := fmt.Fprintf(u.conn, "GET %s%s HTTP/1.1\r\n\r\n", controlPath, command); err != nil {
		return c, err
	}
	answer := make([]byte, 256)
	n, err := u.conn.Read(answer)
	if err != nil {
		return c, err
	}
	_, text, _ := bytes.Cut(answer[:n], []byte("\r\n\r\n"))
	_, err = fmt.Sscan(string(text), &c.requests, &c.events)
	return c, err
}

// await waits until so many events have arrived. It gives up when none has for
// a while.
func (u *upstream) await(events int64) error {
	last, since := int64(-1), time.Now()
	for {
		c, err := u.count()
		switch {
		case err != nil:
			return err
		case c.events >= events:
			return nil
		case c.events != last:
			last, since = c.events, time.Now()
		case time.Since(since) > u.patience:
			return fmt.Errorf("%d events that were answered have not reached the upstream", events-c.events)
		}
		time.Sleep(2 * time.Millisecond)
	}
}
