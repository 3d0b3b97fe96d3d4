//go:build !unix

package queue

import "time"

// cpuTime returns 0 where that is not known.
func cpuTime() time.Duration { return 0 }
