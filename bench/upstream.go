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
	"sync/atomic"
	"time"
)

// upstreamEnv has a process of this program be the upstream: what it costs is
// nothing that a contender pays.
const upstreamEnv = "META_WEBHOOK_BENCH_UPSTREAM"

// countRequest asks the upstream how many requests it has got.
const countRequest = "GET /count HTTP/1.1\r\nHost: upstream\r\n\r\n"

// serveUpstream is the app behind the contenders: it reads requests, and
// answers 200. It ends when its input does, which is with its parent.
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
	var requests atomic.Int64
	for {
		conn, err := l.Accept()
		if err != nil {
			return nil //nolint:nilerr // closed above
		}
		go answerAll(conn, &requests)
	}
}

var okResponse = []byte("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

// answerAll answers the requests of a connection.
func answerAll(conn net.Conn, requests *atomic.Int64) {
	defer conn.Close()
	r := bufio.NewReaderSize(conn, 16<<10)
	for {
		if first, err := r.Peek(len("GET /count ")); err == nil && string(first) == "GET /count " {
			if _, err := readMessage(r); err != nil {
				return
			}
			count := strconv.FormatInt(requests.Load(), 10)
			_, _ = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(count), count)
			continue
		}
		h, err := readMessage(r)
		if err != nil {
			return
		}
		requests.Add(1)
		if _, err := conn.Write(okResponse); err != nil || h.close {
			return
		}
	}
}

// An upstream is the running one.
type upstream struct {
	addr string
	conn net.Conn // to ask for the count
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
	u := &upstream{addr: strings.TrimSpace(addr)}
	u.conn, err = net.Dial("tcp", u.addr)
	return u, err
}

// count returns how many requests have arrived.
func (u *upstream) count() (int64, error) {
	if err := u.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return 0, err
	}
	if _, err := io.WriteString(u.conn, countRequest); err != nil {
		return 0, err
	}
	answer := make([]byte, 256)
	n, err := u.conn.Read(answer)
	if err != nil {
		return 0, err
	}
	_, count, _ := bytes.Cut(answer[:n], []byte("\r\n\r\n"))
	return strconv.ParseInt(string(count), 10, 64)
}
