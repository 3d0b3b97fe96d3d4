package commands

import (
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/integration_test/harness"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/freeport"
)

func TestStatusOfARunningCaddy(t *testing.T) {
	u := harness.NewUpstream(t, func(w http.ResponseWriter, r harness.Received) {
		if strings.Contains(r.Body, "poison") {
			w.WriteHeader(500)
		}
	})
	g := harness.NewGateway(t, harness.PlainHTTP1)
	g.Admin = "127.0.0.1:" + strconv.Itoa(freeport.Of(t))
	site := func(options ...string) string {
		return harness.Lines(harness.Hook(append(options, "name "+t.Name())...), "reverse_proxy "+u.Addr)
	}
	type handler struct {
		Name          string           `json:"name"`
		FailingSince  string           `json:"failing_since"`
		LastSuccess   string           `json:"last_success"`
		Undelivered   int              `json:"undelivered"`
		Notifications map[string]int64 `json:"notifications"`
		Events        map[string]int64 `json:"events"`
	}
	status := func() []handler {
		t.Helper()
		got := g.AskAdmin("GET", "/meta_webhook/status")
		harness.WantStatus(t, got, 200)
		return harness.Decode[[]handler](t, got.Body)
	}

	g.MustLoad(site())
	g.Post(harness.Page([]string{"a", "poison"}))
	for _, path := range []string{"/meta_webhook", "/meta_webhook/", "/meta_webhook/status/", "/meta_webhook/status/x", "/meta_webhook/other"} {
		harness.WantStatus(t, g.AskAdmin("GET", path), 404)
	}
	harness.WantStatus(t, g.AskAdmin("POST", "/meta_webhook/status"), 405)
	harness.WantStatus(t, g.AskAdmin("GET", "/config/"), 200)
	g.Reload(site("parallel 2"))
	got := status()
	if len(got) != 1 || got[0].Name != t.Name() || got[0].FailingSince == "" || got[0].LastSuccess != "" || got[0].Undelivered != 1 ||
		got[0].Notifications["delivery_failed"] != 1 || got[0].Events["delivered"] != 1 || got[0].Events["failed"] != 1 {
		t.Errorf("got %+v, want that of a delivery and a failure", got)
	}
	g.MustLoad("respond 200")
	if got := status(); len(got) != 0 {
		t.Errorf("got %+v without a handler, want none", got)
	}
}
