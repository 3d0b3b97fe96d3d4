// Package cputime has benchmarks report the processor time that they use.
package cputime

import "testing"

// Start returns a function that reports how much processor time the process has
// used since, for each of n things: what the unit says, "event" for one. Where
// the system does not tell, it reports nothing.
func Start(b *testing.B) (report func(n int, unit string)) {
	before := used()
	return func(n int, unit string) {
		if after := used(); after > 0 {
			b.ReportMetric(float64((after-before).Nanoseconds())/1000/float64(n), "cpu-us/"+unit)
		}
	}
}
