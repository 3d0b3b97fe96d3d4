package integration_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
)

func TestStatusCommandAsksARunningCaddy(t *testing.T) {
	g := newGateway(t, plainHTTP1)
	g.admin = "127.0.0.1:" + strconv.Itoa(freePort(t))
	g.mustLoad(lines(hook("name "+t.Name()), "respond 200"))
	wantStatus(t, g.post(page([]string{"a"})), 200)
	run := func(args ...string) string {
		t.Helper()
		var b strings.Builder
		cmd := new(cobra.Command)
		caddycmd.Commands()["meta-webhook"].CobraFunc(cmd)
		cmd.SetArgs(append([]string{"status", "--address", g.admin}, args...))
		cmd.SetOut(&b)
		if err := cmd.ExecuteContext(t.Context()); err != nil {
			t.Fatalf("got error %v, want none", err)
		}
		return b.String()
	}
	if got := run(); !strings.Contains(got, "\n"+t.Name()+" ") {
		t.Errorf("got %q, want a line about %s", got, t.Name())
	}
	if got, want := run("--json"), g.askAdmin("GET", "/meta_webhook/status").body; got != want {
		t.Errorf("got %q, want what the API says, %q", got, want)
	}
}
