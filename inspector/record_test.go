package inspector

import (
	"strings"
	"testing"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/admin"
)

func recordsOf(t *testing.T, body string) []record {
	t.Helper()
	d := delivery{received: time.Unix(1, 0), uri: "/webhooks", body: []byte(body)}
	return d.records(1 << 20)
}

func TestModesAreToldApart(t *testing.T) {
	const notification = `{"object":"page","entry":[{"id":"1","time":1,"changes":[{"field":"feed","value":{"n":1}},{"field":"mention","value":{"n":2}}]}]}`
	for name, tc := range map[string]struct {
		body, mode, kinds string
	}{
		"one event":                     {testEvent, modeEach, "page feed"},
		"a batch":                       {"[" + testEvent + ", " + testEvent + "]", modeBatch, "page feed,page feed"},
		"a batch of one":                {"[" + testEvent + "]", modeBatch, "page feed"},
		"Meta's notification":           {notification, modeOriginal, "page feed,page mention"},
		"several of them":               {"[" + notification + "," + notification + "]", modeOriginal, "page feed,page mention,page feed,page mention"},
		"Threads":                       {`{"app_id":"1","topic":"a","target_id":"2","time":1,"values":{"field":"mentions","value":{}}}`, modeOriginal, "threads mentions"},
		"something of Meta's to come":   {`{"hello":1}`, modeOriginal, "unknown unrecognized"},
		"no JSON":                       {"hello", modeUnknown, "unknown unrecognized"},
		"nothing":                       {"", modeUnknown, "unknown unrecognized"},
		"event without an object":       {`{"specversion":"1.0","type":"com.facebook.unknown.unrecognized"}`, modeEach, "unknown unrecognized"},
		"an array of numbers":           {"[1]", modeOriginal, "unknown unrecognized"},
		"event whose type has no point": {`{"specversion":"1.0","type":"hello"}`, modeEach, "unknown hello"},
	} {
		t.Run(name, func(t *testing.T) {
			records := recordsOf(t, tc.body)
			var kinds []string
			for _, r := range records {
				h := r.row
				if h.Mode != tc.mode || h.Events != len(records) || h.URI != "/webhooks" {
					t.Errorf("got %+v, want mode %s and %d events", h, tc.mode, len(records))
				}
				if string(r.body) != tc.body {
					t.Errorf("got the body %q, want it as delivered", r.body)
				}
				kinds = append(kinds, h.Object+" "+h.Kind)
			}
			if got := strings.Join(kinds, ","); got != tc.kinds {
				t.Errorf("got %s, want %s", got, tc.kinds)
			}
		})
	}
}

func TestRowSaysWhatTheEventSays(t *testing.T) {
	got := recordsOf(t, testEvent)[0].row
	want := row{
		Event: admin.Event{
			ID: "0123", State: stateDone, Object: "page", Kind: "feed", Entry: "1", Field: "feed", Subject: "44_55",
			Received: time.Unix(1, 0).UTC(), Tried: time.Unix(1, 0).UTC(), Attempts: 1, Size: len(testEvent),
		},
		URI: "/webhooks", Mode: modeEach, Events: 1,
	}
	if got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestWhatIsTooLargeIsRecordedWithoutIt(t *testing.T) {
	d := delivery{body: []byte("[" + testEvent + "," + testEvent + "]")}
	for _, r := range d.records(int64(len(d.body) - 1)) {
		if r.row.ID != "0123" || r.event != nil || r.body != nil {
			t.Errorf("got %+v with %d bytes, want the row alone", r.row, len(r.event))
		}
	}
}

// TestSignaturesAreNotShown has a delivery with everything that a signature, or
// the secret of another handler, may be in.
func TestSignaturesAreNotShown(t *testing.T) {
	r := newDelivery(testEvent)
	for _, name := range []string{"X-Hub-Signature-256", "Webhook-Signature", "Authorization", "Cookie", "X-Api-Key"} {
		r.Header.Set(name, "hidden")
	}
	r.Header.Set("Webhook-Id", "0123")
	if got := string(originOf(r)); strings.Contains(got, "hidden") || !strings.Contains(got, `"Webhook-Id":["0123"]`) {
		t.Errorf("got %s, want the id and nothing hidden", got)
	}
}
