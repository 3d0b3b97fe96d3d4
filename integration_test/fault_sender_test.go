package integration_test

import (
	"fmt"
	"net/http"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/caddyproc"
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
func (m *meta) keepSending(to []*caddyproc.Process, sequence string, done <-chan struct{}) {
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
			deadline = time.After(2 * patience)
		case <-deadline:
			m.t.Errorf("got no 200 for %d notifications in %v, %s among them", len(backlog), 2*patience, brief(backlog[0].posts))
			return
		default:
		}
		if deadline != nil && len(backlog) == 0 {
			return
		}
		if deadline == nil && len(backlog) < most {
			posts := some(m.random, fmt.Sprintf("%s.%d", sequence, n/chapter), n%chapter)
			m.random.Shuffle(len(posts), func(i, j int) { posts[i], posts[j] = posts[j], posts[i] })
			backlog = append(backlog, &backlogged{posts: posts, pause: 2 * time.Millisecond})
			n++
		}
		i := m.random.IntN(len(backlog))
		process := to[m.random.IntN(len(to))]
		if b := backlog[i]; !time.Now().Before(b.due) {
			if m.random.IntN(10) == 0 {
				m.forge(process, b.posts)
			}
			if m.once(process, b.posts) == http.StatusOK {
				backlog[i] = backlog[len(backlog)-1]
				backlog = backlog[:len(backlog)-1]
			} else {
				b.pause = min(2*b.pause, longest)
				b.due = time.Now().Add(b.pause)
			}
		}
		time.Sleep(time.Duration(m.random.Int64N(int64(4 * time.Millisecond))))
	}
}

// forge sends what only looks like a notification.
func (m *meta) forge(to *caddyproc.Process, posts []string) {
	m.ledger.send(posts) // they are on their way: somebody has captured it
	body := pageOf(posts)
	signature := sign(appSecret, body)
	switch m.random.IntN(5) {
	case 0:
		signature = sign("another-secret", body)
	case 1:
		signature = sign(appSecret, pageOf(append([]string{"another"}, posts...)))
	case 2:
		signature = ""
	case 3:
		body[m.random.IntN(len(body))] ^= 1 << m.random.IntN(8)
	case 4:
		body = body[:m.random.IntN(len(body))]
	}
	if status := m.trySigned(to, body, signature); status != http.StatusUnauthorized && status != 0 {
		m.t.Errorf("got answer %d to a forged notification, want 401", status)
	}
}
