//go:build !linux

package pgtest

import "time"

// CPU returns how long the processors have worked for the server, 0 where that
// is not known.
func (*Server) CPU() time.Duration { return 0 }
