// Command bench puts the gateway next to what a user would run instead, on
// this machine and in one run.
//
//	go run ./bench
//	go run ./bench -workloads one,forged -contenders proxy,each-memory -rounds 9
//
// Each contender is driven by the same requests, over connections that are
// kept alive, each of which waits for its answer before it sends the next
// request. The contenders take turns: what disturbs the machine for a while
// disturbs all of them. Every answer is checked, and so is that each event has
// arrived behind the contender: a turn ends when it has, and the processor time
// until then counts. Linux only: what a process has used is read from
// /proc.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	if os.Getenv(upstreamEnv) != "" {
		if err := serveUpstream(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// options are what the command line says.
type options struct {
	contenders, workloads string
	rounds, connections   int
	rate                  int
	duration, pause       time.Duration
	caddy, profile        string
	json                  bool
}

func parseOptions(args []string, stderr io.Writer) (o options, err error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.contenders, "contenders", "", "the contenders, comma-separated; all by default")
	flags.StringVar(&o.workloads, "workloads", "", "the workloads, comma-separated; all by default")
	flags.IntVar(&o.rounds, "rounds", 5, "how often each contender has its turn in a workload")
	flags.IntVar(&o.connections, "connections", 32, "how many connections there are to a contender")
	flags.IntVar(&o.rate, "rate", 0, "how many requests there are a second, on all connections together; as many as are answered by default")
	flags.DurationVar(&o.duration, "duration", 2*time.Second, "how long a turn takes")
	flags.DurationVar(&o.pause, "pause", 0, "how long the upstream takes for each answer during a turn; at its end, it answers at once again")
	flags.StringVar(&o.caddy, "caddy", "", "a Caddy with the plugin, instead of building one")
	flags.StringVar(&o.profile, "profile", "", "a folder for CPU profiles of the contenders that are Caddy, each from a further turn")
	flags.BoolVar(&o.json, "json", false, "print JSON")
	flags.Usage = func() {
		fmt.Fprintln(stderr, "usage: go run ./bench [flags]")
		flags.PrintDefaults()
		fmt.Fprintln(stderr, "contenders:")
		for _, c := range all() {
			fmt.Fprintf(stderr, "  %-15s %s\n", c.name, c.what)
		}
		fmt.Fprintln(stderr, "workloads:")
		for _, w := range workloads {
			fmt.Fprintf(stderr, "  %-15s %s\n", w.name, w.what)
		}
	}
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 || o.rounds < 1 || o.connections < 1 || o.rate < 0 || o.duration <= 0 || o.pause < 0 {
		flags.Usage()
		return o, errors.New("the command line makes no sense")
	}
	return o, nil
}

// all are the contenders, in the order of the rows.
func all() []*contender { return append(caddies(), others()...) }

// choose returns those of the things that a comma-separated list names.
func choose[T any](what string, things []T, name func(T) string, list string) ([]T, error) {
	if list == "" {
		return things, nil
	}
	names := strings.Split(list, ",")
	var chosen []T
	for _, thing := range things {
		if i := slices.Index(names, name(thing)); i >= 0 {
			chosen = append(chosen, thing)
			names = slices.Delete(names, i, i+1)
		}
	}
	if len(names) > 0 {
		return nil, fmt.Errorf("there is no %s %s", what, strings.Join(names, ", "))
	}
	return chosen, nil
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parseOptions(args, stderr)
	if err != nil {
		return err
	}
	contenders, err := choose("contender", all(), func(c *contender) string { return c.name }, o.contenders)
	if err != nil {
		return err
	}
	chosen, err := choose("workload", workloads, func(w *workload) string { return w.name }, o.workloads)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	dir, err := os.MkdirTemp("", "meta-webhook-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b := &bench{options: o, dir: dir, stderr: stderr}
	defer b.close()
	if b.up, err = startUpstream(ctx); err != nil {
		return err
	}
	if b.certs, err = makeCertificates(dir); err != nil {
		return err
	}
	if b.caddy = o.caddy; b.caddy == "" {
		b.caddy = filepath.Join(dir, "caddy")
		cmd := exec.CommandContext(ctx, "go", "build", "-o", b.caddy, module+"/cmd/caddy") //nolint:gosec // this module
		cmd.Stderr = stderr
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("building Caddy: %v", err)
		}
	}
	rep := &report{Machine: describeMachine(), Connections: o.connections, Rate: o.rate, Rounds: o.rounds, Duration: o.duration.String(), Pause: o.pause.String()}
	var failed error
	for _, w := range chosen {
		rows, err := b.compare(ctx, w, contenders)
		if err != nil {
			failed = fmt.Errorf("%s: %v", w.name, err)
			break // what is measured by then is not lost
		}
		rep.Workloads = append(rep.Workloads, compared{Name: w.name, What: w.what, Bytes: newSource(w, "", 0).size(), Rows: rows})
	}
	rep.Versions = describeVersions(b.caddy, contenders)
	if o.caddy == "" {
		rep.Versions["plugin"] = checkout(ctx)
	}
	rep.Missing = b.missing
	write := rep.writeTables
	if o.json {
		write = rep.writeJSON
	}
	return errors.Join(failed, write(stdout))
}
