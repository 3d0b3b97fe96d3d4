package event_test

import (
	"strings"
	"testing"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/event"
)

// plainStringEnd is what event.StringEnd does, a byte at a time.
func plainStringEnd(text string, start int) (end int, escaped bool) {
	for i := start + 1; i < len(text); i++ {
		switch text[i] {
		case '"':
			return i + 1, escaped
		case '\\':
			escaped = true
			i++
		}
	}
	return len(text), escaped
}

// Every text of up to five quotes, backslashes and what might be taken for
// them, wherever the eight bytes that are read at once begin and end.
func TestStringsEndAtTheFirstQuoteWithoutABackslash(t *testing.T) {
	t.Parallel()
	texts := []string{""}
	for n := 0; n < len(texts); n++ {
		if len(texts[n]) == 5 {
			break
		}
		for _, c := range []string{`"`, `\`, "a", "#", "\xa2", "\xdc"} {
			texts = append(texts, texts[n]+c)
		}
	}
	for before := range 9 {
		for _, text := range texts {
			for _, rest := range []string{``, `"`, `" , "next" : "to it"`} {
				whole := `"` + strings.Repeat("a", before) + text + rest
				end, escaped := event.StringEnd([]byte(whole), 0)
				if wantEnd, wantEscaped := plainStringEnd(whole, 0); end != wantEnd || escaped != wantEscaped {
					t.Fatalf("%q: got end %d, escaped %t, want %d, %t", whole, end, escaped, wantEnd, wantEscaped)
				}
			}
		}
	}
}
