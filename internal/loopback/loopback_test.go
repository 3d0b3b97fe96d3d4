package loopback

import "testing"

func TestIs(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost":             true,
		"LocalHost":             true,
		"shop.localhost":        false,
		"127.0.0.1":             true,
		"127.8.9.10":            true,
		"::1":                   true,
		"::ffff:127.0.0.1":      true,
		"":                      false,
		"0.0.0.0":               false,
		"10.0.0.1":              false,
		"::":                    false,
		"notlocalhost":          false,
		"localhost.example.com": false,
		"127.0.0.1.example.com": false,
		"webhooks.example.com":  false,
		"::ffff:10.0.0.1":       false,
		"0177.0.0.1":            false,
		"2130706433":            false,
	} {
		if got := Is(host); got != want {
			t.Errorf("%q: got %t, want %t", host, got, want)
		}
	}
}
