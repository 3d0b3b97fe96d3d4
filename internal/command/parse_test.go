package command

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/event"
)

// TestParsePrintsOneEventPerLine also covers notifications that span several
// lines.
func TestParsePrintsOneEventPerLine(t *testing.T) {
	events, err := event.Parse([]byte(testBody))
	if err != nil {
		t.Fatal(err)
	}
	var want strings.Builder
	for i := range events {
		want.Write(append(events[i].AppendJSON(nil), '\n'))
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, []byte(testBody), "", "\t"); err != nil {
		t.Fatal(err)
	}
	for name, body := range map[string]string{
		"on one line":   testBody,
		"indented":      indented.String(),
		"Windows lines": strings.ReplaceAll(indented.String(), "\n", "\r\n"),
	} {
		r := command(t, body, "parse")
		r.want(t, 0, want.String(), "")
		if r.out != want.String() {
			t.Errorf("%s: got %s, want %s", name, r.out, &want)
		}
	}
}

// TestParseKeepsLiterals checks that numbers and escapes stay as Meta sent them.
func TestParseKeepsLiterals(t *testing.T) {
	const value = `{"n":12345678901234567890.10,"text":"\u00e4 \/ <b> é"}`
	body := "{\"object\":\"page\",\"entry\":[{\"id\":\"1\",\n\"changes\":[{\"field\":\"feed\",\n\"value\":" + value + "}]}]}"
	command(t, body, "parse").want(t, 0, `"data":`+value, "")
}

func TestParsePrintsIndentedJSON(t *testing.T) {
	r := command(t, testBody, "parse", "--pretty")
	r.want(t, 0, "{\n  \"specversion\": \"1.0\",\n", "")
	events := 0
	for dec := json.NewDecoder(strings.NewReader(r.out)); dec.More(); events++ {
		var e map[string]any
		if err := dec.Decode(&e); err != nil {
			t.Fatal(err)
		}
	}
	if events != 3 {
		t.Errorf("got %d events, want 3", events)
	}
}

func TestParseBodiesWithoutEvents(t *testing.T) {
	command(t, `{"object":"page","entry":[]}`, "parse").want(t, 0, "", "The notification holds no events.")
	command(t, "not JSON", "parse").want(t, 2, "", "Error: not a valid notification: not JSON")
	command(t, "", "parse").want(t, 2, "", "Error: not a valid notification: not JSON")
}
