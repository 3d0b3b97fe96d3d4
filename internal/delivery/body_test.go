package delivery

import (
	"context"
	"errors"
	"io"
	"net/http/httptrace"
	"testing"
	"time"
)

func newTestBody(text string) (*replayBody, *httptrace.ClientTrace) {
	b := &replayBody{ctx: context.Background()}
	b.reader.Reset([]byte(text))
	return b, b.trace()
}

func wantRead(t *testing.T, b *replayBody, want string) {
	t.Helper()
	if got, err := io.ReadAll(b); err != nil || string(got) != want {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
}

func TestEveryAttemptGetsTheWholeBody(t *testing.T) {
	b, trace := newTestBody("body")
	for range 3 {
		trace.GetConn("") // one that could not connect
		trace.GetConn("")
		wantRead(t, b, "body")
		b.Close()
		trace.WroteRequest(httptrace.WroteRequestInfo{})
		b.Close() // more often than once is fine
	}
}

func TestLateCloseDoesNotRewindTheNextAttempt(t *testing.T) {
	b, trace := newTestBody("body")
	trace.GetConn("")
	wantRead(t, b, "body")
	trace.WroteRequest(httptrace.WroteRequestInfo{})
	trace.GetConn("")
	var half [2]byte
	io.ReadFull(b, half[:])
	b.Close() // of the first attempt
	wantRead(t, b, "dy")
}

func TestAttemptWaitsForTheOneBefore(t *testing.T) {
	b, trace := newTestBody("body")
	trace.GetConn("")
	var half [2]byte
	io.ReadFull(b, half[:])
	began := make(chan struct{})
	go func() {
		trace.GetConn("")
		close(began)
	}()
	select {
	case <-began:
		t.Error("an attempt began while the one before was being sent")
	case <-time.After(20 * time.Millisecond):
	}
	wantRead(t, b, "dy") // still the first
	trace.WroteRequest(httptrace.WroteRequestInfo{})
	<-began
	wantRead(t, b, "body")
}

func TestAttemptsDoNotShareTheBody(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	b, trace := newTestBody("body")
	b.ctx = ctx
	trace.GetConn("")
	var half [2]byte
	io.ReadFull(b, half[:])
	cancel() // so that the second attempt does not wait
	trace.GetConn("")
	if n, err := b.Read(half[:]); n != 0 || !errors.Is(err, errBodyInUse) {
		t.Errorf("got %d bytes, %v; want %v", n, err, errBodyInUse)
	}
}

func TestUnreportedAttemptEndsWithClose(t *testing.T) {
	b, _ := newTestBody("body")
	for range 2 {
		wantRead(t, b, "body")
		b.Close()
	}
}
