//go:build unix

package listen

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/integration_test/harness"
)

// A trouble is something that happens between a gateway and a laptop.
type trouble struct {
	name   string
	happen func(p *place, l *listener)
}

// troubles are those that a listener outlives. Some posts are sent while each
// is there.
func troubles(site func() string) []trouble {
	return []trouble{
		{"reload", func(p *place, _ *listener) {
			if err := p.gateway.Load(site()); err != nil {
				p.t.Fatal(err)
			}
		}},
		{"cut", func(p *place, _ *listener) {
			p.network.cut()
			p.send(20)
			time.Sleep(300 * time.Millisecond)
			p.network.repair()
		}},
		{"sleep", func(p *place, l *listener) {
			if err := l.Process.Signal(syscall.SIGSTOP); err != nil {
				p.t.Fatal(err)
			}
			p.send(20)
			if err := l.Process.Signal(syscall.SIGCONT); err != nil {
				p.t.Fatal(err)
			}
		}},
		{"cut while asleep", func(p *place, l *listener) {
			_ = l.Process.Signal(syscall.SIGSTOP)
			p.network.cut()
			p.send(20)
			p.network.repair()
			_ = l.Process.Signal(syscall.SIGCONT)
		}},
	}
}

// restart is the trouble that the memory of a gateway does not outlive.
func restart(site func() string) trouble {
	return trouble{"restart", func(p *place, _ *listener) {
		p.gateway.Kill()
		p.gateway.Start(site())
	}}
}

// TestListenerOfAStoreMissesNothing has a listener of a gateway that is
// reloaded and killed, over a network that is cut, on a laptop that sleeps.
func TestListenerOfAStoreMissesNothing(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	site := func() string { return p.stored() }
	p.gateway.Start(site())
	p.send(5)
	from := p.sequence
	l := p.listen()
	for _, trouble := range append(troubles(site), restart(site)) {
		p.send(20)
		trouble.happen(p, l)
		p.send(20)
		t.Log(trouble.name, "after post", p.sequence)
	}
	p.wantLocal(from)
	p.wantInterrupt(l)
}

// TestListenerOfMemoryMissesNothing is the same where events are delivered
// inline.
func TestListenerOfMemoryMissesNothing(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	site := func() string { return p.inline() }
	p.gateway.Start(site())
	p.send(5)
	from := p.sequence
	l := p.listen()
	for _, trouble := range troubles(site) {
		p.send(20)
		trouble.happen(p, l)
		p.send(20)
		t.Log(trouble.name, "after post", p.sequence)
	}
	p.wantLocal(from)

	// what a process had in memory ends with it, and nothing after
	restart(site).happen(p, l)
	p.send(20)
	p.wantLocal(from)
	l.wantStderr("Missing: perhaps what the gateway has delivered before it was started again")
	p.wantInterrupt(l)
}

// wantInterrupt interrupts the command, which is no error, and looks whether it
// has printed the app's answers.
func (p *place) wantInterrupt(l *listener) {
	p.t.Helper()
	harness.Eventually(p.t, "a line with each answer of the app", func() bool {
		return strings.Count(l.stdout.String(), "200 OK in ") == len(p.local.Requests())
	})
	p.wantInterruptQuietly(l)
	if text := l.stdout.String() + l.stderr.String() + p.gateway.Log(); strings.Contains(text, listenToken) {
		p.t.Errorf("got the token in what was printed or logged:\n%s", text)
	}
}

// wantInterruptQuietly interrupts the command, which is no error.
func (p *place) wantInterruptQuietly(l *listener) {
	p.t.Helper()
	if err := l.Process.Signal(syscall.SIGINT); err != nil {
		p.t.Fatal(err)
	}
	if got := l.code(); got != 0 {
		p.t.Errorf("got exit code %d after an interrupt, want 0", got)
	}
}
