package wal_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/wal"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/store/file/wal/waltest"
)

// small are the options of a log on a disk of the test's own.
func small(disk *waltest.Disk) wal.Options {
	return wal.Options{FS: disk, SegmentSize: 64 << 10, LockWait: time.Millisecond, Retry: time.Millisecond, Logger: zap.NewNop()}
}

// segmentFile is the path of a segment's file.
func segmentFile(number int) string { return filepath.Join(dir, fmt.Sprintf("%010d.log", number)) }

func appendAll(tb testing.TB, l *wal.Log, records ...string) (positions []wal.Position) {
	tb.Helper()
	for _, r := range records {
		at, err := l.Append(tb.Context(), []byte(r))
		if err != nil {
			tb.Fatalf("Append(%.20q): got error %v, want none", r, err)
		}
		positions = append(positions, at...)
	}
	return positions
}

func wantRecords(tb testing.TB, l *wal.Log, where string, want ...string) {
	tb.Helper()
	if _, got := scan(tb, l, 0); !slices.Equal(got, want) {
		tb.Errorf("%s: got records %.80q, want %.80q", where, got, want)
	}
}

// killed returns what a process that was killed after it appended each of the
// records leaves of its first segment.
func killed(t *testing.T, records ...string) (content []byte, positions []wal.Position) {
	t.Helper()
	disk := waltest.NewDisk(0)
	l := open(t, dir, small(disk))
	positions = appendAll(t, l, records...)
	disk.Kill()
	_ = l.Close()
	return disk.Content(segmentFile(1)), positions
}

// TestTornTailIsCutOffAtTheLastWholeBatch cuts the last batch off at each of its
// bytes, in the ways in which a crash does.
func TestTornTailIsCutOffAtTheLastWholeBatch(t *testing.T) {
	content, positions := killed(t, "first", "second", "the third, which is torn")
	start := int(positions[2].Offset()) - 20 // the header of the batch
	end := len(bytes.TrimRight(content, "\x00"))
	for _, way := range []struct {
		name string
		tear func(b []byte, at int) []byte
	}{
		{"cut off", func(b []byte, at int) []byte { return b[:at] }},
		{"zeros from there", func(b []byte, at int) []byte { clear(b[at:]); return b }},
		{"zeros up to there", func(b []byte, at int) []byte { clear(b[start : at+1]); return b }},
		{"a bit flipped", func(b []byte, at int) []byte { b[at] ^= 4; return b }},
		{"other bytes from there", func(b []byte, at int) []byte {
			copy(b[at:], bytes.Repeat([]byte("\xffwb\xfe"), 50))
			return b
		}},
	} {
		for at := start; at < end; at++ {
			where := fmt.Sprintf("%s at byte %d", way.name, at-start)
			disk := waltest.NewDisk(0)
			disk.SetContent(segmentFile(1), way.tear(slices.Clone(content), at))
			l := open(t, dir, small(disk))
			wantRecords(t, l, where, "first", "second")
			if s := l.Stats(); len(s.Damage) > 0 || s.TornBytes == 0 && at > start && !strings.HasPrefix(way.name, "zeros") {
				t.Errorf("%s: got %d torn bytes and damage %v, want some and none", where, s.TornBytes, s.Damage)
			}
			appendAll(t, l, "fourth")
			closeLog(t, l)
			l = open(t, dir, small(disk))
			wantRecords(t, l, where+", reopened", "first", "second", "fourth")
			if s := l.Stats(); s.TornBytes > 0 || len(s.Damage) > 0 {
				t.Errorf("%s, reopened: got %d torn bytes and damage %v, want none", where, s.TornBytes, s.Damage)
			}
			closeLog(t, l)
		}
	}
}

// TestDamageInTheMiddleIsSetAside damages the second of three batches at each
// of its bytes. The others are there, and the second is named and kept, even
// when its segment is removed.
func TestDamageInTheMiddleIsSetAside(t *testing.T) {
	content, positions := killed(t, "first", "the second, which is damaged", "third")
	start, end := positions[1].Offset()-20, positions[2].Offset()-20
	for at := start; at < end; at++ {
		bad := slices.Clone(content)
		bad[at] ^= 0x10
		disk := waltest.NewDisk(0)
		disk.SetContent(segmentFile(1), bad)
		core, logs := observer.New(zap.ErrorLevel)
		o := small(disk)
		o.Logger = zap.New(core)
		l := open(t, dir, o)
		wantRecords(t, l, fmt.Sprintf("byte %d", at-start), "first", "third")
		want := wal.Damage{Segment: 1, Start: start, End: end, File: filepath.Join(dir, fmt.Sprintf("0000000001-%010d.damaged", start))}
		if at-start >= 20 { // the header of the batch tells
			want.Records = 1
		}
		if got := l.Stats().Damage; len(got) != 1 || got[0] != want {
			t.Errorf("byte %d: got damage %+v, want %+v", at-start, got, want)
		}
		if named := logs.FilterField(zap.String("file", want.File)).Len(); named != 1 {
			t.Errorf("byte %d: got %d lines in the log that name the file, want one", at-start, named)
		}
		if _, err := l.Read(positions[1], nil); want.Records > 0 && !errors.Is(err, wal.ErrDamaged) {
			t.Errorf("byte %d: Read: got error %v, want %v", at-start, err, wal.ErrDamaged)
		}
		if err := l.Seal(t.Context()); err != nil {
			t.Errorf("Seal: got error %v, want none", err)
		}
		appendAll(t, l, "fourth")
		if err := l.Remove(1); err != nil {
			t.Errorf("Remove: got error %v, want none", err)
		}
		closeLog(t, l)
		l = open(t, dir, o)
		wantRecords(t, l, "after the segment was removed", "fourth")
		want.Records = 0
		if got := l.Stats().Damage; len(got) != 1 || got[0] != want {
			t.Errorf("byte %d, removed: got damage %+v, want %+v", at-start, got, want)
		}
		if kept := disk.Content(want.File); !bytes.Equal(kept, bad[start:end]) {
			t.Errorf("byte %d: got %q kept, want %q", at-start, kept, bad[start:end])
		}
		closeLog(t, l)
	}
}

// TestBatchInAnotherPlaceIsDamage has the second of three batches replaced by one
// that is whole, and was written elsewhere.
func TestBatchInAnotherPlaceIsDamage(t *testing.T) {
	disk := waltest.NewDisk(0)
	l := open(t, dir, small(disk))
	positions := appendAll(t, l, "first", "other", "third")
	if err := l.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	appendAll(t, l, "later", "still", "later")
	disk.Kill()
	_ = l.Close()
	another, _ := killed(t, "first", "wrong", "third")
	start, end := positions[1].Offset()-20, positions[2].Offset()-20
	for name, batch := range map[string][]byte{
		"from another offset":  disk.Content(segmentFile(1))[2*start-end : start],
		"from another segment": disk.Content(segmentFile(2))[start:end],
		"from another log":     another[start:end],
	} {
		bad := disk.Content(segmentFile(1))
		copy(bad[start:], batch)
		disk := waltest.NewDisk(0)
		disk.SetContent(segmentFile(1), bad)
		l := open(t, dir, small(disk))
		wantRecords(t, l, name, "first", "third")
		if got := l.Stats().Damage; len(got) != 1 || got[0].Start != start || got[0].End != end {
			t.Errorf("%s: got damage %+v, want the second batch", name, got)
		}
		closeLog(t, l)
	}
}

// TestDamageThatIsFoundByReading damages a record of a sealed segment while the
// log is open.
func TestDamageThatIsFoundByReading(t *testing.T) {
	disk := waltest.NewDisk(0)
	l := open(t, dir, small(disk))
	defer closeLog(t, l)
	positions := appendAll(t, l, "first", "second", "third")
	if err := l.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	appendAll(t, l, "fourth")
	disk.Flip(segmentFile(1), positions[1].Offset()+9)
	for range 2 {
		if _, err := l.Read(positions[1], nil); !errors.Is(err, wal.ErrDamaged) {
			t.Errorf("Read: got error %v, want %v", err, wal.ErrDamaged)
		}
	}
	if got := l.Stats().Damage; len(got) != 1 || got[0].Records != 1 {
		t.Errorf("damage: got %+v, want one of one record", got)
	}
	wantRecords(t, l, "Scan", "first", "third", "fourth")
}

// TestDamageThatCannotBeCopiedStays has no room for the copy of what is
// damaged. The whole segment is kept then.
func TestDamageThatCannotBeCopiedStays(t *testing.T) {
	content, positions := killed(t, "first", "second", "third")
	content[positions[1].Offset()+9] ^= 1
	disk := waltest.NewDisk(0)
	disk.SetContent(segmentFile(1), content)
	full := func(op waltest.Op) error {
		if strings.Contains(op.Name, ".damaged") && op.Kind == "write" {
			return syscall.ENOSPC
		}
		return nil
	}
	disk.SetFault(full)
	l := open(t, dir, small(disk))
	defer closeLog(t, l)
	if got := l.Stats().Damage; len(got) != 1 || got[0].File != "" {
		t.Errorf("damage: got %+v, want one in the segment itself", got)
	}
	if err := l.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	appendAll(t, l, "fourth")
	if err := l.Remove(1); err != nil {
		t.Errorf("Remove: got error %v, want none", err)
	}
	wantRecords(t, l, "after Remove", "fourth")
	got := l.Stats().Damage
	if len(got) != 1 || got[0].File == "" || !bytes.HasPrefix(disk.Content(got[0].File), content[:positions[2].Offset()]) {
		t.Errorf("damage: got %+v, want the whole segment in a file", got)
	}
}

// TestDamagedHeaderCostsNothing damages one copy of a segment's header, and then
// both.
func TestDamagedHeaderCostsNothing(t *testing.T) {
	disk := waltest.NewDisk(0)
	l := open(t, dir, small(disk))
	appendAll(t, l, "first", "second")
	if err := l.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	appendAll(t, l, "third")
	closeLog(t, l)
	for _, offset := range []int64{20, 4096 + 20} {
		for number := 1; number <= 2; number++ {
			disk.Flip(segmentFile(number), offset)
		}
		if offset > 4096 { // the salt is to be had from one of them
			disk.Flip(segmentFile(1), 20)
		}
		l := open(t, dir, small(disk))
		wantRecords(t, l, fmt.Sprintf("a copy damaged at %d", offset), "first", "second", "third")
		closeLog(t, l)
	}
}

// TestLogOfALaterVersionIsLeftAlone gives a segment a later version.
func TestLogOfALaterVersionIsLeftAlone(t *testing.T) {
	disk := waltest.NewDisk(0)
	l := open(t, dir, small(disk))
	appendAll(t, l, "first")
	closeLog(t, l)
	before := disk.Content(segmentFile(1))
	for _, page := range [][]byte{before, before[4096:]} {
		page[7]++
		binary.LittleEndian.PutUint32(page[36:], crc32.Checksum(page[:36], crc32.MakeTable(crc32.Castagnoli)))
	}
	disk.SetContent(segmentFile(1), before)
	if l, err := wal.Open(dir, small(disk)); err == nil || !strings.Contains(err.Error(), "later version") {
		t.Errorf("Open: got %v and error %v, want one of a later version", l, err)
	}
	if !bytes.Equal(disk.Content(segmentFile(1)), before) {
		t.Error("the segment was changed, want it left alone")
	}
}

// TestUnreadableBlocksAreDamage has the disk fail to read a block in the middle
// of a log, whose end it cannot vouch for then.
func TestUnreadableBlocksAreDamage(t *testing.T) {
	records := make([]string, 20)
	for i := range records {
		records[i] = fmt.Sprint(i, strings.Repeat("x", 1000))
	}
	content, _ := killed(t, records...)
	disk := waltest.NewDisk(0)
	disk.SetContent(segmentFile(1), content)
	const bad = 16384
	disk.SetFault(func(op waltest.Op) error {
		if op.Kind == "read" && op.Name == segmentFile(1) && op.Offset <= bad && op.Offset+int64(op.Length) > bad {
			return syscall.EIO
		}
		return nil
	})
	l := open(t, dir, small(disk))
	defer closeLog(t, l)
	appendAll(t, l, "next")
	_, got := scan(t, l, 0)
	if len(got) < 15 || len(got) > 18 || got[0] != records[0] || got[len(got)-1] != "next" || got[len(got)-2] != records[19] {
		t.Errorf("got %d records, want all 20 but those in the block, and the next", len(got))
	}
	if d := l.Stats().Damage; len(d) != 1 || d[0].Start > bad || d[0].End < bad {
		t.Errorf("damage: got %+v, want the block", d)
	}
}
