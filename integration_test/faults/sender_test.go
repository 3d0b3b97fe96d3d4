package faults

import (
	"fmt"
	"net/http"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/integration_test/harness"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/caddyproc"
)

// A backlogged is a notification that was not answered 200 yet.
type backlogged struct {
	posts []string
	due   time.Time
	pause time.Duration
}

// keepSending sends random notifications, and those that were not answered
// 200 again, in any order, until it is done and all were. Now and then it
// sends a forged one.
func keepSending(m *harness.Meta, to []*caddyproc.Process, sequence string, done <-chan struct{}) {
	const most, chapter, longest = 8, 10, 250 * time.Millisecond
	var (
		backlog  []*backlogged
		deadline <-chan time.Time
	)
	for n := 0; ; {
		select {
		case <-done:
			if len(backlog) == 0 {
				return
			}
			done = nil
			deadline = time.After(2 * harness.Patience)
		case <-deadline:
			m.T.Errorf("got no 200 for %d notifications in %v, %s among them", len(backlog), 2*harness.Patience, harness.Brief(backlog[0].posts))
			return
		default:
		}
		if deadline != nil && len(backlog) == 0 {
			return
		}
		if deadline == nil && len(backlog) < most {
			posts := harness.Some(m.Random, fmt.Sprintf("%s.%d", sequence, n/chapter), n%chapter)
			m.Random.Shuffle(len(posts), func(i, j int) { posts[i], posts[j] = posts[j], posts[i] })
			backlog = append(backlog, &backlogged{posts: posts, pause: 2 * time.Millisecond})
			n++
		}
		i := m.Random.IntN(len(backlog))
		process := to[m.Random.IntN(len(to))]
		if b := backlog[i]; !time.Now().Before(b.due) {
			if m.Random.IntN(10) == 0 {
				forge(m, process, b.posts)
			}
			if m.Once(process, b.posts) == http.StatusOK {
				backlog[i] = backlog[len(backlog)-1]
				backlog = backlog[:len(backlog)-1]
			} else {
				b.pause = min(2*b.pause, longest)
				b.due = time.Now().Add(b.pause)
			}
		}
		time.Sleep(time.Duration(m.Random.Int64N(int64(4 * time.Millisecond))))
	}
}

// forge sends what only looks like a notification.
func forge(m *harness.Meta, to *caddyproc.Process, posts []string) {
	m.Ledger.Send(posts) // they have been captured on their way
	body := harness.PageOf(posts)
	signature := harness.Sign(harness.AppSecret, body)
	switch m.Random.IntN(5) {
	case 0:
		signature = harness.Sign("another-secret", body)
	case 1:
		signature = harness.Sign(harness.AppSecret, harness.PageOf(append([]string{"another"}, posts...)))
	case 2:
		signature = ""
	case 3:
		body[m.Random.IntN(len(body))] ^= 1 << m.Random.IntN(8)
	case 4:
		body = body[:m.Random.IntN(len(body))]
	}
	if status := m.TrySigned(to, body, signature); status != http.StatusUnauthorized && status != 0 {
		m.T.Errorf("got answer %d to a forged notification, want 401", status)
	}
}
