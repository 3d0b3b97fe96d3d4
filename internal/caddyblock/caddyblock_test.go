package caddyblock_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/caddyblock"
)

// A module has an option of each sort.
type module struct {
	text     string
	number   int
	size     int64
	duration caddy.Duration
	list     []string
	flag     bool
}

func (m *module) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	return caddyblock.Module(d, func(d *caddyfile.Dispenser, option string) error {
		switch option {
		case "text":
			return caddyblock.Value(d, &m.text, caddyblock.Text, nil)
		case "number":
			return caddyblock.Value(d, &m.number, caddyblock.Number, func(n int) error {
				if n == 13 {
					return errors.New("must not be 13")
				}
				return nil
			})
		case "size":
			return caddyblock.Value(d, &m.size, caddyblock.Size, nil)
		case "duration":
			return caddyblock.Value(d, &m.duration, caddyblock.Duration, nil)
		case "list":
			return caddyblock.Values(d, &m.list, func(list []string) error {
				if len(list) > 2 {
					return errors.New("must be at most two")
				}
				return nil
			})
		case "flag":
			return caddyblock.Flag(d, &m.flag)
		}
		return caddyblock.Unrecognized(d, "test", option)
	})
}

func TestOptionsOfEachSort(t *testing.T) {
	var m module
	err := m.UnmarshalCaddyfile(caddyfile.NewTestDispenser("test {\n text a\n number -5\n size 2kB\n duration 1d\n list a b\n flag\n}"))
	if err != nil {
		t.Fatal(err)
	}
	got := []any{m.text, m.number, m.size, m.duration, strings.Join(m.list, " "), m.flag}
	for i, want := range []any{"a", -5, int64(2000), caddy.Duration(24 * 60 * 60 * 1e9), "a b", true} {
		if got[i] != want {
			t.Errorf("got %v, want %v", got[i], want)
		}
	}
}

func TestErrorsNameOptionAndLine(t *testing.T) {
	for option, want := range map[string]string{
		"text":           "wrong argument count",
		"text a b":       "wrong argument count",
		"number many":    `number: must be a whole number, not "many"`,
		"number 13":      "number: must not be 13",
		"size big":       `size: must be a size such as 4MB, not "big"`,
		"size 16EB":      `size: must be a size such as 4MB, not "16EB"`,
		"duration soon":  `duration: must be a duration such as 10s, not "soon"`,
		"list":           "wrong argument count",
		"list a b c":     "list: must be at most two",
		"flag on":        "wrong argument count",
		"other":          "unrecognized test option 'other'",
		"flag\nflag":     "flag is given twice",
		"text {\n x\n }": "",
	} {
		err := new(module).UnmarshalCaddyfile(caddyfile.NewTestDispenser("test {\n" + option + "\n}"))
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "Testfile:") {
			t.Errorf("%q: got error %v, want %q and the line", option, err, want)
		}
	}
	if err := new(module).UnmarshalCaddyfile(caddyfile.NewTestDispenser("test now")); err == nil {
		t.Error("got no error for an argument of the module, want one")
	}
}
