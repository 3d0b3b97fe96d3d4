package docs

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/integration_test/harness"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/freeport"
)

// TestCommandsInThePagesParse also wants no comments: to a zsh that a person
// types into, a # is a command, or an argument, and an apostrophe behind it
// begins a quotation.
func TestCommandsInThePagesParse(t *testing.T) {
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("SKIPPED: this test needs a shell")
	}
	comment := regexp.MustCompile(`(?m)(^|[ \t])#([ \t].*)?$`)
	for _, b := range pageBlocks(t, allPages, "sh") {
		if found := comment.FindString(b.text); found != "" {
			t.Errorf("%s: got %q, want no comment", b.page, found)
		}
		cmd := exec.Command(shell, "-n")
		cmd.Stdin = strings.NewReader(b.text)
		if output, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: got error %v, want none for\n%s\n%s", b.page, err, b.text, output)
		}
	}
}

// TestNginxInTheGuides has nginx look at a server. To do so it binds its
// address, and reads its certificates.
func TestNginxInTheGuides(t *testing.T) {
	nginx := tool("nginx")
	nginx.find(t)
	dir := t.TempDir()
	harness.MakeCertificate(t, dir)
	here := strings.NewReplacer(
		"listen 443 ssl", "listen 127.0.0.1:"+strconv.Itoa(freeport.Of(t))+" ssl",
		"/etc/nginx/tls/meta-outbound-api-ca.pem", filepath.Join(dir, "cert.pem"),
		"/etc/nginx/tls", dir,
	)
	for _, b := range pageBlocks(t, theGuides, "nginx") {
		harness.WriteFile(t, dir, "nginx.conf", []byte(harness.Lines(
			"pid "+dir+"/pid;", "error_log stderr;", "events {}", "http {", "access_log off;",
			"client_body_temp_path "+dir+"/body;", "proxy_temp_path "+dir+"/proxy;", "fastcgi_temp_path "+dir+"/fastcgi;",
			"uwsgi_temp_path "+dir+"/uwsgi;", "scgi_temp_path "+dir+"/scgi;",
			here.Replace(b.text), "}")))
		nginx.wantSuccess(t, dir, "-t", "-q", "-e", "stderr", "-p", dir, "-c", filepath.Join(dir, "nginx.conf"))
	}
}

// TestUnitsInTheGuides has systemd look at units. Their program is not
// installed here; any other will do. What it does not understand it only warns
// of.
func TestUnitsInTheGuides(t *testing.T) {
	analyze := tool("systemd-analyze")
	analyze.find(t)
	for _, b := range pageBlocks(t, theGuides, "systemd") {
		dir := t.TempDir()
		harness.WriteFile(t, dir, "caddy.service", []byte(strings.ReplaceAll(b.text, "/usr/local/bin/caddy", "/bin/true")))
		said := analyze.wantSuccess(t, dir, "verify", "--man=no", filepath.Join(dir, "caddy.service"))
		if strings.Contains(said, "caddy.service") {
			t.Errorf("%s: got a unit of which systemd says\n%s", b.page, said)
		}
	}
}

func TestPrometheusInTheGuides(t *testing.T) {
	promtool := tool("promtool")
	promtool.find(t)
	rules := filepath.Join(harness.Repository, "docs", "prometheus")
	promtool.wantSuccess(t, rules, "check", "rules", "alerts.yml")
	promtool.wantSuccess(t, rules, "test", "rules", "alerts_test.yml", "alerts_days_test.yml")
	for _, b := range pageBlocks(t, theGuides, "yaml") {
		if !strings.HasPrefix(strings.TrimSpace(b.text), "# prometheus.yml\n") {
			continue
		}
		dir := t.TempDir()
		harness.WriteFile(t, dir, "prometheus.yml", []byte(b.text))
		harness.WriteFile(t, dir, "alerts.yml", []byte(harness.ReadFile(t, filepath.Join(rules, "alerts.yml"))))
		promtool.wantSuccess(t, dir, "check", "config", "prometheus.yml")
	}
}
