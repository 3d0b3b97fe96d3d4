package storetest

import (
	"testing"
	"time"
)

func TestQueueTestsPassANaiveQueue(t *testing.T) {
	TestQueue(t, QueueConfig{
		New:      func(testing.TB) QueueSubject { return newNaive("").subject() },
		Patience: 2 * time.Millisecond,
		Runs:     100,
	})
}

// TestModelFindsFaults has the model run against queues that break a promise.
func TestModelFindsFaults(t *testing.T) {
	for _, fault := range []string{
		"repeats are stored",
		"repeats prolong the window",
		"leases do not end",
		"the time of an attempt is lost",
		"lanes hold nothing",
		"only the first lane holds",
		"an attempt that waits lets others pass",
		"tokens are ignored",
		"a late success is lost",
		"replays are live",
		"a pause pauses nothing",
	} {
		t.Run(fault, func(t *testing.T) {
			config := QueueConfig{
				New:      func(testing.TB) QueueSubject { return newNaive(fault).subject() },
				Patience: 2 * time.Millisecond,
			}
			run := func(some []operation) (int, string, error) { return runOperations(t, config, some) }
			for seed := range uint64(100) {
				chosen := randomOperations(seed, 80)
				at, told, err := run(chosen)
				if err == nil {
					continue
				}
				left, told, err := shrink(chosen[:at+1], told, err, run)
				t.Logf("%d of %d operations are needed:\n%s\n%v", left, at+1, told, err)
				if left > 10 {
					t.Errorf("got %d operations that show the fault, want few", left)
				}
				return
			}
			t.Error("got no failure in a hundred runs, want one")
		})
	}
}
