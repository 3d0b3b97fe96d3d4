package main

import (
	"context"
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

const module = "github.com/caddy-meta-webhook/caddy-meta-webhook"

// A machine is where a run took place.
type machine struct {
	Processor string `json:"processor"`
	Cores     int    `json:"cores"`
	System    string `json:"system"`
	Load      string `json:"load"` // before the run
}

func (m machine) String() string {
	return fmt.Sprintf("%s, %d cores, %s; load before the run: %s", m.Processor, m.Cores, m.System, m.Load)
}

func describeMachine() machine {
	return machine{
		Processor: field("/proc/cpuinfo", "model name"),
		Cores:     runtime.NumCPU(),
		System:    runtime.GOOS + " " + word("/proc/sys/kernel/osrelease", 1) + " " + runtime.GOARCH,
		Load:      word("/proc/loadavg", 3),
	}
}

// field returns the value of the first line of a file that has this name.
func field(file, name string) string {
	text, _ := os.ReadFile(file) //nolint:gosec // of /proc
	for line := range strings.Lines(string(text)) {
		if found, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(found) == name {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

// word returns the first words of a file.
func word(file string, n int) string {
	text, _ := os.ReadFile(file) //nolint:gosec // of /proc
	words := strings.Fields(string(text))
	return strings.Join(words[:min(n, len(words))], " ")
}

// describeVersions returns the versions of what was compared.
func describeVersions(caddy string, contenders []*contender) map[string]string {
	versions := map[string]string{}
	if info, err := buildinfo.ReadFile(caddy); err == nil {
		versions["Go"] = info.GoVersion
		for _, dep := range info.Deps {
			if dep.Path == "github.com/caddyserver/caddy/v2" {
				versions["Caddy"] = dep.Version
			}
		}
		versions["plugin"] = info.Main.Version
	}
	for _, c := range contenders {
		if c.version == nil {
			continue
		}
		if version, err := c.version(); err == nil {
			versions[c.name] = version
		}
	}
	return versions
}

// checkout returns the commit that is checked out.
func checkout(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty", "--abbrev=12").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}

// says returns the first line of what a program says when it is asked for its
// version.
func says(name string, args ...string) func() (string, error) {
	return func() (string, error) {
		path, err := find(name, "/usr/sbin/"+name)
		if err != nil {
			return "", err
		}
		out, err := exec.Command(path, args...).CombinedOutput() //nolint:gosec // of the contenders
		line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
		return line, err
	}
}

// expressVersions returns the versions of Node and of the Express that was
// installed.
func expressVersions() (string, error) {
	node, err := says("node", "--version")()
	if err != nil {
		return "", err
	}
	folder, err := expressFolder()
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile(filepath.Join(folder, "node_modules", "express", "package.json")) //nolint:gosec // made here
	if err != nil {
		return "", err
	}
	var about struct {
		Version string `json:"version"`
	}
	if err := json.Unmarshal(text, &about); err != nil {
		return "", err
	}
	return fmt.Sprintf("Node %s, Express %s", node, about.Version), nil
}

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
