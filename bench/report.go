package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"
)

// A report is what a run has come to.
type report struct {
	Machine     machine           `json:"machine"`
	Versions    map[string]string `json:"versions"`
	Connections int               `json:"connections"`
	Rate        int               `json:"rate,omitempty"`
	Rounds      int               `json:"rounds"`
	Duration    string            `json:"duration"`
	Pause       string            `json:"pause"`
	Missing     []string          `json:"left_out,omitempty"`
	Workloads   []compared        `json:"workloads"`
}

// compared is a workload with a row for each contender.
type compared struct {
	Name  string `json:"name"`
	What  string `json:"what"`
	Bytes int    `json:"body_bytes"`
	Rows  []*row `json:"rows"`
}

func (r *report) writeJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "\t")
	return e.Encode(r)
}

// writeTables writes the report in Markdown.
func (r *report) writeTables(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", r.Machine)
	for _, name := range sortedKeys(r.Versions) {
		fmt.Fprintf(&b, "%s: %s\n", name, r.Versions[name])
	}
	fmt.Fprintf(&b, "%d connections, %d rounds of %s; medians, and in parentheses the medians of the ratios to the first row\n", r.Connections, r.Rounds, r.Duration)
	if r.Rate > 0 {
		fmt.Fprintf(&b, "at most %d requests a second\n", r.Rate)
	}
	if r.Pause != "0s" {
		fmt.Fprintf(&b, "the upstream takes %s for each answer\n", r.Pause)
	}
	for _, missing := range r.Missing {
		fmt.Fprintf(&b, "LEFT OUT: %s\n", missing)
	}
	for _, c := range r.Workloads {
		fmt.Fprintf(&b, "\n**%s**: %s, %d bytes\n\n", c.Name, c.What, c.Bytes)
		table := [][]string{{"contender", "requests/s", "p50", "p99", "CPU/request", "peak memory", "events/message", "last event"}}
		for _, row := range c.Rows {
			table = append(table, []string{
				row.Contender,
				row.Rate.show(func(v float64) string { return fmt.Sprintf("%.0f", v) }),
				row.P50.show(showDuration),
				row.P99.show(showDuration),
				row.CPU.show(showDuration),
				row.Peak.show(func(v float64) string { return fmt.Sprintf("%.0f MB", v/1e6) }),
				fmt.Sprintf("%.1f", row.Gathered),
				"+" + showDuration(row.Behind),
			})
		}
		writeTable(&b, table)
		for _, row := range c.Rows {
			fmt.Fprintf(&b, "- %s: %s\n", row.Contender, row.What)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (f figure) show(median func(float64) string) string {
	return fmt.Sprintf("%s (%.2f)", median(f.Median), f.Ratio)
}

// showDuration shows nanoseconds in the unit in which a person compares them.
func showDuration(ns float64) string {
	if ns < 1e6 {
		return fmt.Sprintf("%.1f µs", ns/1e3)
	}
	return time.Duration(ns).Round(10 * time.Microsecond).String()
}

// writeTable writes a table whose columns line up.
func writeTable(b *strings.Builder, table [][]string) {
	widths := make([]int, len(table[0]))
	for _, cells := range table {
		for i, cell := range cells {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for at, cells := range table {
		for i, cell := range cells {
			fmt.Fprintf(b, "| %s%s ", cell, strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)))
		}
		b.WriteString("|\n")
		if at > 0 {
			continue
		}
		for i, width := range widths {
			if i == 0 {
				fmt.Fprintf(b, "|%s", strings.Repeat("-", width+2))
			} else {
				fmt.Fprintf(b, "|%s:", strings.Repeat("-", width+1))
			}
		}
		b.WriteString("|\n")
	}
	b.WriteByte('\n')
}
