package freeport

import (
	"net"
	"strconv"
	"testing"
)

func TestNoTwoCallersGetOnePort(t *testing.T) {
	taken := make(map[int]bool)
	for range 200 {
		port := Of(t)
		if taken[port] {
			t.Fatalf("got port %d twice, want it once", port)
		}
		taken[port] = true
	}
	for port := range taken {
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			t.Errorf("got error %v, want port %d free", err, port)
			continue
		}
		_ = l.Close()
	}
}

func TestReleasedPortCanBeTakenAgain(t *testing.T) {
	port, release, err := Take()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := listen(port + 1); err == nil {
		t.Errorf("got port %d free, want the sign that %d is taken", port+1, port)
	}
	release()
	l, err := listen(port + 1)
	if err != nil {
		t.Fatalf("got error %v after the release, want no sign left", err)
	}
	_ = l.Close()
}
