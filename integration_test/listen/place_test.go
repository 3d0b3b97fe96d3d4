package listen

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/integration_test/harness"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/caddyproc"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/freeport"
)

const listenToken = "a-listen-token-of-the-tests"

// A place is a gateway with TLS, in a process of its own, and its app; the
// network between it and a laptop; and the app on the laptop.
type place struct {
	t        *testing.T
	gateway  *caddyproc.Process
	port     int // of the site with TLS
	meta     *http.Client
	app      *harness.Upstream // in production
	network  *network
	local    *harness.Upstream // on the laptop
	sequence int               // of the posts that were sent
}

// sites are those that deliver inline and from a store.
var sites = map[string]func(p *place) string{
	"inline": func(p *place) string { return p.inline() },
	"stored": func(p *place) string { return p.stored() },
}

// newPlace returns a place whose gateway does not run yet.
func newPlace(t *testing.T) *place {
	t.Helper()
	p := &place{t: t, gateway: caddyproc.New(t), port: freeport.Of(t)}
	pool := harness.MakeCertificate(t, p.gateway.Path(""))
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, DisableKeepAlives: true}
	p.meta = &http.Client{Timeout: harness.Patience, Transport: transport}
	p.gateway.Env = []string{"LISTEN_TOKEN=" + listenToken}
	p.app, p.local = harness.NewUpstream(t, nil), harness.NewUpstream(t, nil)
	p.network = newNetwork(t, "127.0.0.1:"+strconv.Itoa(p.port))
	return p
}

// inline returns a site that delivers inline, with options of the handler.
func (p *place) inline(options ...string) string {
	return p.site(harness.Hook(options...), inspector("pass"), "reverse_proxy "+p.app.Addr)
}

// stored returns a site with a destination, with options of that.
func (p *place) stored(options ...string) string {
	return p.site(
		harness.Hook("store file "+"{\npath "+p.gateway.Path("stored")+"\n}", "destination app {", harness.Lines(options...), "retry 20ms 200ms", "reverse_proxy "+p.app.Addr, "}"),
		inspector(),
	)
}

func inspector(options ...string) string {
	return "meta_webhook_inspector {\n" + harness.Lines(options...) + "\nlisten {\ntoken {env.LISTEN_TOKEN}\n}\n}"
}

// site returns a site with TLS, behind the plain one that the process has.
func (p *place) site(directives ...string) string {
	return harness.Lines("respond 200", "}", fmt.Sprintf("https://127.0.0.1:%d {", p.port),
		fmt.Sprintf("tls %s %s", p.gateway.Path("cert.pem"), p.gateway.Path("key.pem")), harness.Lines(directives...))
}

// send has Meta send so many posts, one after the other, each until there is a
// 200. It returns how long the slowest took.
func (p *place) send(posts int) (slowest time.Duration) {
	p.t.Helper()
	for range posts {
		body := harness.Page([]string{strconv.Itoa(p.sequence)})
		p.sequence++
		deadline := time.Now().Add(harness.Patience)
		for start := time.Now(); p.post(body) != http.StatusOK; start = time.Now() {
			if time.Since(start) > 0 && time.Now().After(deadline) {
				p.t.Fatal("got no 200 for a notification, want one in the end")
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
	return slowest
}

// post sends a notification once, and returns the status, 0 without an answer.
func (p *place) post(body []byte) int {
	r, err := http.NewRequestWithContext(p.t.Context(), http.MethodPost, fmt.Sprintf("https://127.0.0.1:%d%s", p.port, harness.Callback), bytes.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	r.Header.Set(harness.SignatureHeader, harness.Sign(harness.AppSecret, body))
	r.Header.Set("User-Agent", "facebookexternalua")
	a, err := harness.Send(p.meta, r)
	if err != nil {
		return 0
	}
	return a.Status
}

// wantLocal waits until the app on the laptop has what was sent, from the post
// with a number on, and fails the test unless it is each post once, in order.
func (p *place) wantLocal(from int) {
	p.t.Helper()
	want := make([]string, 0, p.sequence-from)
	for i := from; i < p.sequence; i++ {
		want = append(want, strconv.Itoa(i))
	}
	harness.Eventually(p.t, "every event on the laptop", func() bool {
		return len(p.local.Requests()) >= len(want) || p.t.Failed()
	})
	if got := harness.PostsOf(p.t, p.local.Requests()); !slices.Equal(got, want) {
		p.t.Errorf("got the posts %s on the laptop, want %s", strings.Join(got, " "), strings.Join(want, " "))
	}
}

// A listener is the command, on the laptop.
type listener struct {
	*exec.Cmd
	t              *testing.T
	stdout, stderr harness.Output
	ended          chan struct{}
}

// listen runs the command, through the network. It returns once the command
// listens, unless it has ended before.
func (p *place) listen(args ...string) *listener {
	p.t.Helper()
	l := p.command(append([]string{"--url", "https://" + p.network.address() + "/inspector", "--forward-to", "http://" + p.local.Addr + "/hook"}, args...)...)
	harness.Eventually(p.t, "the command to listen", func() bool {
		select {
		case <-l.ended:
			p.t.Fatalf("got %s from the command, want it to listen", l.stderr.String())
		default:
		}
		return strings.Contains(l.stderr.String(), "Listening to ")
	})
	return l
}

// command runs the command.
func (p *place) command(args ...string) *listener {
	p.t.Helper()
	l := &listener{t: p.t, ended: make(chan struct{})}
	l.Cmd = exec.Command(caddyproc.Build(p.t), append([]string{"meta-webhook", "listen", "--cacert", p.gateway.Path("cert.pem")}, args...)...)
	l.Env = append(os.Environ(), "LISTEN_TOKEN="+listenToken)
	l.Stdout, l.Stderr = &l.stdout, &l.stderr
	if err := l.Start(); err != nil {
		p.t.Fatal(err)
	}
	go func() {
		_ = l.Wait()
		close(l.ended)
	}()
	p.t.Cleanup(func() {
		_ = l.Process.Kill()
		<-l.ended
		if p.t.Failed() {
			p.t.Logf("the command printed:\n%s%s", &l.stdout, &l.stderr)
		}
	})
	return l
}

// code waits for the command to end, and returns its exit code.
func (l *listener) code() int {
	l.t.Helper()
	select {
	case <-l.ended:
	case <-time.After(harness.Patience):
		l.t.Fatal("got no end of the command, want one")
	}
	return l.ProcessState.ExitCode()
}

// wantStderr waits until the command has printed a text to stderr.
func (l *listener) wantStderr(text string) {
	l.t.Helper()
	harness.Eventually(l.t, text+" on stderr", func() bool { return strings.Contains(l.stderr.String(), text) || l.t.Failed() })
}

// A network carries connections to an address, and can be cut.
type network struct {
	t        *testing.T
	listener net.Listener
	to       string

	mu    sync.Mutex
	down  bool
	conns map[net.Conn]struct{}
}

func newNetwork(t *testing.T, to string) *network {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n := &network{t: t, listener: l, to: to, conns: make(map[net.Conn]struct{})}
	go n.accept()
	t.Cleanup(func() {
		_ = l.Close()
		n.cut()
	})
	return n
}

func (n *network) address() string { return n.listener.Addr().String() }

// cut drops every connection, and those that come.
func (n *network) cut() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.down = true
	for conn := range n.conns {
		_ = conn.Close()
	}
}

// repair lets connections through again.
func (n *network) repair() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.down = false
}

func (n *network) accept() {
	for {
		near, err := n.listener.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", n.to)
		if err != nil || !n.add(near, far) {
			_ = near.Close()
			if err == nil {
				_ = far.Close()
			}
			continue
		}
		go n.carry(near, far)
		go n.carry(far, near)
	}
}

func (n *network) add(conns ...net.Conn) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.down {
		return false
	}
	for _, conn := range conns {
		n.conns[conn] = struct{}{}
	}
	return true
}

func (n *network) carry(to, from net.Conn) {
	_, _ = io.Copy(to, from)
	_ = to.Close()
	_ = from.Close()
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.conns, to)
}
