package command

import (
	"io"
	"os"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/term"
)

// A table is printed with columns that line up. On a terminal, cells are cut
// short so that no line is wider than it.
type table struct {
	header []string
	fixed  []bool // columns that are not cut short
	rows   [][]string
}

// newTable returns a table with these columns. One whose name ends in ! is not
// cut short.
func newTable(columns ...string) *table {
	t := new(table)
	for _, c := range columns {
		name, fixed := strings.CutSuffix(c, "!")
		t.header, t.fixed = append(t.header, name), append(t.fixed, fixed)
	}
	return t
}

// add adds a row.
func (t *table) add(cells ...string) {
	for i := range cells {
		cells[i] = printable(cells[i], "")
	}
	t.rows = append(t.rows, cells)
}

const (
	columnGap   = 2
	leastColumn = 4 // characters that are left of a cell that is cut short
)

// print prints the table. Only a terminal bounds its width.
func (t *table) print(w io.Writer) error {
	return t.printIn(w, terminalWidth(w))
}

// printIn prints the table on lines of a width, 0 if they have no end.
func (t *table) printIn(w io.Writer, width int) error {
	widths := t.widths(width)
	var text strings.Builder
	for _, row := range append([][]string{t.header}, t.rows...) {
		var line strings.Builder
		for i, cell := range row {
			cell = cut(cell, widths[i])
			line.WriteString(cell)
			if i < len(row)-1 {
				line.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+columnGap))
			}
		}
		l := strings.TrimRight(line.String(), " ")
		if width > 0 {
			l = cut(l, width)
		}
		text.WriteString(l + "\n")
	}
	_, err := io.WriteString(w, text.String())
	return err
}

// widths returns the widths of the columns. What there is too much for a line
// is taken from the widest.
func (t *table) widths(width int) []int {
	widths, total := make([]int, len(t.header)), 0
	for i := range widths {
		for _, row := range append([][]string{t.header}, t.rows...) {
			widths[i] = max(widths[i], utf8.RuneCountInString(row[i]))
		}
		total += widths[i] + columnGap
	}
	total -= columnGap
	for ; width > 0 && total > width; total-- {
		widest := -1
		for i, w := range widths {
			if !t.fixed[i] && w > leastColumn && (widest < 0 || w > widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			break
		}
		widths[widest]--
	}
	return widths
}

// cut cuts a text short to a width.
func cut(text string, width int) string {
	if utf8.RuneCountInString(text) <= width {
		return text
	}
	return string([]rune(text)[:width-1]) + "…"
}

// printable returns a text without what would make a terminal do something,
// such as escape sequences, but for the characters in keep: some of what is
// shown was written by strangers.
func printable(text, keep string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) || strings.ContainsRune(keep, r) {
			return r
		}
		return utf8.RuneError
	}, text)
}

// terminalWidth returns the width of a terminal, 0 for what is none.
func terminalWidth(w io.Writer) int {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return 0
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return width
}
