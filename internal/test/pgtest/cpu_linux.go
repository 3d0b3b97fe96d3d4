package pgtest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// CPU returns how long the processors have worked for the server.
func (s *Server) CPU() (total time.Duration) {
	s.t.Helper()
	content, err := os.ReadFile(filepath.Join(s.data(), "postmaster.pid"))
	if err != nil {
		s.t.Fatal(err)
	}
	pid, _, _ := bytes.Cut(content, []byte("\n"))
	postmaster := string(pid)
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		content, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		// the fields behind the program's name
		fields := bytes.Fields(content[bytes.LastIndexByte(content, ')')+1:])
		isPostmaster := filepath.Base(filepath.Dir(path)) == postmaster
		if !isPostmaster && string(fields[1]) != postmaster {
			continue
		}
		ticks := fields[11:13] // user and system
		if isPostmaster {
			ticks = fields[11:15] // with the children that have ended
		}
		for _, n := range ticks {
			total += time.Duration(atoi(n)) * (time.Second / 100)
		}
	}
	return total
}

func atoi(b []byte) int {
	n, err := strconv.Atoi(string(b))
	if err != nil {
		panic(fmt.Sprintf("%q in /proc is not a number", b))
	}
	return n
}
