package main

import (
	"fmt"
	"os"
	"slices"
	"testing"
	"time"
)

func TestStatOfAProcess(t *testing.T) {
	const rest = " S 17 41 41 0 -1 4194560 2000 3000 0 0 150 25 4 3 20 0 9 0 8000 1300000 2500 18446744073709551615 1 1 0 0 0 0 0 0 0"
	for _, tc := range []struct {
		name, text string
		want       stat
	}{
		{"a plain name", "41 (caddy)" + rest, stat{41, 17, 'S', 1820 * time.Millisecond}},
		{"a name with spaces", "41 (tmux: server)" + rest, stat{41, 17, 'S', 1820 * time.Millisecond}},
		{"a name with parentheses", "41 (a) R 1 (b)" + rest, stat{41, 17, 'S', 1820 * time.Millisecond}},
	} {
		got, err := parseStat(tc.text + "\n")
		if err != nil || got != tc.want {
			t.Errorf("%s: got %+v, %v; want %+v", tc.name, got, err, tc.want)
		}
	}
	for _, text := range []string{"", "41 caddy S 17", "41 (caddy) S 17 1 2", "x (caddy)" + rest, "41 (caddy) S a b c d e f g h i j k l m n o p"} {
		if got, err := parseStat(text); err == nil {
			t.Errorf("%q: got %+v, want an error", text, got)
		}
	}
}

func TestPeakOfAProcess(t *testing.T) {
	for _, tc := range []struct {
		text string
		want int64
	}{
		{"Name:\tcaddy\nVmPeak:\t  900 kB\nVmHWM:\t   12345 kB\nVmRSS:\t 1 kB\n", 12345 << 10},
		{"Name:\tended\n", 0},
	} {
		if got, err := parsePeak(tc.text); err != nil || got != tc.want {
			t.Errorf("%q: got %d, %v; want %d", tc.text, got, err, tc.want)
		}
	}
	if _, err := parsePeak("VmHWM:\tmuch\n"); err == nil {
		t.Error("got no error for a peak that is no number")
	}
}

func TestDescendants(t *testing.T) {
	// a child can stand before its parent
	all := []stat{{pid: 30, parent: 20}, {pid: 1}, {pid: 10, parent: 1}, {pid: 20, parent: 10}, {pid: 21, parent: 10}, {pid: 40, parent: 1}}
	var got []int
	for _, s := range descendants(all, 10) {
		got = append(got, s.pid)
	}
	slices.Sort(got)
	if want := []int{10, 20, 21, 30}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := descendants(all, 99); got != nil {
		t.Errorf("of none: got %v, want nothing", got)
	}
}

// What a process has used is that of all in its family, the dead included.
func TestProcessorTimeOfAFamily(t *testing.T) {
	sh, err := find("sh")
	if err != nil {
		t.Skip("SKIPPED: ", err)
	}
	if _, err := parseStat(readSelf(t)); err != nil {
		t.Fatal(err)
	}
	burn := `i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done`
	p, err := start(t.Context(), t.TempDir(), nil, sh, "-c", "sh -c '"+burn+"'; echo done; sleep 60; true")
	if err != nil {
		t.Fatal(err)
	}
	defer p.stop()
	for deadline := time.Now().Add(patience); p.output() != "done"; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("got no end of the child")
		}
	}
	if got, err := p.cpu(); err != nil || got < clockTick {
		t.Errorf("got %v, %v; want what the child has used", got, err)
	}
	if got, err := p.memory(); err != nil || got < 100<<10 {
		t.Errorf("got a peak of %d, %v; want more than a process can do with", got, err)
	}
}

func TestSettleWaitsForTheEndOfTheWork(t *testing.T) {
	work := "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done"
	p, err := start(t.Context(), t.TempDir(), nil, "/bin/sh", "-c", "("+work+"); exec sleep 600")
	if err != nil {
		t.Fatal(err)
	}
	defer p.stop()
	if err := p.settle(); err != nil {
		t.Fatal(err)
	}
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", p.cmd.Process.Pid))
	if err != nil || string(name) != "sleep\n" {
		t.Errorf("got %q, %v; want sleep, which comes after the work", name, err)
	}
}
