package event_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/event"
)

// batch makes a notification of n updates, each in an entry of its own.
func batch(object string, n int, entry func(i int) string) []byte {
	var entries []string
	for i := range n {
		entries = append(entries, entry(i))
	}
	return []byte(`{"object":"` + object + `","entry":[` + strings.Join(entries, ",") + `]}`)
}

func whatsAppBatch(n int) []byte {
	var changes []string
	for i := range n {
		changes = append(changes, fmt.Sprintf(`{"value":{"messaging_product":"whatsapp","metadata":{"phone_number_id":"555"},`+
			`"messages":[{"from":"1555%06d","id":"wamid.%08d","timestamp":"1600000000","text":{"body":"Hi"}}]},"field":"messages"}`, i, i))
	}
	return []byte(`{"object":"whatsapp_business_account","entry":[{"id":"9","changes":[` + strings.Join(changes, ",") + `]}]}`)
}

func messengerBatch(n int) []byte {
	return batch("page", n, func(i int) string {
		return fmt.Sprintf(`{"id":"900%03d","time":1600000000123,"messaging":[{"sender":{"id":"7%08d"},"recipient":{"id":"900%03d"},`+
			`"timestamp":1600000000100,"message":{"mid":"m_%08d","text":"Hello there"}}]}`, i%7, i, i%7, i)
	})
}

func feedBatch(n int) []byte {
	return batch("page", n, func(i int) string {
		return fmt.Sprintf(`{"id":"900%03d","time":1600000000,"changes":[{"field":"feed","value":{"item":"comment","verb":"add",`+
			`"from":{"id":"7%08d","name":"A. Reader"},"post_id":"900_%d","comment_id":"900_%d","message":"Hello there","created_time":1600000000}}]}`, i%7, i, i, i+1)
	})
}

// benchmark runs what makes a benchmark of a notification's body for each sort
// of notification and several numbers of updates. Rates are in bytes of the
// body.
func benchmark(b *testing.B, of func(b *testing.B, body []byte) func()) {
	for _, bm := range []struct {
		name string
		make func(n int) []byte
	}{
		{"whatsapp", whatsAppBatch}, {"messenger", messengerBatch}, {"feed", feedBatch},
	} {
		for _, n := range []int{1, 10, 1000} {
			b.Run(fmt.Sprintf("%s/%d", bm.name, n), func(b *testing.B) {
				body := bm.make(n)
				if got := len(parse(b, string(body))); got != n {
					b.Fatalf("events: got %d, want %d", got, n)
				}
				run := of(b, body)
				b.SetBytes(int64(len(body)))
				b.ReportAllocs()
				for b.Loop() {
					run()
				}
			})
		}
	}
}

func BenchmarkParse(b *testing.B) {
	benchmark(b, func(b *testing.B, body []byte) func() {
		return func() {
			if _, err := event.Parse(body); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// The stages of Parse, each alone.
func BenchmarkValidate(b *testing.B) {
	benchmark(b, func(_ *testing.B, body []byte) func() {
		validate, _, _ := event.Stages(body)
		return validate
	})
}

func BenchmarkScan(b *testing.B) {
	benchmark(b, func(_ *testing.B, body []byte) func() {
		_, scan, _ := event.Stages(body)
		return scan
	})
}

func BenchmarkIdentity(b *testing.B) {
	benchmark(b, func(_ *testing.B, body []byte) func() {
		_, _, identify := event.Stages(body)
		return identify
	})
}

func BenchmarkAppendJSON(b *testing.B) {
	benchmark(b, func(b *testing.B, body []byte) func() {
		events := parse(b, string(body))
		var buf []byte
		return func() {
			for i := range events {
				buf = events[i].AppendJSON(buf[:0])
			}
		}
	})
}

func BenchmarkAppendJSONArray(b *testing.B) {
	benchmark(b, func(b *testing.B, body []byte) func() {
		events := parse(b, string(body))
		var buf []byte
		return func() { buf = event.AppendJSONArray(buf[:0], events) }
	})
}

// From the body that arrives to the body that leaves.
func BenchmarkParseAndAppendJSONArray(b *testing.B) {
	benchmark(b, func(b *testing.B, body []byte) func() {
		return func() {
			events, err := event.Parse(body)
			if err != nil {
				b.Fatal(err)
			}
			_ = event.AppendJSONArray(nil, events)
		}
	})
}
