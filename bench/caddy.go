package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
)

// caddies are the contenders that are Caddy. The first is what the others are
// compared with: what is left without the plugin. Where a request must not
// pass, that is a Caddy which refuses it as soon as it has read the body.
func caddies() []*contender {
	return []*contender{
		caddyContender("proxy", "Caddy, reverse_proxy", "", notForged, forwardsAll),
		caddyContender("respond", "Caddy, respond 401 after reading the body", "vars body {http.request.body}\nrespond 401", onlyForged, nil),
		caddyContender("respond-unread", "Caddy, respond 401", "respond 401", onlyForged, nil),
		caddyContender("error", "Caddy, error 401 after reading the body", "vars body {http.request.body}\nerror 401", onlyForged, nil),
		caddyContender("proxy-metrics", "Caddy, reverse_proxy, with metrics", withMetrics, notForged, forwardsAll),
		pluginContender("each", "memory", forwardsEach),
		pluginContender("each", "file", forwardsEach),
		pluginContender("batch", "memory", forwardsNew),
		pluginContender("batch", "file", forwardsNew),
		pluginContender("original", "memory", forwardsNew),
		pluginContender("original", "file", forwardsNew),
	}
}

// withMetrics stands for a site without directives of its own, but with
// Caddy's metrics.
const withMetrics = "# metrics"

func caddyContender(name, what, directives string, takesPart func(*workload) bool, forwards func(*workload, int, int) int) *contender {
	return &contender{name: name, what: what, isCaddy: true, takesPart: takesPart, forwards: forwards, start: func(ctx context.Context, s *site) (*process, error) {
		global := ""
		if directives == withMetrics {
			global = "metrics"
		}
		return startCaddy(ctx, s, global, directives)
	}}
}

func pluginContender(deliver, dedup string, forwards func(*workload, int, int) int) *contender {
	return &contender{
		name:      deliver + "-" + dedup,
		what:      fmt.Sprintf("this plugin, deliver %s, dedup %s, with metrics", deliver, dedup),
		isCaddy:   true,
		takesPart: always,
		forwards:  forwards,
		start: func(ctx context.Context, s *site) (*process, error) {
			options := "deliver " + deliver + "\n"
			if dedup == "file" {
				options += fmt.Sprintf("dedup file {\npath %s\n}\n", s.path("delivered.db"))
			}
			if s.workload.secure {
				options += "client_cert\n"
			}
			return startCaddy(ctx, s, "metrics", fmt.Sprintf("meta_webhook %s {\nverify_token %s\napp_secret %s\n%s}", callback, token, appSecret, options))
		},
	}
}

// startCaddy runs Caddy with a site of the given directives, and behind these
// a proxy.
func startCaddy(ctx context.Context, s *site, global, directives string) (*process, error) {
	scheme, tls := "http", ""
	if s.workload.secure {
		scheme = "https"
		tls = fmt.Sprintf("tls %s %s {\nclient_auth {\nmode require_and_verify\ntrust_pool file %s\n}\n}\n", s.certs.cert, s.certs.key, s.certs.ca)
	}
	_, port, err := net.SplitHostPort(s.addr)
	if err != nil {
		return nil, err
	}
	config := fmt.Sprintf(`{
	admin %s
	auto_https off
	persist_config off
	skip_install_trust
	default_bind 127.0.0.1
	storage file_system %s
	storage_check off
	storage_clean_interval off
	servers {
		protocols h1 h2
	}
	%s
}
%s://%s:%s {
	%s
	%s
	reverse_proxy %s
}
`, s.admin, s.path("storage"), global, scheme, serverName, port, tls, directives, s.upstream)
	file := s.path("Caddyfile")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return nil, err
	}
	env := []string{"XDG_DATA_HOME=" + s.dir, "XDG_CONFIG_HOME=" + s.dir, "HOME=" + s.dir}
	caddy, err := filepath.Abs(s.caddy)
	if err != nil {
		return nil, err
	}
	return start(ctx, s.dir, env, caddy, "run", "--config", file, "--adapter", "caddyfile")
}
