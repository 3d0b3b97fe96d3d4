package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/caddyfile"
)

// caddies are the contenders that are Caddy. The first is what the others are
// compared with: what is left without the plugin. Where a request must not
// pass, that is a Caddy which refuses it as soon as it has read the body.
func caddies() []*contender {
	return []*contender{
		caddyContender("proxy", "Caddy, reverse_proxy", caddyConfig{}, notForged, forwardsAll),
		caddyContender("respond", "Caddy, respond 401 after reading the body", caddyConfig{directives: "vars body {http.request.body}\nrespond 401"}, onlyForged, nil),
		caddyContender("respond-unread", "Caddy, respond 401", caddyConfig{directives: "respond 401"}, onlyForged, nil),
		caddyContender("error", "Caddy, error 401 after reading the body", caddyConfig{directives: "vars body {http.request.body}\nerror 401"}, onlyForged, nil),
		caddyContender("proxy-metrics", "Caddy, reverse_proxy, with metrics", caddyConfig{global: "metrics"}, notForged, forwardsAll),
		pluginContender("each", "memory", false, forwardsEach),
		pluginContender("each", "memory", true, forwardsEach),
		pluginContender("each", "file", false, forwardsEach),
		pluginContender("batch", "memory", false, forwardsNew),
		pluginContender("batch", "file", false, forwardsNew),
		pluginContender("original", "memory", false, forwardsNew),
		pluginContender("original", "file", false, forwardsNew),
		storedContender("stored-each", "each", false),
		storedContender("stored-batch", "batch 100", true),
		storedContender("stored-batch-wait", "batch 100 5ms", true),
	}
}

func caddyContender(name, what string, config caddyConfig, takesPart func(*workload) bool, forwards func(*workload, int, int) int) *contender {
	return &contender{name: name, what: what, isCaddy: true, takesPart: takesPart, forwards: forwards, start: func(ctx context.Context, s *site) (*process, error) {
		return startCaddy(ctx, s, config)
	}}
}

// pluginContender is the plugin before a proxy, which sends header and body at
// once if it is buffered.
func pluginContender(deliver, store string, buffered bool, forwards func(*workload, int, int) int) *contender {
	name, what, proxy := deliver+"-"+store, fmt.Sprintf("this plugin, deliver %s, store %s, with metrics", deliver, store), ""
	if buffered {
		name, what, proxy = name+"-buffered", what+", reverse_proxy with request_buffers", "request_buffers 4MB"
	}
	return &contender{
		name:      name,
		what:      what,
		isCaddy:   true,
		takesPart: always,
		forwards:  forwards,
		start: func(ctx context.Context, s *site) (*process, error) {
			options := "deliver " + deliver + "\n"
			if store == "file" {
				options += storeFile(s)
			}
			return startCaddy(ctx, s, caddyConfig{global: "metrics", directives: plugin(s, options), proxy: proxy})
		},
	}
}

// storedContender is the plugin with a destination: it answers when the events
// are on the disk, and delivers them afterwards.
func storedContender(name, deliver string, gathers bool) *contender {
	return &contender{
		name:      name,
		what:      fmt.Sprintf("this plugin, store file, a destination with deliver %s, with metrics", deliver),
		isCaddy:   true,
		takesPart: authentic,
		forwards:  forwardsEach,
		gathers:   gathers,
		start: func(ctx context.Context, s *site) (*process, error) {
			options := storeFile(s) + fmt.Sprintf("destination app {\ndeliver %s\nreverse_proxy %s\n}\n", deliver, s.upstream)
			return startCaddy(ctx, s, caddyConfig{global: "metrics", directives: plugin(s, options), noProxy: true})
		},
	}
}

func storeFile(s *site) string { return fmt.Sprintf("store file {\npath %s\n}\n", s.path("stored")) }

// plugin returns the plugin's directive with options.
func plugin(s *site, options string) string {
	if s.workload.secure {
		options += "client_cert\n"
	}
	return fmt.Sprintf("meta_webhook %s {\nverify_token %s\napp_secret %s\n%s}", callback, token, appSecret, options)
}

// A caddyConfig is what one contender's configuration has that another's has not.
type caddyConfig struct {
	global     string // options
	directives string // of the site, before the proxy
	proxy      string // options of the proxy
	noProxy    bool   // there is none
}

// startCaddy runs Caddy with a site of the directives, and a proxy behind these
// unless there is to be none.
func startCaddy(ctx context.Context, s *site, c caddyConfig) (*process, error) {
	scheme, tls := "http", ""
	if s.workload.secure {
		scheme = "https"
		tls = fmt.Sprintf("tls %s %s {\nclient_auth {\nmode require_and_verify\ntrust_pool file %s\n}\n}\n", s.certs.cert, s.certs.key, s.certs.ca)
	}
	_, port, err := net.SplitHostPort(s.addr)
	if err != nil {
		return nil, err
	}
	proxy := fmt.Sprintf("reverse_proxy %s {\n%s\n}", s.upstream, c.proxy)
	if c.noProxy {
		proxy = ""
	}
	config := caddyfile.Global(s.admin, s.path("storage"), "servers {", "protocols h1 h2", "}", c.global) +
		caddyfile.Site(fmt.Sprintf("%s://%s:%s", scheme, serverName, port), tls, c.directives, proxy)
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
