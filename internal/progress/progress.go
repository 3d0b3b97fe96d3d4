// Package progress draws a progress bar on a terminal.
package progress

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"
)

// The bar appears after a delay and is redrawn at most once per interval.
const (
	delay    = 500 * time.Millisecond
	interval = 100 * time.Millisecond
)

const (
	barWidth  = 30
	lineWidth = 72
)

// A Bar shows the progress of a task. A nil Bar shows nothing.
type Bar struct {
	w       io.Writer
	total   int
	done    int
	start   time.Time
	drawn   time.Time // time of the last drawing
	visible bool
}

// New returns a bar on w, or nil if w is not a terminal.
func New(w io.Writer, total int) *Bar {
	if f, ok := w.(*os.File); !ok || !term.IsTerminal(int(f.Fd())) {
		return nil
	}
	return newBar(w, total)
}

func newBar(w io.Writer, total int) *Bar {
	return &Bar{w: w, total: total, start: time.Now()}
}

// Step records that one more step is done, and draws the bar if it is due.
func (b *Bar) Step() { b.Add(1) }

// Add records that n more steps are done, likewise.
func (b *Bar) Add(n int) {
	if b == nil || n <= 0 {
		return
	}
	b.done = min(b.done+n, b.total)
	now := time.Now()
	if now.Sub(b.start) < delay || now.Sub(b.drawn) < interval {
		return
	}
	b.drawn, b.visible = now, true
	fmt.Fprintf(b.w, "\r%-*s", lineWidth, b.line(now.Sub(b.start)))
}

// line returns the bar after some time.
func (b *Bar) line(elapsed time.Duration) string {
	full := barWidth * b.done / b.total
	left := elapsed * time.Duration(b.total-b.done) / time.Duration(b.done)
	return fmt.Sprintf("[%s%s] %d of %d, %s left",
		strings.Repeat("=", full), strings.Repeat(" ", barWidth-full), b.done, b.total, left.Round(time.Second))
}

// Clear erases the bar, at the end or to print a line. The next step may draw it
// again.
func (b *Bar) Clear() {
	if b == nil || !b.visible {
		return
	}
	b.visible, b.drawn = false, time.Time{}
	fmt.Fprintf(b.w, "\r%*s\r", lineWidth, "")
}
