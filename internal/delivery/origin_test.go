package delivery

import (
	"bufio"
	"net/http"
	"strings"
	"testing"
)

// targets are targets that a server takes, of requests for anything.
var targets = []string{
	"/webhooks", "/webhooks?a=1&b=%zz#c", "//elsewhere.example/webhooks", "//[::1/x", "///x", "/a:b", "/%2f%2e?", "/?", "*",
	"http://elsewhere.example/webhooks", "http://user:password@elsewhere.example:80/a?b", "mailto:a", "A:\xbf", "A://\x86", "/\xff?\xff", "/a;b,c//d/../e",
}

// TestOriginsAreStoredAsTheyCame has the URL that a destination's handlers see
// be the one that the handlers behind the gateway see inline.
func TestOriginsAreStoredAsTheyCame(t *testing.T) {
	for _, target := range targets {
		wantSameOrigin(t, target, "Meta", "sha256=00")
	}
}

// FuzzOrigin has clients send any target, user agent and signature.
func FuzzOrigin(f *testing.F) {
	for _, target := range targets {
		f.Add(target, "facebookplatform/1.0 (+http://developers.facebook.com)", "sha256=00")
	}
	f.Add("/", "\xff\"\\<>&", "")
	f.Fuzz(wantSameOrigin)
}

func wantSameOrigin(t *testing.T, target, agent, signature string) {
	t.Helper()
	text := "POST " + target + " HTTP/1.1\r\nHost: gateway.example\r\nUser-Agent: " + agent + "\r\n" + signatureHeader + ": " + signature + "\r\n\r\n"
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text)))
	if err != nil {
		return
	}
	o := OriginOf(r)
	stored := o.encode(r.Header[signatureHeader])
	got, signed, err := decodeOrigin(stored)
	if err != nil {
		t.Fatalf("%q: got error %v, want what was stored", target, err)
	}
	valid := func(s string) string { return string([]rune(s)) } // as JSON has it
	if got.URL.Path != o.URL.Path || got.URL.Host != o.URL.Host || got.URL.Opaque != valid(o.URL.Opaque) || got.URL.RawQuery != valid(o.URL.RawQuery) {
		t.Errorf("%q: got the URL %#v, want %#v", target, got.URL, o.URL)
	}
	if got.Host != valid(o.Host) || got.RequestURI != valid(o.RequestURI) || len(signed) != len(r.Header[signatureHeader]) || len(got.Header) != len(o.Header) {
		t.Errorf("%q: got %+v signed %q, want %+v", target, got, signed, o)
	}
	if shown := string(ShownOrigin(stored)); strings.Contains(shown, "signature\":") || shown == "" {
		t.Errorf("%q: got %s shown, want no signature", target, shown)
	}
}
