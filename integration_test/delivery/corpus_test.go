package delivery

import (
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/event"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/integration_test/harness"
)

// corpusVariable names a folder of notifications that others have made: JSON
// files at any depth, and signatures.json, a list of {body, secret, header}.
const corpusVariable = "META_WEBHOOK_CORPUS"

const signaturesFile = "signatures.json"

// corpus returns the folder's JSON files by path, but for the signatures.
func corpus(t *testing.T) (dir string, files map[string][]byte) {
	t.Helper()
	dir = os.Getenv(corpusVariable)
	if dir == "" {
		t.Skipf("SKIPPED: no corpus of notifications. Set %s to a folder of JSON files to run this test.", corpusVariable)
	}
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(harness.Repository, dir) // from the repository's root, as in CONTRIBUTING
	}
	files = map[string][]byte{}
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".json" || entry.Name() == signaturesFile {
			return err
		}
		files[path], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatalf("got no JSON files in %s of %s, want some", dir, corpusVariable)
	}
	return dir, files
}

// idsOf counts the ids of the events in a notification.
func idsOf(t *testing.T, body []byte) map[string]int {
	t.Helper()
	events, err := event.Parse(body)
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]int{}
	for i := range events {
		ids[events[i].ID().String()]++
	}
	return ids
}

func TestCorpusArrivesInEveryMode(t *testing.T) {
	_, files := corpus(t)
	for _, mode := range []string{"each", "batch", "original"} {
		t.Run(mode, func(t *testing.T) {
			u := harness.NewUpstream(t, nil)
			g := harness.Proxied(t, u, "deliver "+mode)
			total := 0
			for path, body := range files {
				u.Forget()
				if a := g.Post(body); a.Status != http.StatusOK || a.Body != "" {
					t.Errorf("%s: got answer %d %q, want 200", path, a.Status, a.Body)
					continue
				}
				got := map[string]int{}
				for _, r := range u.Requests() {
					switch mode {
					case "each":
						got[harness.Decode[harness.CloudEvent](t, r.Body).ID]++
					case "batch":
						for _, e := range harness.Decode[[]harness.CloudEvent](t, r.Body) {
							got[e.ID]++
						}
					case "original":
						if r.Body != string(body) {
							t.Errorf("%s: got other bytes upstream, want Meta's", path)
						}
						for id, n := range idsOf(t, []byte(r.Body)) {
							got[id] += n
						}
					}
				}
				want := idsOf(t, body)
				if !maps.Equal(got, want) {
					t.Errorf("%s: got the events %v upstream, want %v", path, got, want)
				}
				total += len(want)
			}
			t.Logf("%d events of %d notifications", total, len(files))
			if total < len(files) {
				t.Errorf("got %d events of %d notifications, want at least one of each", total, len(files))
			}
		})
	}
}

func TestCorpusSignaturesVerify(t *testing.T) {
	dir, _ := corpus(t)
	vectors := harness.Decode[[]struct{ Source, Body, Secret, Header string }](t, harness.ReadFile(t, filepath.Join(dir, signaturesFile)))
	for _, v := range vectors {
		t.Run(v.Source, func(t *testing.T) {
			u := harness.NewUpstream(t, nil)
			g := harness.Start(t, harness.Lines("meta_webhook {", "verify_token "+harness.Token, "app_secret other-secret "+v.Secret, "}", "reverse_proxy "+u.Addr))
			send := func(body, header string) harness.Answer {
				r := g.Notification([]byte(body))
				r.Header.Set(harness.SignatureHeader, header)
				return g.Do(r)
			}
			harness.WantStatus(t, send(v.Body+" ", v.Header), 401)
			u.WantNone()
			if !strings.HasPrefix(v.Body, "{") { // authentic, but no notification
				harness.WantStatus(t, send(v.Body, v.Header), 400)
				u.WantNone()
				return
			}
			harness.WantStatus(t, send(v.Body, v.Header), 200)
			if got := len(u.Requests()); got == 0 {
				t.Error("got nothing upstream, want the events")
			}
		})
	}
}
