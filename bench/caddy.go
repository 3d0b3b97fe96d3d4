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
		caddyContender("proxy", "Caddy, reverse_proxy", caddyfile{}, notForged, forwardsAll),
		caddyContender("respond", "Caddy, respond 401 after reading the body", caddyfile{directives: "vars body {http.request.body}\nrespond 401"}, onlyForged, nil),
		caddyContender("respond-unread", "Caddy, respond 401", caddyfile{directives: "respond 401"}, onlyForged, nil),
		caddyContender("error", "Caddy, error 401 after reading the body", caddyfile{directives: "vars body {http.request.body}\nerror 401"}, onlyForged, nil),
		caddyContender("proxy-metrics", "Caddy, reverse_proxy, with metrics", caddyfile{global: "metrics"}, notForged, forwardsAll),
		pluginContender("each", "memory", forwardsEach),
		bufferedContender(),
		pluginContender("each", "file", forwardsEach),
		pluginContender("batch", "memory", forwardsNew),
		pluginContender("batch", "file", forwardsNew),
		pluginContender("original", "memory", forwardsNew),
		pluginContender("original", "file", forwardsNew),
	}
}

func caddyContender(name, what string, config caddyfile, takesPart func(*workload) bool, forwards func(*workload, int, int) int) *contender {
	return &contender{name: name, what: what, isCaddy: true, takesPart: takesPart, forwards: forwards, start: func(ctx context.Context, s *site) (*process, error) {
		return startCaddy(ctx, s, config)
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
			return startCaddy(ctx, s, caddyfile{global: "metrics", directives: plugin(s, deliver, dedup)})
		},
	}
}

// bufferedContender is the plugin before a proxy that sends header and body at
// once.
func bufferedContender() *contender {
	c := pluginContender("each", "memory", forwardsEach)
	c.name += "-buffered"
	c.what += ", reverse_proxy with request_buffers"
	c.start = func(ctx context.Context, s *site) (*process, error) {
		return startCaddy(ctx, s, caddyfile{global: "metrics", directives: plugin(s, "each", "memory"), proxy: "request_buffers 4MB"})
	}
	return c
}

// plugin returns the plugin's directive.
func plugin(s *site, deliver, dedup string) string {
	options := "deliver " + deliver + "\n"
	if dedup == "file" {
		options += fmt.Sprintf("dedup file {\npath %s\n}\n", s.path("delivered.db"))
	}
	if s.workload.secure {
		options += "client_cert\n"
	}
	return fmt.Sprintf("meta_webhook %s {\nverify_token %s\napp_secret %s\n%s}", callback, token, appSecret, options)
}

// A caddyfile is what one contender's configuration has that another's has not.
type caddyfile struct {
	global     string // options
	directives string // of the site, before the proxy
	proxy      string // options of the proxy
}

// startCaddy runs Caddy with a site of the directives, and behind these a
// proxy.
func startCaddy(ctx context.Context, s *site, c caddyfile) (*process, error) {
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
	reverse_proxy %s {
		%s
	}
}
`, s.admin, s.path("storage"), c.global, scheme, serverName, port, tls, c.directives, s.upstream, c.proxy)
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
