package storetest

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// An operation is a random one. What it is made to is chosen when it is its
// turn, from its seed and from what the model holds then, so that others can be
// left out before it.
type operation struct {
	name string
	seed uint64
	do   func(*modelRun) error
}

// operations are what a run is made of, and how often.
var operations = []struct {
	times int
	name  string
	do    func(*modelRun) error
}{
	{24, "accept", (*modelRun).accept},
	{22, "take", (*modelRun).take},
	{22, "settle", (*modelRun).settle},
	{4, "renew", (*modelRun).renew},
	{7, "time passes", (*modelRun).passes},
	{2, "restart", (*modelRun).restarts},
	{2, "crash", (*modelRun).crashes},
	{3, "pause", (*modelRun).pause},
	{4, "replay", (*modelRun).replay},
	{3, "discard", (*modelRun).discard},
	{3, "list", (*modelRun).list},
	{3, "story", (*modelRun).story},
	{3, "stats", (*modelRun).stats},
}

// randomOperations returns the operations of a seed.
func randomOperations(seed uint64, steps int) []operation {
	random := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // a test that can be repeated
	total := 0
	for _, o := range operations {
		total += o.times
	}
	chosen := make([]operation, 0, steps)
	for range steps {
		at := random.IntN(total)
		for _, o := range operations {
			if at -= o.times; at < 0 {
				chosen = append(chosen, operation{o.name, random.Uint64(), o.do})
				break
			}
		}
	}
	return chosen
}

// TestModel has queues do random operations, and compares them with a model. It
// is a part of [TestQueue], for queues that do with other options what they do
// rarely otherwise.
func TestModel(t *testing.T, config QueueConfig) {
	runs, steps, first := config.Runs, config.Steps, uint64(1)
	if runs == 0 {
		runs = 20
	}
	if steps == 0 {
		steps = 80
	}
	if n, err := strconv.Atoi(os.Getenv("STORETEST_RUNS")); err == nil {
		runs = n
	}
	if n, err := strconv.ParseUint(os.Getenv("STORETEST_SEED"), 10, 64); err == nil {
		first = n
	}
	for seed := first; seed < first+uint64(runs); seed++ {
		chosen := randomOperations(seed, steps)
		at, told, err := runOperations(t, config, chosen)
		if err == nil {
			continue
		}
		shortest, told, err := shrink(chosen[:at+1], told, err, func(some []operation) (int, string, error) {
			return runOperations(t, config, some)
		})
		t.Fatalf("STORETEST_SEED=%d: after %d operations, %d of which are needed:\n%s\n%v", seed, at+1, shortest, told, err)
	}
}

// shrink leaves out operations for as long as those that are left fail, for up
// to half a minute. It returns how many are left, what they did and how they
// failed.
func shrink(failing []operation, told string, err error, run func([]operation) (int, string, error)) (int, string, error) {
	for end, size := time.Now().Add(30*time.Second), len(failing)/2; size > 0 && time.Now().Before(end); {
		shorter := false
		for from := 0; from < len(failing) && time.Now().Before(end); {
			some := slices.Concat(failing[:from], failing[min(from+size, len(failing)):])
			at, what, failure := run(some)
			if failure == nil {
				from += size
				continue
			}
			failing, err, told, shorter = some[:at+1], failure, what, true
		}
		if size == 1 && shorter {
			continue
		}
		size /= 2
	}
	if at, what, failure := run(failing); failure != nil {
		return at + 1, what, failure
	}
	return len(failing), told, err
}

// runOperations does operations with a queue of its own, and returns which one
// failed, and what they did.
func runOperations(t testing.TB, config QueueConfig, some []operation) (at int, told string, err error) {
	r := &modelRun{queueCheck: newQueueCheck(t, config), model: newModel()}
	r.model.reach, r.model.forgets = config.Reach, config.Forgets
	defer r.close()
	for at, o := range some {
		r.IntN = rand.New(rand.NewPCG(o.seed, 0)).IntN //nolint:gosec // a test that can be repeated
		r.told = append(r.told, o.name)
		if err := o.do(r); err != nil {
			return at, strings.Join(r.told, "\n"), fmt.Errorf("%s: %w", o.name, err)
		}
	}
	for _, o := range []func(*modelRun) error{(*modelRun).wholeList, (*modelRun).stats} {
		if err := o(r); err != nil {
			return len(some) - 1, strings.Join(r.told, "\n"), fmt.Errorf("at the end: %w", err)
		}
	}
	return 0, "", nil
}
