package commands

import (
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/integration_test/harness"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/freeport"
)

func TestStatusCommandAsksARunningCaddy(t *testing.T) {
	g := harness.NewGateway(t, harness.PlainHTTP1)
	g.Admin = "127.0.0.1:" + strconv.Itoa(freeport.Of(t))
	g.MustLoad(harness.Lines(harness.Hook("name "+t.Name()), "respond 200"))
	harness.WantStatus(t, g.Post(harness.Page([]string{"a"})), 200)
	run := func(args ...string) string {
		t.Helper()
		var b strings.Builder
		cmd := new(cobra.Command)
		caddycmd.Commands()["meta-webhook"].CobraFunc(cmd)
		cmd.SetArgs(append([]string{"status", "--address", g.Admin}, args...))
		cmd.SetOut(&b)
		if err := cmd.ExecuteContext(t.Context()); err != nil {
			t.Fatalf("got error %v, want none", err)
		}
		return b.String()
	}
	if got := run(); !strings.Contains(got, "\n"+t.Name()+" ") {
		t.Errorf("got %q, want a line about %s", got, t.Name())
	}
	if got, want := run("--json"), g.AskAdmin("GET", "/meta_webhook/status").Body; got != want {
		t.Errorf("got %q, want what the API says, %q", got, want)
	}
}
