// Package inuse tells tests how much memory is in use.
package inuse

import "runtime"

// Heap returns how many bytes of the heap are in use, once the garbage is collected.
func Heap() int64 {
	runtime.GC()
	runtime.GC() // what pools hold is theirs for another cycle
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
