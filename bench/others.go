package main

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

// others are what people run instead, where it is installed.
func others() []*contender {
	return []*contender{
		{name: "nginx", what: "nginx with Lua, checks the signature and proxies", takesPart: always, forwards: forwardsAuthentic, start: startNginx, version: says("nginx", "-v")},
		{name: "express", what: "Node with Express, checks the signature and parses", takesPart: always, start: startExpress, version: expressVersions},
		{name: "webhook", what: "webhook, checks the signature and runs /bin/true", takesPart: webhookTakesPart, refusal: http.StatusInternalServerError, start: startWebhook, version: says("webhook", "-version")},
	}
}

//go:embed nginx.conf
var nginxConf string

// nginxModules are the folders in which distributions have nginx's modules.
var nginxModules = []string{"/usr/lib/nginx/modules", "/usr/lib64/nginx/modules", "/usr/share/nginx/modules"}

// startNginx runs nginx with two workers.
func startNginx(ctx context.Context, s *site) (*process, error) {
	nginx, err := find("nginx", "/usr/sbin/nginx")
	if err != nil {
		return nil, err
	}
	var modules string
	for _, dir := range nginxModules {
		if _, err := os.Stat(filepath.Join(dir, "ngx_http_lua_module.so")); err == nil {
			modules = dir
			break
		}
	}
	if modules == "" {
		return nil, fmt.Errorf("nginx's module http_lua: %w", errMissing)
	}
	tls := ""
	listen := s.addr
	if s.workload.secure {
		listen += " ssl"
		tls = fmt.Sprintf("ssl_certificate %s; ssl_certificate_key %s; ssl_verify_client on; ssl_client_certificate %s;", s.certs.cert, s.certs.key, s.certs.ca)
	}
	config := strings.NewReplacer(
		"$MODULES", modules, "$DIR", s.dir, "$LISTEN", listen, "$TLS", tls, "$UPSTREAM", s.upstream,
		"$CALLBACK", callback, "$TOKEN", token, "$SECRET", appSecret, "$CLIENT", clientName,
	).Replace(nginxConf)
	file := s.path("nginx.conf")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return nil, err
	}
	return start(ctx, s.dir, nil, nginx, "-p", s.dir, "-c", file, "-e", s.path("error.log"))
}

//go:embed express.js
var expressApp string

// expressVersion is the one that is installed.
const expressVersion = "express@5"

// An express is Express as npm has installed it, once for all workloads.
type express struct {
	once   sync.Once
	folder string
	err    error
}

var installed express

// expressFolder returns where Express is, and installs it the first time.
func expressFolder() (string, error) {
	installed.once.Do(func() { installed.folder, installed.err = installExpress() })
	return installed.folder, installed.err
}

func installExpress() (string, error) {
	npm, err := find("npm")
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "meta-webhook-express")
	if err != nil {
		return "", err
	}
	cmd := exec.Command(npm, "install", "--silent", "--no-audit", "--no-fund", "--prefix", dir, expressVersion) //nolint:gosec // npm
	if out, err := cmd.CombinedOutput(); err != nil {
		return dir, fmt.Errorf("installing %s: %v: %s: %w", expressVersion, err, bytes.TrimSpace(out), errMissing)
	}
	return dir, nil
}

// removeExpress removes Express if it was installed.
func removeExpress() {
	if installed.folder != "" {
		_ = os.RemoveAll(installed.folder)
	}
}

func startExpress(ctx context.Context, s *site) (*process, error) {
	node, err := find("node")
	if err != nil {
		return nil, err
	}
	modules, err := expressFolder()
	if err != nil {
		return nil, err
	}
	file := s.path("app.js")
	if err := os.WriteFile(file, []byte(expressApp), 0o600); err != nil {
		return nil, err
	}
	host, port, err := net.SplitHostPort(s.addr)
	if err != nil {
		return nil, err
	}
	env := []string{
		"NODE_ENV=production", "NODE_PATH=" + filepath.Join(modules, "node_modules"),
		"HOST=" + host, "PORT=" + port, "CALLBACK=" + callback, "VERIFY_TOKEN=" + token, "APP_SECRET=" + appSecret,
	}
	if s.workload.secure {
		env = append(env, "CERT="+s.certs.cert, "KEY="+s.certs.key, "CA="+s.certs.ca, "CLIENT="+clientName)
	}
	return start(ctx, s.dir, env, node, file)
}

// webhookTakesPart: it answers no verification requests, and asks for no
// client certificate.
func webhookTakesPart(w *workload) bool { return w.method == http.MethodPost && !w.secure }

func startWebhook(ctx context.Context, s *site) (*process, error) {
	webhook, err := find("webhook")
	if err != nil {
		return nil, err
	}
	file := s.path("hooks.json")
	hooks := fmt.Sprintf(`[{
	"id": %q,
	"execute-command": "/bin/true",
	"trigger-rule": {"match": {"type": "payload-hmac-sha256", "secret": %q, "parameter": {"source": "header", "name": "X-Hub-Signature-256"}}},
	"trigger-rule-mismatch-http-response-code": 401
}]`, strings.TrimPrefix(callback, "/"), appSecret)
	if err := os.WriteFile(file, []byte(hooks), 0o600); err != nil {
		return nil, err
	}
	host, port, err := net.SplitHostPort(s.addr)
	if err != nil {
		return nil, err
	}
	return start(ctx, s.dir, nil, webhook, "-hooks", file, "-ip", host, "-port", port, "-urlprefix", "", "-http-methods", "POST")
}

// find returns the path of a program, which is in one of the places or on the
// path.
func find(name string, places ...string) (string, error) {
	for _, place := range places {
		if _, err := os.Stat(place); err == nil {
			return place, nil
		}
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("%s: %w", name, errMissing)
	}
	return path, nil
}
