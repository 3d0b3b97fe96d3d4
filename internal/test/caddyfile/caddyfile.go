// Package caddyfile writes Caddyfiles for tests and benchmarks.
package caddyfile

import (
	"fmt"
	"strings"
)

// Global returns the global options of a Caddy that neither leaves this machine
// nor a folder: it listens on the loopback interface, gets no certificates and
// installs none, and keeps its files in storage. The admin endpoint is at an
// address, or off. Further options stand behind these.
func Global(admin, storage string, more ...string) string {
	return fmt.Sprintf(`{
	admin %s
	auto_https off
	persist_config off
	skip_install_trust
	default_bind 127.0.0.1
	storage file_system %s
	storage_check off
	storage_clean_interval off
	%s
}
`, admin, storage, Lines(more...))
}

// Site returns a site with these directives.
func Site(address string, directives ...string) string {
	return fmt.Sprintf("%s {\n%s\n}\n", address, Lines(directives...))
}

// Lines joins the lines of a Caddyfile.
func Lines(lines ...string) string { return strings.Join(lines, "\n") }
