// Package loopback recognizes the local machine.
package loopback

import (
	"net/netip"
	"strings"
)

// Is reports whether host, without a port, is this machine: localhost or an
// address of the loopback interface.
func Is(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	address, err := netip.ParseAddr(host)
	return err == nil && address.Unmap().IsLoopback()
}
