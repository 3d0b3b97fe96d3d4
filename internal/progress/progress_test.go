package progress

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestBarOfALongRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		b := newBar(&out, 100)
		for range 49 {
			time.Sleep(10 * time.Millisecond)
			b.Step()
		}
		if out.Len() > 0 {
			t.Errorf("got %q after 490 ms, want nothing yet", &out)
		}
		time.Sleep(10 * time.Millisecond)
		b.Step()
		if got, want := out.String(), "\r[===============               ] 50 of 100, 1s left"; !strings.HasPrefix(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		out.Reset()
		b.Step()
		if out.Len() > 0 {
			t.Errorf("got %q within the interval, want nothing", &out)
		}
		b.Clear()
		if got := out.String(); strings.ReplaceAll(got, " ", "") != "\r\r" || len(got) < 60 {
			t.Errorf("got %q, want the line erased", got)
		}
		out.Reset()
		b.Clear()
		if out.Len() > 0 {
			t.Errorf("got %q without a bar, want nothing", &out)
		}
		b.Step()
		if !strings.Contains(out.String(), "52 of 100") {
			t.Errorf("got %q after Clear, want the bar again", &out)
		}
	})
}

func TestBarFitsItsLine(t *testing.T) {
	for _, b := range []*Bar{{total: 1, done: 1}, {total: 10_000_000, done: 1}, {total: 10_000_000, done: 10_000_000}} {
		if got := b.line(time.Minute); len(got) > lineWidth {
			t.Errorf("got %q of %d characters, want no more than %d", got, len(got), lineWidth)
		}
	}
}

func TestNoBarWithoutATerminal(t *testing.T) {
	file, err := os.Create(t.TempDir() + "/output")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	b := New(file, 3)
	if b != nil || New(&bytes.Buffer{}, 3) != nil {
		t.Error("got a bar, want none")
	}
	b.Step()
	b.Clear()
}
