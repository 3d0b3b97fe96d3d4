package delivery

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http/httptrace"
	"sync"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/event"
)

// A replayBody is a request body that reverse_proxy can send to one upstream
// after the other. It hands every attempt the same body, so this one has to
// know itself when an attempt begins, and to start over.
//
// An attempt may begin while the one before is still being sent: an upstream
// may answer, say 503, before it has read the request. Were they to share the
// bytes, the second would get what the first has left of them. So it waits for
// the first to end; net/http reports both through the request's trace.
type replayBody struct {
	ctx context.Context // of the request

	mu     sync.Mutex
	reader bytes.Reader
	array  *event.JSONArrayReader // in place of reader
	traced bool                   // attempts are reported
	read   bool                   // the attempt under way has read
	ended  chan struct{}          // closed when it ends, if that is waited for
	broken bool                   // two attempts would have shared the body
}

// patience is how long an attempt waits for the one before to end. A
// connection that has got its answer ends much sooner.
const patience = time.Second

var errBodyInUse = errors.New("the attempt before is still being sent")

// trace returns the hooks by which net/http reports attempts.
func (b *replayBody) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GetConn:      func(string) { b.begin() },
		WroteRequest: func(httptrace.WroteRequestInfo) { b.end() },
	}
}

// begin starts over for another attempt.
func (b *replayBody) begin() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.traced = true
	if b.read {
		ended := make(chan struct{})
		b.ended = ended
		b.mu.Unlock()
		select {
		case <-ended:
		case <-b.ctx.Done():
		case <-time.After(patience):
		}
		b.mu.Lock()
		b.broken = b.broken || b.read
	}
	b.rewind()
}

// end notes that the request of an attempt has been sent, or will not be.
func (b *replayBody) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.read = false
	if b.ended != nil {
		close(b.ended)
		b.ended = nil
	}
}

// Read implements io.Reader.
func (b *replayBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.broken {
		return 0, errBodyInUse
	}
	b.read = true
	if b.array != nil {
		return b.array.Read(p)
	}
	return b.reader.Read(p)
}

// Close implements io.Closer. Where attempts are not reported, because the
// transport is not of net/http, one ends with it.
func (b *replayBody) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.traced {
		b.rewind()
	}
	return nil
}

func (b *replayBody) rewind() {
	if b.read = false; b.array != nil {
		b.array.Rewind()
		return
	}
	_, _ = b.reader.Seek(0, io.SeekStart)
}

// Interface guard
var _ io.ReadCloser = (*replayBody)(nil)
