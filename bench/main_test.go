package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// TestMain lets the program of the tests be the upstream, as the bench itself
// is.
func TestMain(m *testing.M) {
	if os.Getenv(upstreamEnv) != "" {
		if err := serveUpstream(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func TestARunComparesContenders(t *testing.T) {
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("SKIPPED: there is no /proc to read what a process has used")
	}
	var stdout, stderr strings.Builder
	err := run(t.Context(), []string{
		"-contenders", "proxy,each-memory,stored-each,stored-batch", "-workloads", "one,retries,tls", "-connections", "2",
		"-rounds", "2", "-duration", "100ms", "-json",
	}, &stdout, &stderr)
	if err != nil {
		t.Fatalf("got %v\n%s", err, stderr.String())
	}
	var got report
	if err := json.Unmarshal([]byte(stdout.String()), &got); err != nil {
		t.Fatalf("got %s: %v", stdout.String(), err)
	}
	if len(got.Workloads) != 3 {
		t.Fatalf("got %d workloads, want 3", len(got.Workloads))
	}
	if got.Versions["Caddy"] == "" || got.Machine.Cores == 0 {
		t.Errorf("got versions %v and machine %v, want them known", got.Versions, got.Machine)
	}
	for _, w := range got.Workloads {
		var names []string
		repeat := workloads[slices.IndexFunc(workloads, func(of *workload) bool { return of.name == w.Name })].repeat
		for _, r := range w.Rows {
			names = append(names, r.Contender)
			for at, f := range []figure{r.Rate, r.P50, r.P99, r.Peak} {
				if f.Median <= 0 || f.Ratio <= 0 {
					t.Errorf("%s, %s: figure %d: got %+v, want more than nothing", w.Name, r.Contender, at, f)
				}
			}
			for _, s := range r.Rounds {
				if want := (s.Requests + repeat - 1) / repeat; s.Events < want-2 || s.Events > want+2 {
					t.Errorf("%s, %s: got %d events at the upstream for %d requests, want about %d", w.Name, r.Contender, s.Events, s.Requests, want)
				}
			}
			if len(r.Rounds) != 2 {
				t.Errorf("%s, %s: got %d rounds, want 2", w.Name, r.Contender, len(r.Rounds))
			}
		}
		if want := []string{"proxy", "each-memory", "stored-each", "stored-batch"}; !slices.Equal(names, want) {
			t.Errorf("%s: got the rows %v, want %v", w.Name, names, want)
		}
	}
}

func TestCommandLines(t *testing.T) {
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"-contenders", "proxy,apache"}, "there is no contender apache"},
		{[]string{"-workloads", "two"}, "there is no workload two"},
		{[]string{"-rounds", "0"}, "the command line makes no sense"},
		{[]string{"-rate", "-1"}, "the command line makes no sense"},
		{[]string{"-pause", "-1s"}, "the command line makes no sense"},
		{[]string{"one"}, "the command line makes no sense"},
		{[]string{"-contenders", "stored-each,stored-batch", "-workloads", "forged", "-caddy", "none"}, "forged: none of the contenders takes part"},
		{[]string{"-contenders", "webhook", "-workloads", "verify", "-caddy", "none"}, "verify: none of the contenders takes part"},
	} {
		var stdout, stderr strings.Builder
		err := run(t.Context(), tc.args, &stdout, &stderr)
		if err == nil || err.Error() != tc.want {
			t.Errorf("%v: got error %v, want %s", tc.args, err, tc.want)
		}
	}
}
