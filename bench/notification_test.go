package main

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"os"
	"testing"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/event"
)

func readSelf(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		t.Skip("SKIPPED: there is no /proc")
	}
	return string(text)
}

// received reads a request as a server does.
func received(t *testing.T, request []byte) (r *http.Request, body []byte, signed bool) {
	t.Helper()
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(request)))
	if err != nil {
		t.Fatalf("got %q: %v", request, err)
	}
	body, err = io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, []byte(appSecret))
	mac.Write(body)
	return r, body, r.Header.Get("X-Hub-Signature-256") == "sha256="+hex.EncodeToString(mac.Sum(nil))
}

func TestNotificationsAreWhatTheWorkloadSays(t *testing.T) {
	sizes := map[string][2]int{"one": {450, 550}, "ten": {1700, 2000}, "thousand": {165_000, 195_000}}
	for _, w := range workloads {
		if w.method != http.MethodPost {
			continue
		}
		s := newSource(w, "127.0.0.1:1", 7)
		seen, conversations := map[event.ID]int{}, map[string]bool{}
		const requests = 20
		for i := range requests {
			request, fresh := s.make()
			r, body, signed := received(t, request)
			if signed == w.forged {
				t.Fatalf("%s: request %d: signed: got %t, want %t", w.name, i, signed, !w.forged)
			}
			if r.URL.Path != callback || r.ContentLength != int64(s.size()) {
				t.Errorf("%s: got a request of %s with %d bytes", w.name, r.URL, r.ContentLength)
			}
			events, err := event.Parse(body)
			if err != nil || len(events) != w.updates {
				t.Fatalf("%s: got %d events, %v; want %d", w.name, len(events), err, w.updates)
			}
			known := 0
			for i := range events {
				conversations[events[i].Conversation()] = true
				if seen[events[i].ID()]++; seen[events[i].ID()] > 1 {
					known++
				}
			}
			if fresh != (known == 0) {
				t.Fatalf("%s: request %d: fresh: got %t, with %d events that came before", w.name, i, fresh, known)
			}
		}
		if want := requests * w.updates / w.repeat; len(seen) != want {
			t.Errorf("%s: got %d events in %d requests, want %d", w.name, len(seen), requests, want)
		}
		if len(conversations) != min(len(seen), customers) {
			t.Errorf("%s: got %d conversations of %d events, want %d", w.name, len(conversations), len(seen), min(len(seen), customers))
		}
		if limits, ok := sizes[w.name]; ok && (s.size() < limits[0] || s.size() > limits[1]) {
			t.Errorf("%s: got %d bytes, want %d to %d", w.name, s.size(), limits[0], limits[1])
		}
	}
}

func TestVerificationRequests(t *testing.T) {
	w := &workload{method: http.MethodGet, repeat: 1}
	request, _ := newSource(w, "127.0.0.1:1", 0).make()
	r, _, _ := received(t, request)
	query := r.URL.Query()
	if r.Method != http.MethodGet || query.Get("hub.mode") != "subscribe" || query.Get("hub.verify_token") != token || query.Get("hub.challenge") == "" {
		t.Errorf("got %s %s", r.Method, r.URL)
	}
}
