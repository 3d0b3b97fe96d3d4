package stored

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/integration_test/harness"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/caddyproc"
)

// kills is how often the gateway is killed; META_WEBHOOK_KILLS sets it.
func kills() int {
	if n, err := strconv.Atoi(os.Getenv("META_WEBHOOK_KILLS")); err == nil {
		return n
	}
	return 4
}

// TestKillsUnderLoad kills the gateway again and again while events come and go.
// Everything that was answered 200 is delivered, in order.
func TestKillsUnderLoad(t *testing.T) {
	t.Parallel()
	s := harness.NewSeed(t)
	b := newBook(t)
	app := newApp(b, "app", uint64(s), 5)
	c := caddyproc.New(t)
	site := harness.Hook("store file {\npath "+c.Path("stored")+"\n}", "destination app {", "retry 20ms 200ms", "reverse_proxy "+app.addr(), "}")
	c.Start(site)
	var over atomic.Bool
	var sending sync.WaitGroup
	for i := range 6 {
		random := s.Random(fmt.Sprint("sender ", i))
		sending.Go(func() {
			for k := 0; !over.Load() && !t.Failed(); k++ {
				b.send([]*caddyproc.Process{c}, random, fmt.Sprintf("9%d%d", i, k), 50, func() bool { return over.Load() || t.Failed() })
			}
		})
	}
	random := s.Random("kills")
	for range kills() {
		time.Sleep(time.Duration(100+random.IntN(400)) * time.Millisecond)
		c.Kill()
		c.Start(site)
	}
	over.Store(true)
	sending.Wait()
	want := b.wantAllDelivered(c, app)
	if want == 0 {
		t.Error("got no event accepted, want many")
	}
	t.Logf("%d kills, %d events, %d deliveries again", kills(), want, app.repeats)
}

// editLog changes the log of the queue in a folder, given the content up to its
// last byte that is not zero.
func editLog(t *testing.T, folder string, change func(content []byte) []byte) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(folder, "queue-default", "*.log"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range slices.Backward(names) {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		used := bytes.TrimRight(content, "\x00")
		if len(used) == 0 {
			continue // it is only allocated
		}
		if err := os.WriteFile(name, change(bytes.Clone(used)), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Fatalf("got no log with anything in it in %s", folder)
}

// flip changes a bit where an event of a conversation is stored.
func flip(conversation string) func(content []byte) []byte {
	return func(content []byte) []byte {
		content[bytes.Index(content, []byte(conversation+".0"))] ^= 1
		return content
	}
}

// closeQueue has the gateway close the queue in a folder, by a configuration with
// another one, and waits until a snapshot of it is there.
func closeQueue(t *testing.T, c *caddyproc.Process, folder, another string) {
	t.Helper()
	if err := c.Load(another); err != nil {
		t.Fatalf("reload: got error %v, want none", err)
	}
	harness.Eventually(t, "a snapshot, and the index", func() bool {
		snapshots, _ := filepath.Glob(filepath.Join(folder, "queue-default", "0*.snapshot"))
		index, _ := filepath.Glob(filepath.Join(folder, "queue-default", "*.seen"))
		return len(snapshots) > 0 && len(index) > 0
	})
}

// TestDamageAfterAKill cuts off and flips what is stored after the gateway was
// killed. It starts, says what is damaged, and delivers everything else.
func TestDamageAfterAKill(t *testing.T) {
	t.Parallel()
	const events = 30
	for _, test := range []struct {
		name     string
		known    bool // to a snapshot and the index
		change   func(content []byte) []byte
		lost     []int  // events
		log      string // what the log says
		dead     int
		setAside bool
	}{
		{"a flipped bit in the middle", false, flip("915"), []int{15}, "a part of the log is damaged, and was set aside", 0, true},
		{"a flipped bit in what a snapshot knows", true, flip("915"), []int{15}, "a delivery cannot be read", 1, true},
		{"a flipped bit in the last event", false, flip("929"), []int{29}, "a crash left a batch torn that was not acknowledged", 0, false},
		{"the last bytes cut off", false, func(content []byte) []byte { return content[:len(content)-100] }, []int{29}, "a crash left a batch torn", 0, false},
		{"the end cut off, which a snapshot knows", true, func(content []byte) []byte {
			return content[:bytes.Index(content, []byte("928.0"))+3]
		}, []int{28, 29}, "a part of the log is missing at its end", 2, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := newBook(t)
			app := newApp(b, "app", 1, 0)
			c := caddyproc.New(t)
			c.Global = "metrics"
			folder := c.Path("stored")
			site := harness.Hook("store file {\npath "+folder+"\n}", "destination app {", "retry 1h 1h", "reverse_proxy "+app.addr(), "}")
			c.Start(site)
			admin(t, c, http.MethodPost, "/meta_webhook/destinations/pause?destination=app", nil)
			for n := range events { // a batch each
				if status := post(c, b.notification(fmt.Sprintf("9%02d", n), 0, 1)); status != http.StatusOK {
					t.Fatalf("got %d, want 200", status)
				}
			}
			if test.known {
				closeQueue(t, c, folder, strings.Replace(site, folder, c.Path("another"), 1))
			}
			c.Kill()
			editLog(t, folder, test.change)
			before := len(c.Log())
			c.Start(site)
			admin(t, c, http.MethodPost, "/meta_webhook/destinations/resume?destination=app", nil)
			harness.Eventually(t, "what is not damaged", func() bool { return app.count() == events-len(test.lost) })
			var all []destinationStatus
			defer func() { t.Logf("at the end: %+v", all) }()
			harness.Eventually(t, "what is damaged among the dead", func() bool {
				all = destinations(t, c)
				return len(all) == 1 && all[0].Dead == test.dead && all[0].Waiting+all[0].UnderWay == 0
			})
			for _, n := range test.lost {
				if app.taken[fmt.Sprintf("9%02d", n)] > 0 {
					t.Errorf("got event %d delivered, want it damaged", n)
				}
			}
			if log := c.Log()[before:]; !strings.Contains(log, test.log) {
				t.Errorf("got a log without %q:\n%s", test.log, log)
			}
			metrics := harness.AdminGet(t, c, "/metrics")
			none := strings.Contains(metrics, `store_damaged_batches_total{name="default"} 0`)
			if !strings.Contains(metrics, "store_damaged_batches_total{") || none == (test.setAside || test.dead > 0) {
				t.Errorf("got store_damaged_batches_total 0: %t, want %t", none, !test.setAside && test.dead == 0)
			}
			kept, err := filepath.Glob(filepath.Join(folder, "queue-default", "*.damaged"))
			if err != nil || (len(kept) > 0) != test.setAside {
				t.Errorf("got %v and error %v, want the damaged part kept: %t", kept, err, test.setAside)
			}
			// And it goes on.
			if status := post(c, b.notification("999", 0, 3)); status != http.StatusOK {
				t.Errorf("got %d after the damage, want 200", status)
			}
			harness.Eventually(t, "what came later", func() bool { return app.count() == events-len(test.lost)+3 })
		})
	}
}

// TestDamageAnywhere flips and cuts off at random, several times in one folder.
// The gateway starts every time, and delivers what comes after that.
func TestDamageAnywhere(t *testing.T) {
	t.Parallel()
	s := harness.NewSeed(t)
	random := s.Random("damage")
	b := newBook(t)
	app := newApp(b, "app", uint64(s), 0)
	c := caddyproc.New(t)
	folder := c.Path("stored")
	site := harness.Hook("store file {\npath "+folder+"\n}", "destination app {", "retry 20ms 200ms", "reverse_proxy "+app.addr(), "}")
	c.Start(site)
	for round := range 4 {
		for n := range 10 {
			if status := post(c, b.notification(fmt.Sprintf("9%d%d", round, n), 0, 2)); status != http.StatusOK {
				t.Fatalf("round %d: got %d, want 200", round, status)
			}
		}
		harness.Eventually(t, fmt.Sprint("the events of round ", round), func() bool {
			n := 0
			app.set(func() {
				for conversation, taken := range app.taken {
					if strings.HasPrefix(conversation, fmt.Sprintf("9%d", round)) {
						n += taken
					}
				}
			})
			return n == 20
		})
		if random.IntN(2) == 0 {
			c.Terminate()
			c.Start(site)
		}
		c.Kill()
		editLog(t, folder, func(content []byte) []byte { return damage(random, content) })
		c.Start(site)
	}
}

// damage flips some bits, or cuts off the end, behind the header.
func damage(random *rand.Rand, content []byte) []byte {
	const header = 8192
	if len(content) <= header {
		return content
	}
	if random.IntN(3) == 0 {
		return content[:header+random.IntN(len(content)-header)]
	}
	for range 1 + random.IntN(5) {
		content[header+random.IntN(len(content)-header)] ^= 1 << random.IntN(8)
	}
	return content
}
