package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// patience is how long anything may take to start or to end.
const patience = 30 * time.Second

// clockTick is the unit of times in /proc: USER_HZ, which is 100 on Linux
// whatever the kernel's own.
const clockTick = 10 * time.Millisecond

// A process is a running contender, with those it has started.
type process struct {
	cmd   *exec.Cmd
	ended chan struct{} // closed when it has
	log   *os.File
}

// start runs a command whose output goes to a file in dir.
func start(ctx context.Context, dir string, env []string, name string, args ...string) (*process, error) {
	log, err := os.CreateTemp(dir, filepath.Base(name)+"-*.log")
	if err != nil {
		return nil, err
	}
	p := &process{cmd: exec.CommandContext(ctx, name, args...), ended: make(chan struct{}), log: log}
	p.cmd.Dir = dir
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(syscall.SIGTERM) }
	p.cmd.WaitDelay = patience
	if err := p.cmd.Start(); err != nil {
		return nil, errors.Join(err, log.Close())
	}
	go func() {
		_ = p.cmd.Wait()
		close(p.ended)
	}()
	return p, nil
}

// await returns when the process accepts connections.
func (p *process) await(ctx context.Context, addr string) error {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if conn, err := net.Dial("tcp", addr); err == nil {
			return conn.Close()
		}
		select {
		case <-p.ended:
			return fmt.Errorf("%s has ended: %s", p.cmd.Path, p.output())
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
	return fmt.Errorf("%s does not listen: %s", p.cmd.Path, p.output())
}

// output returns the end of what the process has written.
func (p *process) output() string {
	text, err := os.ReadFile(p.log.Name())
	if err != nil {
		return err.Error()
	}
	return string(bytes.TrimSpace(text[max(0, len(text)-2000):]))
}

// stop ends the process and waits until it has ended.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(patience):
		_ = p.cmd.Process.Kill()
		<-p.ended
	}
	_ = p.log.Close()
}

// cpu returns the processor time that the process and its descendants have
// used, those that have ended included.
func (p *process) cpu() (time.Duration, error) {
	family, err := p.family()
	if err != nil {
		return 0, err
	}
	var total time.Duration
	for _, s := range family {
		total += s.cpu
	}
	return total, nil
}

// settle waits until the process and its descendants have nothing to do any
// more. One that answers before its work is done would do the rest in the turn
// of the next.
func (p *process) settle() error {
	before, err := p.cpu()
	if err != nil {
		return err
	}
	for end := time.Now().Add(slowest); time.Now().Before(end); {
		time.Sleep(10 * clockTick)
		used, err := p.cpu()
		if err != nil {
			return err
		}
		busy, err := p.busy()
		if err != nil {
			return err
		}
		if used-before <= clockTick && !busy {
			return nil
		}
		before = used
	}
	return fmt.Errorf("%s is still at work, %v after the last answer", p.cmd.Path, slowest)
}

// busy reports whether a thread of the process or its descendants runs, waits
// for a processor, which others may have taken, or waits for the disk.
func (p *process) busy() (bool, error) {
	family, err := p.family()
	if err != nil {
		return false, err
	}
	for _, s := range family {
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/[0-9]*/stat", s.pid))
		if err != nil {
			return false, err
		}
		for _, file := range threads {
			text, err := os.ReadFile(file) //nolint:gosec // of /proc
			if err != nil {
				continue // ended meanwhile
			}
			thread, err := parseStat(string(text))
			if err != nil {
				return false, fmt.Errorf("%s: %v", file, err)
			}
			if thread.state == 'R' || thread.state == 'D' {
				return true, nil
			}
		}
	}
	return false, nil
}

// memory returns the largest resident set there was since the last
// resetMemory, added up over the family. Pages that its members share count
// for each.
func (p *process) memory() (peak int64, err error) {
	family, err := p.family()
	if err != nil {
		return 0, err
	}
	for _, s := range family {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.pid))
		if err != nil {
			continue // a child that has ended meanwhile
		}
		n, err := parsePeak(string(status))
		if err != nil {
			return 0, err
		}
		peak += n
	}
	return peak, nil
}

// resetMemory forgets the peak there was.
func (p *process) resetMemory() error {
	family, err := p.family()
	if err != nil {
		return err
	}
	for _, s := range family {
		if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", s.pid), []byte("5"), 0o600); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

// family returns the process and its descendants.
func (p *process) family() ([]stat, error) {
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	var all []stat
	for _, file := range files {
		text, err := os.ReadFile(file) //nolint:gosec // of /proc
		if err != nil {
			continue // ended meanwhile
		}
		s, err := parseStat(string(text))
		if err != nil {
			return nil, fmt.Errorf("%s: %v", file, err)
		}
		all = append(all, s)
	}
	family := descendants(all, p.cmd.Process.Pid)
	if len(family) == 0 {
		return nil, fmt.Errorf("%s has ended: %s", p.cmd.Path, p.output())
	}
	return family, nil
}

// descendants returns a process and those that come of it.
func descendants(all []stat, root int) (family []stat) {
	in := map[int]bool{}
	for grown := true; grown; {
		grown = false
		for _, s := range all {
			if !in[s.pid] && (s.pid == root || in[s.parent]) {
				in[s.pid], grown = true, true
				family = append(family, s)
			}
		}
	}
	return family
}

// A stat is what /proc/<pid>/stat tells of a process.
type stat struct {
	pid, parent int
	state       byte          // R: runs, or could; D: waits for the disk
	cpu         time.Duration // with that of its children that have ended
}

// parseStat reads the text of /proc/<pid>/stat. The name of the command, in
// parentheses, may hold anything.
func parseStat(text string) (s stat, err error) {
	open, end := strings.IndexByte(text, '('), strings.LastIndexByte(text, ')')
	if open < 0 || end < open {
		return s, fmt.Errorf("no command in %q", text)
	}
	if s.pid, err = strconv.Atoi(strings.TrimSpace(text[:open])); err != nil {
		return s, err
	}
	fields := strings.Fields(text[end+1:]) // from the third one, the state
	const parent, utime, cstime = 4 - 3, 14 - 3, 17 - 3
	if len(fields) <= cstime {
		return s, fmt.Errorf("%d fields in %q", len(fields), text)
	}
	s.state = fields[0][0]
	if s.parent, err = strconv.Atoi(fields[parent]); err != nil {
		return s, err
	}
	for _, field := range fields[utime : cstime+1] {
		ticks, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return s, err
		}
		s.cpu += time.Duration(ticks) * clockTick
	}
	return s, nil
}

// parsePeak reads the peak of the resident set, in bytes, from the text of
// /proc/<pid>/status. A process that has ended has none.
func parsePeak(text string) (int64, error) {
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kB, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 10, 64)
			return kB << 10, err
		}
	}
	return 0, nil
}
