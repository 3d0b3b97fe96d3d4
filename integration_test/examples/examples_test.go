// Package examples runs the apps of examples/ behind a gateway.
package examples

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/integration_test/harness"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/caddyproc"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/freeport"
)

// TestEveryExampleIsRun also wants them to be short: 15 to 30 lines, not
// counting blank ones.
func TestEveryExampleIsRun(t *testing.T) {
	folders, err := os.ReadDir(filepath.Join(harness.Repository, "examples"))
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range folders {
		e, ok := examples[folder.Name()]
		if !ok {
			t.Errorf("got the example %s, want one that is run", folder.Name())
			continue
		}
		lines := 0
		for line := range strings.Lines(harness.ReadFile(t, filepath.Join(harness.Repository, "examples", folder.Name(), e.file))) {
			if strings.TrimSpace(line) != "" {
				lines++
			}
		}
		if lines < 15 || lines > 30 {
			t.Errorf("%s: got %d lines, want 15 to 30", folder.Name(), lines)
		}
	}
}

// TestExamplesTakeEachEventOnceAndNothingForged runs each app behind the
// gateway of its Caddyfile.
func TestExamplesTakeEachEventOnceAndNothingForged(t *testing.T) {
	t.Parallel()
	for folder, e := range examples {
		t.Run(folder, func(t *testing.T) {
			t.Parallel()
			e.find(t)
			a := newApp(t, folder, e)
			g, door := startGateway(t, a)
			a.start()

			sendSample(t, g)
			a.wantKept(1)
			wantChecked(t, door)
			a.wantKept(2)

			// an event that comes while the app is gone waits for it, and what
			// the app knew before it still knows
			a.kill()
			sendSample(t, g)
			a.start()
			a.wantKept(3)
			wantAnswer(t, door, "again, after a restart", signed(theID, time.Now(), theEvent), true)
			a.wantKept(3)
			if folder == "express" {
				a.wantTheREADMEsApp()
			}
		})
	}
}

// startGateway runs a gateway with the Caddyfile of an app's folder, moved to
// free ports, and with a door beside it that leads straight to the app. It
// returns the URL of the door.
func startGateway(t *testing.T, a *app) (g *caddyproc.Process, door string) {
	t.Helper()
	text := harness.ReadFile(t, filepath.Join(a.dir, "Caddyfile"))
	upstream := "reverse_proxy 127.0.0.1:3000"
	if !strings.Contains(text, upstream) {
		upstream = "php_fastcgi 127.0.0.1:9000"
	}
	if !strings.Contains(text, upstream) || !strings.Contains(text, "http://localhost:8080") {
		t.Fatalf("got a Caddyfile without %s on http://localhost:8080, want both:\n%s", upstream, text)
	}
	moved, _, _ := strings.Cut(upstream, ":")
	moved += ":" + a.port
	address := "127.0.0.1:" + strconv.Itoa(freeport.Of(t))
	text = strings.ReplaceAll(text, upstream, moved)
	text += fmt.Sprintf("\nhttp://%s {\n%s\n}\n", address, moved)
	g = caddyproc.New(t)
	g.Env = []string{"WEBHOOK_SECRET=" + harness.NewSecret, "META_APP_SECRET=" + harness.AppSecret}
	g.Dir = a.dir
	g.StartCaddyfile(strings.ReplaceAll(text, "localhost:8080", g.Address()))
	return g, "http://" + address + harness.Callback
}

func sendSample(t *testing.T, g *caddyproc.Process) {
	t.Helper()
	send := exec.Command(caddyproc.Build(t), "meta-webhook", "send", "--sample", "whatsapp-message", "--url", g.URL(harness.Callback))
	send.Env = append(os.Environ(), "META_APP_SECRET="+harness.AppSecret)
	if output, err := send.CombinedOutput(); err != nil {
		t.Fatalf("send: got error %v, want none\n%s", err, output)
	}
}

const (
	theID    = "46395c4626bd01418dfd8c1bcd9482d8"
	theEvent = `{"specversion":"1.0","id":"` + theID + `","source":"https://graph.facebook.com/1","type":"com.facebook.page.feed","data":{"item":"post"},"datacontenttype":"application/json"}`
)

// signed returns an event as the gateway delivers it at a time.
func signed(id string, at time.Time, body string) *http.Request {
	r := harness.Must(http.NewRequest(http.MethodPost, "", strings.NewReader(body)))
	key := harness.Must(base64.StdEncoding.DecodeString(strings.TrimPrefix(harness.NewSecret, "whsec_")))
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%d.%s", id, at.Unix(), body)
	r.Header.Set("Content-Type", "application/cloudevents+json")
	r.Header.Set("Webhook-Id", id)
	r.Header.Set("Webhook-Timestamp", strconv.FormatInt(at.Unix(), 10))
	r.Header.Set("Webhook-Signature", "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	return r
}

// wantChecked knocks at the door with one genuine event, twice, and with others.
func wantChecked(t *testing.T, door string) {
	t.Helper()
	now := time.Now()
	with := func(header, value string) *http.Request {
		r := signed(theID, now, theEvent)
		r.Header.Set(header, value)
		return r
	}
	genuine := signed(theID, now, theEvent).Header.Get("Webhook-Signature")
	another := signed(theID, now, theEvent+" ")
	another.Header = signed(theID, now, theEvent).Header
	wrong := "v1," + base64.StdEncoding.EncodeToString(make([]byte, sha256.Size))
	for name, r := range map[string]*http.Request{
		"another body":        another,
		"another id":          with("Webhook-Id", "another"),
		"another time":        with("Webhook-Timestamp", strconv.FormatInt(now.Unix()+9, 10)),
		"an old time":         signed(theID, now.Add(-time.Hour), theEvent),
		"a wrong signature":   with("Webhook-Signature", wrong),
		"an empty signature":  with("Webhook-Signature", ""),
		"half of a signature": with("Webhook-Signature", genuine[:20]),
		"the digest alone":    with("Webhook-Signature", strings.TrimPrefix(genuine, "v1,")),
	} {
		wantAnswer(t, door, name, r, false)
	}
	for _, name := range []string{"Webhook-Id", "Webhook-Timestamp", "Webhook-Signature"} {
		r := signed(theID, now, theEvent)
		r.Header.Del(name)
		wantAnswer(t, door, "no "+name, r, false)
	}
	wantAnswer(t, door, "genuine", signed(theID, now, theEvent), true)
	wantAnswer(t, door, "again", signed(theID, now, theEvent), true)
	wantAnswer(t, door, "genuine, beside another signature", with("Webhook-Signature", wrong+" "+genuine), true)
}

// wantAnswer fails the test unless a request is answered 2xx, or 4xx.
func wantAnswer(t *testing.T, door, name string, r *http.Request, ok bool) {
	t.Helper()
	r = r.WithContext(t.Context())
	r.URL = harness.Must(r.URL.Parse(door))
	a, err := harness.Send(http.DefaultClient, r)
	if err != nil {
		t.Errorf("%s: got error %v, want an answer", name, err)
	} else if success := a.Status/100 == 2; success != ok || !ok && a.Status != http.StatusUnauthorized {
		t.Errorf("%s: got answer %d %q, want success %v, else 401", name, a.Status, a.Body, ok)
	}
}
