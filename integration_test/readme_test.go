package integration_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"
)

// readmeBlocks returns the code blocks of a language in the README.
func readmeBlocks(t *testing.T, language string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	fence := regexp.MustCompile("(?ms)^( *)```" + language + "\n(.*?)^ *```$")
	var blocks []string
	for _, match := range fence.FindAllStringSubmatch(string(text), -1) {
		blocks = append(blocks, strings.ReplaceAll("\n"+match[2], "\n"+match[1], "\n"))
	}
	if len(blocks) == 0 {
		t.Fatalf("the README has no %s", language)
	}
	return blocks
}

func TestConfigurationsOfTheREADMELoad(t *testing.T) {
	blocks := readmeBlocks(t, "caddyfile")
	g := newGateway(t, tlsHTTP1) // for its folders
	t.Setenv("META_VERIFY_TOKEN", token)
	t.Setenv("META_APP_SECRET", appSecret)
	t.Setenv("WEBHOOK_SECRET", newSecret)
	t.Setenv("DATABASE_URL", "postgres://127.0.0.1:1/nobody-there")
	t.Chdir(g.dir)
	authority, err := os.ReadFile("cert.pem")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("meta-outbound-api-ca.pem", authority, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, block := range blocks {
		config, err := adapt(block)
		if err == nil {
			err = validate(config)
		}
		if err != nil {
			t.Errorf("got error %v, want none for\n%s", err, block)
		}
	}
}

func TestREADMESaysTheSameInCaddyfileAndJSON(t *testing.T) {
	var want any
	if err := json.Unmarshal([]byte(readmeBlocks(t, "json")[0]), &want); err != nil {
		t.Fatal(err)
	}
	for _, block := range readmeBlocks(t, "caddyfile") {
		if !strings.Contains(block, "cloudevents") {
			continue
		}
		adapted, err := adapt(block)
		if err != nil {
			t.Fatal(err)
		}
		var got map[string]any
		if err := json.Unmarshal(adapted, &got); err != nil {
			t.Fatal(err)
		}
		handler := findHandler(got)
		// durations are written in words there
		inWords := func(of any, option, words string, duration time.Duration) {
			if options := of.(map[string]any); options[option] == float64(duration) {
				options[option] = words
			}
		}
		inWords(handler, "body_timeout", "10s", 10*time.Second)
		dedup := handler["dedup"].(map[string]any)
		inWords(dedup, "window", "36h", 36*time.Hour)
		inWords(dedup["windows"], "whatsapp_business_account", "7d", 7*24*time.Hour)
		if !reflect.DeepEqual(any(handler), want) {
			t.Errorf("Caddyfile: %v\nJSON: %v", handler, want)
		}
		return
	}
	t.Error("the README has no Caddyfile with every option")
}

// findHandler returns the first meta_webhook handler in a configuration.
func findHandler(v any) map[string]any {
	switch v := v.(type) {
	case map[string]any:
		if v["handler"] == "meta_webhook" {
			return v
		}
		for _, child := range v {
			if found := findHandler(child); found != nil {
				return found
			}
		}
	case []any:
		for _, child := range v {
			if found := findHandler(child); found != nil {
				return found
			}
		}
	}
	return nil
}
