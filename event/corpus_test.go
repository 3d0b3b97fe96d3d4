package event_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/event"
)

const corpusVariable = "META_WEBHOOK_CORPUS"

// TestCorpus runs the parser on payloads that others wrote: every .json file
// below the folder that the environment variable names.
func TestCorpus(t *testing.T) {
	folder := os.Getenv(corpusVariable)
	if folder == "" {
		t.Skip("SKIPPED: no payloads to run on. Set " + corpusVariable + " to a folder of notifications in .json files")
	}
	if !filepath.IsAbs(folder) {
		folder = filepath.Join("..", folder) // from the repository's root, as in CONTRIBUTING
	}
	files, updates := 0, 0
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".json" || entry.Name() == "signatures.json" {
			return err
		}
		body, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(folder, path)
		if err != nil {
			return err
		}
		files++
		t.Run(name, func(t *testing.T) { updates += checkPayload(t, body) })
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files == 0 {
		t.Errorf("files below the folder %s names: got none, want some", corpusVariable)
	}
	t.Logf("%d files, %d updates", files, updates)
}

func checkPayload(t *testing.T, body []byte) (updates int) {
	events, err := event.Parse(body)
	if err != nil {
		t.Fatalf("Parse: got error %v, want none", err)
	}
	checkReference(t, body, events)
	root, err := readDocument(body)
	if err != nil {
		t.Fatal(err)
	}
	var values []string
	root.each(func(value *tree) { values = append(values, value.compact()) })
	for _, s := range compactAll(t, events) {
		if s.data == "" || slices.Contains(values, s.data) {
			continue
		}
		// The value around one element, or an old verb change: each member
		// must have come as it is, but for the list of the one element.
		data, err := readDocument([]byte(s.data))
		if err != nil || !data.isObject() {
			t.Errorf("data: got %s, want a part of the payload", s.data)
			continue
		}
		for i, member := range data.values {
			whole := member.compact()
			if member.isList() && len(member.values) == 1 && unquoted(data.names[i]) == s.kind {
				whole = member.values[0].compact()
			}
			if !slices.Contains(values, whole) {
				t.Errorf("data: member %s is %s, want a part of the payload", data.names[i], whole)
			}
		}
	}
	for i := range events {
		checkCloudEvent(t, &events[i])
	}
	if s := string(body); strings.TrimSpace(s) != "" && len(events) == 0 {
		t.Logf("no event in it")
	}
	return len(events)
}

// each calls f with the value and every value below it.
func (t *tree) each(f func(value *tree)) {
	f(t)
	for _, value := range t.values {
		value.each(f)
	}
}

// eachPath calls f with every value below the value, and the path to it.
func (t *tree) eachPath(to string, f func(path string, value *tree)) {
	if to != "" {
		f(to, t)
		to += "."
	}
	for i, value := range t.values {
		name := strconv.Itoa(i)
		if t.open == '{' {
			name = unquoted(t.names[i])
		}
		value.eachPath(to+name, f)
	}
}
