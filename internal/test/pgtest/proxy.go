package pgtest

import (
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"time"
)

// A Proxy stands between a client and the server, as far away as a test wants
// it, and counts how often it is the server's turn to speak.
type Proxy struct {
	Turns atomic.Int64

	listener net.Listener
	server   *url.URL
	away     time.Duration

	mu    sync.Mutex
	conns map[net.Conn]bool
}

// Proxy starts a proxy that ends with the test. What the server answers arrives
// so much later.
func (s *Server) Proxy(away time.Duration) *Proxy {
	s.t.Helper()
	server, err := url.Parse(s.DSN())
	if err != nil {
		s.t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	p := &Proxy{listener: l, server: server, away: away, conns: make(map[net.Conn]bool)}
	s.t.Cleanup(func() {
		_ = l.Close()
		p.Cut()
	})
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go p.serve(client)
		}
	}()
	return p
}

// DSN is how to connect by the proxy.
func (p *Proxy) DSN() string {
	dsn := *p.server
	dsn.Host = p.listener.Addr().String()
	return dsn.String()
}

// Cut ends all connections.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for conn := range p.conns {
		_ = conn.Close()
	}
}

// keep notes a connection, and returns what forgets it.
func (p *Proxy) keep(conn net.Conn) (forget func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns[conn] = true
	return func() {
		_ = conn.Close()
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.conns, conn)
	}
}

func (p *Proxy) serve(client net.Conn) {
	defer p.keep(client)()
	server, err := net.Dial("tcp", p.server.Host)
	if err != nil {
		return
	}
	defer p.keep(server)()
	var asked atomic.Bool
	answers := make(chan answer, 1024)
	go func() {
		defer close(answers)
		for {
			b := make([]byte, 32<<10)
			n, err := server.Read(b)
			if err != nil {
				return
			}
			if asked.Swap(false) {
				p.Turns.Add(1)
			}
			answers <- answer{b[:n], time.Now().Add(p.away)}
		}
	}()
	go func() {
		defer client.Close()
		for a := range answers {
			time.Sleep(time.Until(a.at))
			_, _ = client.Write(a.text)
		}
	}()
	_, _ = io.Copy(server, readerFunc(func(b []byte) (int, error) {
		n, err := client.Read(b)
		asked.Store(true)
		return n, err
	}))
}

// An answer is what the server has said, and when the client hears it.
type answer struct {
	text []byte
	at   time.Time
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }
