package command

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/listen"
)

// A listenPrinter prints messages to stdout, and notices to stderr.
type listenPrinter struct {
	cmd      *cobra.Command
	json     bool
	messages int

	mu  sync.Mutex
	err error // of stdout
}

// notice prints a line for people.
func (p *listenPrinter) notice(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cmd.PrintErrln(printable(text, "\n"))
}

// A listenReport is what --json prints for a message.
type listenReport struct {
	ID           string      `json:"id"`
	Received     time.Time   `json:"received"`
	Destination  string      `json:"destination,omitempty"`
	URI          string      `json:"uri"`
	Events       int         `json:"events"`
	Object       string      `json:"object,omitempty"`
	Kind         string      `json:"kind,omitempty"`
	Conversation string      `json:"conversation,omitempty"`
	Replay       bool        `json:"replay,omitempty"`
	Status       int         `json:"status,omitempty"` // of the app's answer
	Duration     float64     `json:"duration_ms,omitempty"`
	Answer       string      `json:"answer,omitempty"`
	Error        string      `json:"error,omitempty"`
	Header       http.Header `json:"header"`
	Body         string      `json:"body"`
}

// message prints a message, and what has come of forwarding it.
func (p *listenPrinter) message(m *listen.Message, out forwarded) {
	p.messages++
	p.mu.Lock()
	defer p.mu.Unlock()
	var err error
	if p.json {
		report := listenReport{
			ID: m.ID, Received: m.Received, Destination: m.Destination, URI: m.URI, Events: m.Events, Object: m.Object, Kind: m.Kind,
			Conversation: m.Conversation, Replay: m.Replay, Status: out.Status, Duration: milliseconds(out.Took), Answer: string(out.Body),
			Header: m.Header, Body: string(m.Body),
		}
		if out.err != nil {
			report.Error = out.err.Error()
		}
		err = printJSON(p.cmd, report)
	} else {
		_, err = fmt.Fprintln(p.cmd.OutOrStdout(), line(m, out))
	}
	if p.err == nil {
		p.err = err
	}
}

// line returns the line of a message.
func line(m *listen.Message, out forwarded) string {
	parts := []string{m.Received.Local().Format(time.TimeOnly), what(m), oneWord(m.ID)}
	if m.Destination != "" {
		parts = append(parts, "for "+oneWord(m.Destination))
	}
	if m.Replay {
		parts = append(parts, "replayed")
	}
	switch {
	case out.err != nil:
		parts = append(parts, "error: "+printable(out.err.Error(), ""))
	case out.Status != 0:
		parts = append(parts, out.StatusText()+" in "+short(out.Took))
	}
	return strings.Join(parts, "  ")
}

// what says what a message holds.
func what(m *listen.Message) string {
	object, kind := m.Object, m.Kind
	if object == "" {
		object = "several"
	}
	if kind == "" {
		kind = "several"
	}
	text := oneWord(object + "." + kind)
	if m.Events > 1 {
		text += " (" + strconv.Itoa(m.Events) + " events)"
	}
	return text
}

// oneWord returns a text that is from outside as one that a terminal shows and
// does not obey.
func oneWord(text string) string {
	quoted := strconv.QuoteToASCII(text)
	if inner := quoted[1 : len(quoted)-1]; inner != text || strings.ContainsAny(text, " ") {
		return quoted
	}
	return text
}
