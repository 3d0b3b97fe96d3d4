package integration_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// askAdmin sends a request to the admin API.
func (g *gateway) askAdmin(method, path string) answer {
	g.t.Helper()
	r, err := http.NewRequestWithContext(g.t.Context(), method, "http://"+g.admin+path, nil)
	if err != nil {
		g.t.Fatal(err)
	}
	r.Close = true
	return g.do(r)
}

func TestStatusOfARunningCaddy(t *testing.T) {
	u := newUpstream(t, func(w http.ResponseWriter, r received) {
		if strings.Contains(r.body, "poison") {
			w.WriteHeader(500)
		}
	})
	g := newGateway(t, plainHTTP1)
	g.admin = "127.0.0.1:" + strconv.Itoa(freePort(t))
	site := func(options ...string) string {
		return lines(hook(append(options, "name "+t.Name())...), "reverse_proxy "+u.addr)
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
		got := g.askAdmin("GET", "/meta_webhook/status")
		wantStatus(t, got, 200)
		return decode[[]handler](t, got.body)
	}

	g.mustLoad(site())
	g.post(page([]string{"a", "poison"}))
	for _, path := range []string{"/meta_webhook", "/meta_webhook/", "/meta_webhook/status/", "/meta_webhook/status/x", "/meta_webhook/other"} {
		wantStatus(t, g.askAdmin("GET", path), 404)
	}
	wantStatus(t, g.askAdmin("POST", "/meta_webhook/status"), 405)
	wantStatus(t, g.askAdmin("GET", "/config/"), 200)
	g.reload(site("parallel 2"))
	got := status()
	if len(got) != 1 || got[0].Name != t.Name() || got[0].FailingSince == "" || got[0].LastSuccess != "" || got[0].Undelivered != 1 ||
		got[0].Notifications["delivery_failed"] != 1 || got[0].Events["delivered"] != 1 || got[0].Events["failed"] != 1 {
		t.Errorf("got %+v, want that of a delivery and a failure", got)
	}
	g.mustLoad("respond 200")
	if got := status(); len(got) != 0 {
		t.Errorf("got %+v without a handler, want none", got)
	}
}
