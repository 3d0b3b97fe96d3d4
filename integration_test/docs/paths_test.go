package docs

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/integration_test/harness"
	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/freeport"
)

// spellings returns ways to write a path that some server, framework or file
// system takes for it, and ways around it.
func spellings(path string) []string {
	name := strings.TrimPrefix(path, "/")
	encoded := func(i int) string { return fmt.Sprintf("/%s%%%02x%s", name[:i], name[i], name[i+1:]) }
	last := len(name) - 1
	return []string{
		path, path + "/", path + "//", "/" + path, "//" + path, path + "?x=1", path + "#x",
		"/." + path, "/x/.." + path, "/.." + path, path + "/.", path + "/..", path + "/../" + name, "/x/../../" + name,
		strings.ToUpper(path), "/" + strings.ToUpper(name[:1]) + name[1:], "/" + name[:last] + strings.ToUpper(name[last:]),
		encoded(0), encoded(last), strings.ToUpper(encoded(last)), "/%25" + encoded(0)[2:],
		path + "%2f", path + "%2F", "/%2f" + name, "/x/..%2f" + name, "/%2e" + path, "/x/%2e%2e" + path, "/%2e%2e" + path, "/%2e%2e%2f" + name,
		path + ";x=1", path + ";", "/;x=1" + path, "/x/..;" + path, "/;" + path, path + "%3bx=1", path + "/;x",
		path + "%00", path + "%00.css", path + "%20", path + "%09", path + "%0a", path + "+", path + "%c2%a0",
		path + ".", path + "%2e", path + ".json", path + ".php", path + "~", path + "%3fx=1", path + "%23x", path + "%252f",
		"/\\" + name, "/%5c" + name, path + "%5c", "/x%5c..%5c" + name, path + "/x", path + "x", "/x" + path,
		"/index.php" + path, "/%ef%bd%" + fmt.Sprintf("%02x", int(name[0]-'a')+0x81) + name[1:], "/%c1%" + fmt.Sprintf("%02x", name[0]|0x80) + name[1:],
		"/", "/x", "*", "//x.example" + path, "http://x.example" + path, "http://localhost" + path,
	}
}

// A layout is a Caddyfile of the documentation that runs on this machine.
type layout struct {
	page   string
	text   string
	config map[string]any
	host   string            // of the site
	paths  map[string]string // callbacks, and the secret of each
	signs  bool
}

type object = map[string]any

// each calls f for all objects in a configuration.
func each(v any, f func(object)) {
	switch v := v.(type) {
	case object:
		f(v)
		for _, child := range v {
			each(child, f)
		}
	case []any:
		for _, child := range v {
			each(child, f)
		}
	}
}

// texts returns the texts in a list.
func texts(list any) (all []string) {
	for _, text := range list.([]any) {
		all = append(all, text.(string))
	}
	return all
}

// newLayout moves a configuration to this machine: its one server with a
// handler to a port, over plain HTTP, and every app to u. What it routes stays
// as it is. It returns nil if no handler is in it.
func newLayout(t *testing.T, b block, config []byte, port int, u *harness.Upstream) *layout {
	t.Helper()
	l := &layout{page: b.page, text: b.text, host: "localhost", paths: make(map[string]string)}
	all := harness.Decode[object](t, string(config))
	var server object
	if http, ok := all["apps"].(object)["http"].(object); ok {
		for _, s := range http["servers"].(object) {
			if harness.FindHandler(s) != nil {
				server = s.(object)
			}
		}
	}
	if server == nil {
		return nil
	}
	for _, option := range []string{"tls_connection_policies", "logs"} {
		delete(server, option)
	}
	server["listen"] = []string{fmt.Sprintf("127.0.0.1:%d", port)}
	server["automatic_https"] = object{"disable": true}
	dir := harness.StoreDir(t)
	each(server, func(o object) {
		if hosts, ok := o["host"]; ok {
			l.host = texts(hosts)[0]
		}
		switch o["handler"] {
		case "reverse_proxy":
			o["upstreams"] = []any{object{"dial": u.Addr}}
			for _, option := range []string{"transport", "health_checks", "load_balancing"} {
				delete(o, option)
			}
		case "meta_webhook":
			delete(o, "client_cert")
			delete(o, "store")
			if o["destinations"] != nil {
				o["store"] = object{"module": "file", "path": filepath.Join(dir, fmt.Sprint(o["name"]))}
			}
			l.signs = l.signs || o["sign"] != nil
		}
	})
	each(server, func(o object) { // routes, of which the innermost has the path last
		handler := harness.FindHandler(o["handle"])
		matches, _ := o["match"].([]any)
		for _, match := range matches {
			if paths, ok := match.(object)["path"]; ok && handler != nil {
				for _, path := range texts(paths) {
					l.paths[strings.TrimSuffix(path, "*")] = secretOf(handler)
				}
			}
		}
	})
	if len(l.paths) == 0 {
		l.paths[harness.Callback] = secretOf(harness.FindHandler(server))
	}
	l.config = object{
		"admin":   object{"disabled": true, "config": object{"persist": false}},
		"storage": object{"module": "file_system", "root": dir},
		"apps":    object{"http": object{"grace_period": "1s", "servers": object{"layout": server}}},
	}
	return l
}

// secretOf returns the first app secret of a handler.
func secretOf(handler object) string {
	secret := texts(handler["app_secret"])[0]
	return strings.TrimSuffix(caddy.NewReplacer().ReplaceAll(secret, ""), "\n")
}

// ask sends a POST whose target is written as it is, and returns the status, or
// 0 if there is no answer.
func (l *layout) ask(t *testing.T, port int, target, body string, headers ...string) int {
	t.Helper()
	conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%s\r\n\r\n%s",
		target, l.host, len(body), strings.Join(append(headers, "X-Test: 1"), "\r\n"), body)
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0
	}
	_ = res.Body.Close()
	return res.StatusCode
}

// TestNoSpellingOfAPathLeadsAroundTheHandler sends forged events to every
// Caddyfile of the documentation, by paths that an app may take for its own.
// None may reach the app, unless the gateway signs, and then none may look as
// if the gateway had.
func TestNoSpellingOfAPathLeadsAroundTheHandler(t *testing.T) {
	blocks := pageBlocks(t, allPages, "caddyfile")
	for _, file := range pageFiles(t, "example*.Caddyfile examples/*/Caddyfile") {
		blocks = append(blocks, block{file, "caddyfile", harness.ReadFile(t, file)})
	}
	here := furnish(t, blocks)
	u := harness.NewUpstream(t, nil)
	t.Cleanup(func() { _ = caddy.Stop() })
	tried := 0
	for _, b := range blocks {
		adapted, err := harness.Adapt(here.Replace(b.text))
		if err != nil {
			t.Errorf("%s: got error %v, want none for\n%s", b.page, err, b.text)
			continue
		}
		port := freeport.Of(t) // the last one may take connections for a moment more
		l := newLayout(t, b, adapted, port, u)
		if l == nil {
			continue
		}
		tried++
		if err := caddy.Load(harness.Must(json.Marshal(l.config)), true); err != nil {
			t.Errorf("%s: got error %v, want none for\n%s", b.page, err, b.text)
			continue
		}
		u.Forget()
		l.wantGuarded(t, port, u)
	}
	if tried < 20 {
		t.Errorf("got %d layouts, want more", tried)
	}
}

// wantGuarded tries the spellings of each callback.
func (l *layout) wantGuarded(t *testing.T, port int, u *harness.Upstream) {
	t.Helper()
	const forged = `{"object":"page","entry":[{"id":"1","time":1,"changes":[{"field":"feed","value":{"item":"forged"}}]}]}`
	for path, secret := range l.paths {
		var through []string
		try := func(target string, headers ...string) {
			u.Forget()
			l.ask(t, port, target, forged, append(headers, "Webhook-Id: 1")...)
			for _, r := range u.Requests() {
				if !strings.Contains(r.Body, "forged") {
					continue // an authentic event, delivered afterwards
				}
				through = append(through, target)
				if l.signs && harness.CheckSignature(t, harness.NewSecret, r.Body, r.Header) == nil {
					t.Errorf("%s: got a forged event with the gateway's signature by %s", l.page, target)
				}
			}
		}
		for _, target := range spellings(path) {
			try(target)
		}
		for _, header := range []string{"X-Original-URL", "X-Rewrite-URL", "X-Forwarded-Prefix", "X-Forwarded-Uri"} {
			try("/x", header+": "+path)
		}
		if !l.signs && len(through) > 0 {
			t.Errorf("%s: got forged events at the app by %d spellings of %s, want none:\n%q\n%s", l.page, len(through), path, slices.Compact(through), l.text)
		}
		// it is the gateway that all of them were sent to
		body := string(harness.WhatsApp([]string{"wamid." + l.page}, nil))
		got := l.ask(t, port, path, body, harness.SignatureHeader+": "+harness.Sign(secret, []byte(body)))
		if !slices.Contains([]int{200, 502, 503}, got) {
			t.Errorf("%s: got answer %d to an authentic notification at %s, want one of the gateway\n%s", l.page, got, path, l.text)
		}
	}
}
