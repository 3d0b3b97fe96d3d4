package inspector

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func recordsOf(t *testing.T, body string) []record {
	t.Helper()
	d := delivery{received: time.Unix(1, 0), uri: "/webhooks", body: []byte(body)}
	return d.records(1 << 20)
}

func headOf(t *testing.T, r record) head {
	t.Helper()
	var h head
	if err := json.Unmarshal(r.head, &h); err != nil {
		t.Fatal(err)
	}
	return h
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
				h := headOf(t, r)
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

func TestHeadSaysWhatTheEventSays(t *testing.T) {
	got := headOf(t, recordsOf(t, testEvent)[0])
	want := head{
		Received: time.Unix(1, 0).UTC(), URI: "/webhooks", Mode: modeEach, Events: 1, Size: len(testEvent),
		ID: "0123", Type: "com.facebook.page.feed", Subject: "44_55", Time: "2026-01-01T00:00:00Z",
		Object: "page", Kind: "feed", Entry: "1", Field: "feed",
	}
	if got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestWhatIsTooLargeIsRecordedWithoutIt(t *testing.T) {
	d := delivery{body: []byte("[" + testEvent + "," + testEvent + "]")}
	for _, r := range d.records(int64(len(d.body) - 1)) {
		if h := headOf(t, r); !h.TooLarge || h.ID != "0123" || r.event != nil || r.body != nil {
			t.Errorf("got %s with %d bytes, want the head alone", r.head, len(r.event))
		}
	}
}
