package docs

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/integration_test/harness"
)

func TestOptionsAreTheSameInCaddyfileAndJSON(t *testing.T) {
	var want any
	if err := json.Unmarshal([]byte(pageBlocks(t, theOptions, "json")[0].text), &want); err != nil {
		t.Fatal(err)
	}
	for _, b := range pageBlocks(t, theOptions, "caddyfile") {
		if !strings.Contains(b.text, "cloudevents") {
			continue
		}
		adapted, err := harness.Adapt(b.text)
		if err != nil {
			t.Fatal(err)
		}
		var got map[string]any
		if err := json.Unmarshal(adapted, &got); err != nil {
			t.Fatal(err)
		}
		handler := harness.FindHandler(got)
		// durations are written in words there
		inWords := func(of any, option, words string, duration time.Duration) {
			if options := of.(map[string]any); options[option] == float64(duration) {
				options[option] = words
			}
		}
		inWords(handler, "body_timeout", "10s", 10*time.Second)
		inWords(handler, "timeout", "30s", 30*time.Second)
		dedup := handler["dedup"].(map[string]any)
		inWords(dedup, "window", "36h", 36*time.Hour)
		inWords(dedup["windows"], "whatsapp_business_account", "7d", 7*24*time.Hour)
		if !reflect.DeepEqual(any(handler), want) {
			t.Errorf("Caddyfile: %v\nJSON: %v", handler, want)
		}
		return
	}
	t.Error("the page has no Caddyfile with every option")
}
