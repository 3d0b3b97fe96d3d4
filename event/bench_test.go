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

func BenchmarkParse(b *testing.B) {
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
				b.SetBytes(int64(len(body)))
				b.ReportAllocs()
				for b.Loop() {
					if _, err := event.Parse(body); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkAppendJSON(b *testing.B) {
	ev := parseOne(b, string(whatsAppBatch(1)))
	buf := ev.AppendJSON(nil)
	b.SetBytes(int64(len(buf)))
	b.ReportAllocs()
	for b.Loop() {
		buf = ev.AppendJSON(buf[:0])
	}
}

func BenchmarkAppendJSONArray(b *testing.B) {
	events := parse(b, string(whatsAppBatch(1000)))
	buf := event.AppendJSONArray(nil, events)
	b.Run("1000", func(b *testing.B) {
		b.SetBytes(int64(len(buf)))
		b.ReportAllocs()
		for b.Loop() {
			buf = event.AppendJSONArray(buf[:0], events)
		}
	})
}
