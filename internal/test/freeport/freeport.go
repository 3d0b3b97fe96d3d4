// Package freeport finds ports for servers that a test or a benchmark starts.
package freeport

import (
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
)

// A Test is what Of needs of a [testing.TB].
type Test interface {
	Helper()
	Cleanup(func())
	Fatal(args ...any)
}

// Of returns a port of the loopback interface that has no listener, and that
// no other caller gets before the test ends.
func Of(t Test) int {
	t.Helper()
	port, release, err := Take()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	return port
}

// Take returns a port of the loopback interface that has no listener, and
// that no other caller, in this process or another, gets before its release.
//
// The port is below those that systems give to outgoing connections: no one
// takes it while a server restarts. Caddy would share it with another Caddy
// without an error, so as a sign to other callers the port above is taken.
func Take() (port int, release func(), err error) {
	const first, pairs, tries = 20_000, 5_000, 100
	for range tries {
		port := first + 2*rand.IntN(pairs)
		sign, err := listen(port + 1)
		if err != nil {
			continue
		}
		l, err := listen(port)
		if err != nil {
			_ = sign.Close()
			continue
		}
		_ = l.Close()
		return port, func() { _ = sign.Close() }, nil
	}
	return 0, nil, errors.New("no free port on the loopback interface")
}

func listen(port int) (net.Listener, error) {
	return net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
}
