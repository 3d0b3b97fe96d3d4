package postgres_test

import (
	"io"
	"net"
	"net/url"
	"sync/atomic"
	"testing"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/pgtest"
)

// A proxy stands between a store and its server, and counts how often it is
// the server's turn to speak.
type proxy struct {
	net.Listener
	turns atomic.Int64
}

func newProxy(t testing.TB, server *pgtest.Server) *proxy {
	t.Helper()
	to, err := url.Parse(server.DSN())
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	p := &proxy{Listener: l}
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go p.serve(client, to.Host)
		}
	}()
	return p
}

// dsn returns how to connect by the proxy.
func (p *proxy) dsn(server *pgtest.Server) string {
	dsn, _ := url.Parse(server.DSN())
	dsn.Host = p.Addr().String()
	return dsn.String()
}

func (p *proxy) serve(client net.Conn, to string) {
	defer client.Close()
	server, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer server.Close()
	var asked atomic.Bool
	go func() {
		defer client.Close()
		_, _ = io.Copy(client, readerFunc(func(b []byte) (int, error) {
			n, err := server.Read(b)
			if n > 0 && asked.Swap(false) {
				p.turns.Add(1)
			}
			return n, err
		}))
	}()
	_, _ = io.Copy(server, readerFunc(func(b []byte) (int, error) {
		n, err := client.Read(b)
		asked.Store(true)
		return n, err
	}))
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }
