package stored

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/integration_test/harness"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/caddyproc"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/pgtest"
)

// A cluster is instances of the gateway on one database, with two destinations.
type cluster struct {
	*testing.T
	random    *rand.Rand
	server    *pgtest.Server
	table     string
	book      *book
	apps      []*destinationApp
	instances []*caddyproc.Process
	troubles  map[string]int
}

func newCluster(t *testing.T, s harness.Seed, instances int) *cluster {
	c := &cluster{
		T: t, random: s.Random("troubles"), server: pgtest.Start(t), table: "cluster", book: newBook(t), troubles: make(map[string]int),
	}
	for i, name := range []string{"one", "two"} {
		app := newApp(c.book, name, uint64(s)+uint64(i), 5)
		app.alone = true
		c.apps = append(c.apps, app)
	}
	for range instances {
		c.instances = append(c.instances, caddyproc.New(t))
	}
	return c
}

// site returns the directives of an instance. The instances need not have the
// same options.
func (c *cluster) site() string {
	return harness.Hook(
		"store postgres {\ndsn "+c.server.DSN()+"\ntable "+c.table+"\n}",
		"parallel "+strconv.Itoa(1+c.random.IntN(16)),
		"destination one {", "retry 20ms 200ms", "reverse_proxy "+c.apps[0].addr(), "}",
		"destination two {", "retry 20ms 200ms", "deliver batch "+strconv.Itoa(1+c.random.IntN(20))+" 5ms", "reverse_proxy "+c.apps[1].addr(), "}",
	)
}

func (c *cluster) start() {
	c.Helper()
	for _, instance := range c.instances {
		instance.Start(c.site())
	}
}

// trouble disturbs one of the instances, or the database.
func (c *cluster) trouble() {
	c.Helper()
	instance := c.instances[c.random.IntN(len(c.instances))]
	switch c.random.IntN(7) {
	case 0, 1:
		c.troubles["kill"]++
		instance.Kill()
		time.Sleep(time.Duration(c.random.IntN(500)) * time.Millisecond)
		instance.Start(c.site())
	case 2:
		c.troubles["stop"]++
		instance.Terminate()
		instance.Start(c.site())
	case 3:
		c.troubles["reload"]++
		if err := instance.Load(c.site()); err != nil {
			c.Errorf("reload: got error %v, want none", err)
		}
	case 4:
		c.troubles["database stalls"]++
		c.server.Pause()
		time.Sleep(time.Duration(c.random.IntN(1500)) * time.Millisecond)
		c.server.Resume()
	case 5:
		c.troubles["discard"]++
		discardSome(c.T, instance, c.apps[c.random.IntN(len(c.apps))])
	default:
		c.troubles["database restart"]++
		c.server.Stop()
		time.Sleep(time.Duration(c.random.IntN(500)) * time.Millisecond)
		c.server.Start()
	}
}

// finish waits until the apps have everything that Meta was answered 200 for,
// and nothing waits.
func (c *cluster) finish() {
	c.Helper()
	want := c.book.wantAllDelivered(c.instances[0], c.apps...)
	wantMissingNamed(c.T, c.instances[0], nil, c.apps...)
	c.Logf("%d events, %v; %d and %d deliveries again", want, c.troubles, c.apps[0].repeats, c.apps[1].repeats)
}

// TestInstancesOnOneDatabase has senders send to one, two and three instances,
// any of which is killed, stopped, reloaded or operated at any time, while the
// database stops and stalls.
// META_WEBHOOK_FAULT_SEEDS is how many seeds to run.
func TestInstancesOnOneDatabase(t *testing.T) {
	t.Parallel()
	first := harness.NewSeed(t)
	for s := first; s < first+harness.Seeds(1); s++ {
		for instances := 1; instances <= 3; instances++ {
			t.Run(fmt.Sprintf("%d, META_WEBHOOK_SEED=%d", instances, s), func(t *testing.T) {
				t.Parallel() // most of it is waiting for leases to end
				c := newCluster(t, s, instances)
				c.start()
				const senders, events, troubles = 4, 100, 6
				var sending sync.WaitGroup
				for i := range senders {
					sender := s.Random(fmt.Sprintf("sender %d", i))
					sending.Go(func() {
						for k := range 3 {
							c.book.send(c.instances, sender, fmt.Sprintf("9%d%d", i, k), events, t.Failed)
						}
					})
				}
				for range troubles {
					time.Sleep(time.Duration(100+c.random.IntN(900)) * time.Millisecond)
					c.trouble()
				}
				sending.Wait()
				c.finish()
				if got, want := c.book.total(), senders*3*events; got != want {
					t.Errorf("got 200 for %d events, want %d", got, want)
				}
			})
		}
	}
}

// TestConversationOnTwoInstances has one conversation of a thousand events, and
// two instances of which one is killed now and then. The app gets the events in
// their order, and no two messages at a time.
func TestConversationOnTwoInstances(t *testing.T) {
	t.Parallel()
	const events, kills = 1000, 3
	s := harness.NewSeed(t)
	c := newCluster(t, s, 2)
	c.start()
	var sending sync.WaitGroup
	sending.Go(func() { c.book.send(c.instances, s.Random("sender"), "95", events, t.Failed) })
	for i := range kills {
		harness.Eventually(t, "some more events delivered", func() bool { return c.apps[0].count() > (i+1)*events/(kills+2) })
		instance := c.instances[i%2]
		instance.Kill()
		instance.Start(c.site())
		c.troubles["kill"]++
	}
	sending.Wait()
	c.finish()
	if got := c.book.total(); got != events {
		t.Errorf("got 200 for %d events, want %d", got, events)
	}
}
