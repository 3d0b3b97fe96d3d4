package schedule

import (
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/inuse"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store"
)

// A plain schedule is a list that is looked through for everything.
type plain struct {
	now  int64
	list []*plainDelivery // by number
}

type plainDelivery struct {
	Item
	state store.DeliveryState
	held  store.Held
	until int64
	cause string
}

func (p *plain) pass(d int64) {
	p.now += d
	for _, d := range p.list {
		if d.state == store.UnderWay && d.until <= p.now {
			d.state = store.Waiting
		}
	}
}

func (p *plain) open(d *plainDelivery) bool {
	return d.state == store.Waiting || d.state == store.UnderWay
}

// clear reports whether nothing is ahead of a delivery but what is taken with it.
func (p *plain) clear(d *plainDelivery, with []*plainDelivery) bool {
	for _, other := range p.list {
		if other == d {
			return true
		}
		if p.open(other) && !slices.Contains(with, other) &&
			slices.ContainsFunc(other.Lanes, func(l store.Lane) bool { return slices.Contains(d.Lanes, l) }) {
			return false
		}
	}
	return true
}

func (p *plain) take(want Want) (taken []*plainDelivery) {
	var bytes int64
	for len(taken) < want.Max {
		var next *plainDelivery
		for _, d := range p.list {
			with := taken
			if !want.Runs {
				with = nil
			}
			if d.state == store.Waiting && d.Due <= p.now && !slices.Contains(taken, d) && p.clear(d, with) &&
				(next == nil || next.Replay && !d.Replay) {
				next = d
			}
		}
		if next == nil || len(taken) > 0 && bytes+int64(next.Size) > want.Bytes {
			break
		}
		taken, bytes = append(taken, next), bytes+int64(next.Size)
	}
	return taken
}

func TestScheduleIsThePlainOne(t *testing.T) {
	for seed := range uint64(100) {
		random := rand.New(rand.NewPCG(seed, 0))
		s, p := New(7), new(plain)
		var number store.Number
		var held []*plainDelivery
		for step := range 400 {
			switch op := random.IntN(20); {
			case op < 7:
				number += store.Number(1 + random.IntN(3))
				it := Item{Number: number, Position: uint64(number) * 10, Size: random.IntN(100), Replay: random.IntN(5) == 0}
				for range random.IntN(4) {
					it.Lanes = append(it.Lanes, store.Lane(random.IntN(6)))
				}
				if random.IntN(10) == 0 {
					it.Due = p.now + int64(random.IntN(20))
				}
				s.Add(it)
				p.list = append(p.list, &plainDelivery{Item: it, state: store.Waiting})
			case op < 12:
				want := Want{
					Max: 1 + random.IntN(5), Bytes: int64(random.IntN(300)), Runs: random.IntN(2) == 0,
					Until: p.now + 1 + int64(random.IntN(20)), Owner: uint32(random.IntN(2)),
				}
				s.Pass(p.now)
				expected := p.take(want)
				some, enough := s.Ready(want, p.now)
				if some != (len(expected) > 0) || len(expected) == want.Max && !enough {
					t.Fatalf("seed %d, step %d: Ready: got %t, %t, want %d taken of %d", seed, step, some, enough, len(expected), want.Max)
				}
				got := s.Take(want, p.now)
				if !slices.EqualFunc(got, expected, func(a Taken, b *plainDelivery) bool {
					return a.Held.Number == b.Number && a.Position == b.Position && a.Replay == b.Replay && a.Attempts == b.Attempts
				}) {
					t.Fatalf("seed %d, step %d: Take: got %+v, want %+v", seed, step, got, expected)
				}
				for i, d := range expected {
					d.state, d.held, d.until = store.UnderWay, got[i].Held, want.Until
					held = append(held, d)
				}
			case op < 18 && len(held) > 0:
				d := held[random.IntN(len(held))]
				s.Pass(p.now)
				ref, mine := s.Mine(d.held)
				if mine != (d.state == store.UnderWay) {
					t.Fatalf("seed %d, step %d: Mine: got %t of %+v", seed, step, mine, d)
				}
				if !mine {
					v, ok := s.Find(d.Number)
					want := p.open(d) || d.state == store.DeliveryDead
					if ok != want || ok && v.State != d.state {
						t.Fatalf("seed %d, step %d: Find: got %+v, %t of %+v", seed, step, v, ok, d)
					}
					break
				}
				switch random.IntN(5) {
				case 0:
					s.Return(ref)
					d.state = store.Waiting
				case 1:
					d.Attempts++
					d.Due = p.now + int64(random.IntN(20))
					s.Again(ref, d.Due, d.Attempts)
					d.state = store.Waiting
				case 2:
					d.Attempts++
					d.state, d.cause = store.DeliveryDead, []string{"a", "b"}[random.IntN(2)]
					s.Bury(ref, d.Attempts, d.cause)
				case 3:
					d.until = p.now + int64(random.IntN(20)) + 1
					s.Renew(ref, d.until)
				default:
					d.state = store.DeliveryDone
					s.Remove(ref)
				}
			case op == 18 && len(p.list) > 0:
				d := p.list[random.IntN(len(p.list))]
				s.Pass(p.now)
				v, ok := s.Find(d.Number)
				switch {
				case !ok || d.state == store.UnderWay:
				case d.state == store.DeliveryDead:
					s.Unbury(v.Ref)
					d.state = store.Discarded
				default:
					s.Remove(v.Ref)
					d.state = store.Discarded
				}
			default:
				p.pass(int64(random.IntN(10)))
				s.Pass(p.now)
			}
			check(t, s, p)
			if t.Failed() {
				t.Fatalf("seed %d, step %d", seed, step)
			}
		}
	}
}

// check compares what there is to see.
func check(t *testing.T, s *Schedule, p *plain) {
	t.Helper()
	s.Pass(p.now)
	counts := make(map[store.DeliveryState]int)
	dead := make(map[string]int64)
	var oldest store.Number
	for _, d := range p.list {
		counts[d.state]++
		if d.state == store.DeliveryDead {
			dead[d.cause]++
		}
		if p.open(d) && oldest == 0 {
			oldest = d.Number
		}
	}
	if s.Waiting() != counts[store.Waiting] || s.UnderWay() != counts[store.UnderWay] || !maps.Equal(s.Dead(), dead) {
		t.Errorf("got %d waiting, %d under way, dead %v, want %v, dead %v", s.Waiting(), s.UnderWay(), s.Dead(), counts, dead)
	}
	if v, ok := s.Oldest(); ok != (oldest != 0) || v.Number != oldest {
		t.Errorf("got oldest %d, want %d", v.Number, oldest)
	}
	seen := 0
	for n := range s.Chunks() {
		s.Look(n, 0, 1<<63, func(v View) {
			seen++
			at, _ := slices.BinarySearchFunc(p.list, v.Number, func(d *plainDelivery, n store.Number) int { return int(d.Number) - int(n) })
			d := p.list[at]
			if d.state != v.State || d.Attempts != v.Attempts || d.Position != v.Position || d.cause != v.Cause {
				t.Errorf("got %+v, want %+v", v, d)
			}
			if v.State != store.DeliveryDead {
				lanes := s.Lanes(v.Ref, nil)
				slices.Sort(lanes)
				want := slices.Clone(d.Lanes)
				slices.Sort(want)
				if !slices.Equal(lanes, slices.Compact(want)) {
					t.Errorf("got lanes %v, want %v", lanes, d.Lanes)
				}
			}
		})
	}
	if want := counts[store.Waiting] + counts[store.UnderWay] + counts[store.DeliveryDead]; seen != want {
		t.Errorf("got %d to look at, want %d", seen, want)
	}
}

func TestReleaseReturnsWhatIsAnOwners(t *testing.T) {
	s := New(0)
	for n := range 10 {
		s.Add(Item{Number: store.Number(n + 1)})
	}
	s.Take(Want{Max: 4, Until: 10, Owner: 1}, 1)
	kept := s.Take(Want{Max: 4, Bytes: 100, Until: 10, Owner: 2}, 1)
	s.Release(1)
	if s.UnderWay() != len(kept) {
		t.Errorf("got %d under way, want the %d of the other owner", s.UnderWay(), len(kept))
	}
	if got := s.Take(Want{Max: 1, Until: 10}, 1); got[0].Held.Number != 1 {
		t.Errorf("got number %d, want 1", got[0].Held.Number)
	}
}

// TestAddOutOfOrder adds deliveries in any order, as a log is read in which
// some were moved.
func TestAddOutOfOrder(t *testing.T) {
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 1))
		a, b := New(0), New(0)
		items := make([]Item, 30)
		for i := range items {
			items[i] = Item{Number: store.Number(i + 1)}
			for range random.IntN(3) {
				items[i].Lanes = append(items[i].Lanes, store.Lane(random.IntN(4)))
			}
			if random.IntN(5) == 0 {
				items[i].Due = int64(1 + random.IntN(3))
			}
			a.Add(items[i])
		}
		random.Shuffle(len(items), func(i, j int) { items[i], items[j] = items[j], items[i] })
		for _, it := range items {
			b.Add(it)
		}
		for now := int64(0); a.Open() > 0; now++ {
			a.Pass(now)
			b.Pass(now)
			want := Want{Max: 1 + random.IntN(3), Bytes: 1, Runs: random.IntN(2) == 0, Until: 1000}
			x, y := a.Take(want, now), b.Take(want, now)
			if !slices.EqualFunc(x, y, func(a, b Taken) bool { return a.Held.Number == b.Held.Number }) {
				t.Fatalf("seed %d: got %+v, want %+v", seed, y, x)
			}
			for i := range x {
				a.Remove(x[i].Ref)
				b.Remove(y[i].Ref)
			}
		}
	}
}

// TestSizeOfADelivery measures what a delivery that waits takes in memory.
func TestSizeOfADelivery(t *testing.T) {
	const n = 1 << 18
	for _, test := range []struct {
		name  string
		lanes int
		most  float64 // bytes
	}{
		{"a hundred lanes", 100, 56},
		{"one in ten is alone in its lane", n / 10, 62},
		{"each alone in its lane", n, 90},
	} {
		t.Run(test.name, func(t *testing.T) {
			before := inuse.Heap()
			s := New(0)
			lane := make([]store.Lane, 1)
			for i := range n {
				lane[0] = store.Lane(i % test.lanes)
				s.Add(Item{Number: store.Number(i + 1), Position: uint64(i), Size: 500, Lanes: lane})
			}
			got := float64(inuse.Heap()-before) / n
			t.Logf("%.1f bytes for a delivery", got)
			if got > test.most {
				t.Errorf("got %.1f bytes for a delivery, want up to %.0f", got, test.most)
			}
			for {
				taken := s.Take(Want{Max: 100, Bytes: 1 << 20, Until: 2}, 1)
				if len(taken) == 0 {
					break
				}
				for _, d := range taken {
					s.Remove(d.Ref)
				}
			}
			if left := inuse.Heap() - before; left > n {
				t.Errorf("got %d bytes when nothing is left, want little", left)
			}
			runtime.KeepAlive(s)
		})
	}
}

func BenchmarkSchedule(b *testing.B) {
	s := New(0)
	for i := range 1 << 20 {
		s.Add(Item{Number: store.Number(i + 1), Size: 500, Lanes: []store.Lane{store.Lane(i % 100_000)}})
	}
	number := store.Number(1 << 21)
	lanes := make([]store.Lane, 1)
	b.ReportAllocs()
	for b.Loop() {
		number++
		lanes[0] = store.Lane(number % 100_000)
		s.Add(Item{Number: number, Size: 500, Lanes: lanes})
		taken := s.Take(Want{Max: 1, Until: 2}, 1)
		s.Remove(taken[0].Ref)
	}
}
