package event_test

import (
	"bytes"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/event"
)

// checkArray checks that the events make the same array in all ways, each
// event of which is the same as alone, and that its length is known before.
func checkArray(t *testing.T, body []byte, events []event.Event) {
	t.Helper()
	var each [][]byte
	for i := range events {
		each = append(each, events[i].AppendJSON(nil))
	}
	want := slices.Concat([]byte("["), bytes.Join(each, []byte(",")), []byte("]"))
	if got := event.AppendJSONArray(nil, events); !bytes.Equal(got, want) {
		t.Fatalf("Parse(%q)\nappended: got %s\nwant %s", body, got, want)
	}
	array := event.NewJSONArray(events)
	if got := array.Len(); got != len(want) {
		t.Fatalf("Parse(%q)\nlength of %s: got %d, want %d", body, want, got, len(want))
	}
	if got, err := io.ReadAll(array.Reader()); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("Parse(%q)\nread: got %s, %v\nwant %s", body, got, err, want)
	}
}

func TestAnArrayIsTheSameInAllWays(t *testing.T) {
	t.Parallel()
	for _, seed := range seeds {
		if events, err := event.Parse([]byte(seed)); err == nil {
			checkArray(t, []byte(seed), events)
		}
	}
	random := rand.New(rand.NewPCG(1, 2))
	for _, at := range []string{
		`1600000000`, `1600000000000`, `1600000000123`, `1600000000120`, `1600000000100`, `"1600000000.5"`, `1600000000.25`, `-1`, `0`, `253402300799`, `1e400`,
		`"2020-09-13T12:26:40+0000"`, `"2020-09-13T12:26:40.123456789Z"`, `"2020-09-13T12:26:40.120000000+02:00"`, `"2020-09-13T12:26:40.000Z"`, `"x"`, `null`,
	} {
		for _, id := range []string{`"1"`, `1`, `-1.5e3`, `""`, `"a b"`, `"ü/%"`, `"\u00fc\n"`, `"\ud800"`, `null`, `[1]`, `"` + strings.Repeat(`\u0041`, 300) + `"`} {
			for _, object := range []string{`"page"`, `"PAGE"`, `"p ä\u00e4"`, `"\ud800."`, `5`, `""`} {
				body := `{"object":` + object + `,"entry":[{"id":` + id + `,"time":` + at + `,"messaging":[{"message":{"mid":` + id + `},"sender":{"id":` + id +
					`}},{"message":{"mid":2}},{"read":{}},{"timestamp":` + at + `}],"changed_fields":["a","a","\u0061",` + object + `],"uid":` + id + `},{"id":2,"uid":` + id + `}]}`
				events := parse(t, body)
				random.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
				checkArray(t, []byte(body), events)
			}
		}
	}
}

// An array of any size comes in pieces of any size, and anew after a rewind.
func TestAnArrayIsReadInPieces(t *testing.T) {
	t.Parallel()
	for _, make := range []func(int) []byte{whatsAppBatch, messengerBatch, feedBatch} {
		for _, n := range []int{0, 1, 2, 35, 100, 1000} {
			var events []event.Event
			if n > 0 {
				events = parse(t, string(make(n)))
			}
			want := string(event.AppendJSONArray(nil, events))
			array := event.NewJSONArray(events)
			if err := iotest.TestReader(array.Reader(), []byte(want)); err != nil {
				t.Errorf("%d events: %v", n, err)
			}
			r := array.Reader()
			for _, part := range []int{0, 1, 100, 16 << 10, 20_000, len(want), len(want) + 1} {
				if _, err := io.CopyN(io.Discard, r, int64(part)); err != nil && part <= len(want) {
					t.Fatalf("%d events: reading %d bytes of %d: got error %v, want none", n, part, len(want), err)
				}
				r.Rewind()
				if got, err := io.ReadAll(r); err != nil || string(got) != want {
					t.Errorf("%d events, rewound after %d bytes: got %d bytes, %v; want the same %d", n, part, len(got), err, len(want))
				}
				r.Rewind()
			}
		}
	}
}

// A reader takes a little room, however long the array is.
func TestAnArrayTakesLittleRoom(t *testing.T) {
	events := parse(t, string(whatsAppBatch(5000)))
	array := event.NewJSONArray(events)
	got := testing.AllocsPerRun(5, func() { _, _ = io.Copy(io.Discard, struct{ io.Reader }{array.Reader()}) })
	if got > 5 {
		t.Errorf("allocations to read %d bytes: got %.0f, want at most 5", array.Len(), got)
	}
}
