//go:build !unix

package hostile

// connectionsAtMost returns how many connections a test may open where there
// is no limit to ask for.
func connectionsAtMost() int { return 1000 }
