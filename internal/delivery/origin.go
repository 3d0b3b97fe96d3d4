package delivery

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// An Origin is what the requests that are made of a notification take from
// the request that brought it. Everything else in that is not to be believed:
// the HMAC covers the body alone.
type Origin struct {
	URL        url.URL
	RequestURI string
	Host       string
	RemoteAddr string
	Proto      string
	ProtoMajor int
	ProtoMinor int
	Header     http.Header // what may pass
	TLS        *tls.ConnectionState
	Trace      string // of the notification, see observe.Observer.Trace
}

// passing are the headers that pass; forwarded are those that pass from
// trusted proxies.
var (
	passing   = []string{"User-Agent", "Traceparent", "Tracestate"}
	forwarded = []string{"X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host"}
)

// OriginOf returns the origin of what a request brought.
func OriginOf(r *http.Request) *Origin {
	o := &Origin{
		URL:        *r.URL,
		RequestURI: r.RequestURI,
		Host:       r.Host,
		RemoteAddr: r.RemoteAddr,
		Proto:      r.Proto,
		ProtoMajor: r.ProtoMajor,
		ProtoMinor: r.ProtoMinor,
		Header:     make(http.Header, len(passing)),
		TLS:        r.TLS,
	}
	o.pass(r.Header, passing)
	if trusted, _ := caddyhttp.GetVar(r.Context(), caddyhttp.TrustedProxyVarKey).(bool); trusted {
		o.pass(r.Header, forwarded)
	}
	return o
}

func (o *Origin) pass(from http.Header, names []string) {
	for _, name := range names {
		if values, ok := from[name]; ok {
			o.Header[name] = slices.Clone(values)
		}
	}
}

// A storedOrigin is an Origin as it is stored.
type storedOrigin struct {
	URL       string      `json:"url"`
	URI       string      `json:"uri"`
	Host      string      `json:"host,omitempty"`
	Remote    string      `json:"remote,omitempty"`
	Proto     string      `json:"proto,omitempty"`
	Header    http.Header `json:"header,omitempty"`
	Trace     string      `json:"trace,omitempty"`
	Signature []string    `json:"signature,omitempty"` // Meta's
}

// encode returns the origin as it is stored, with Meta's signature.
func (o *Origin) encode(signature []string) []byte {
	text, _ := json.Marshal(storedOrigin{o.URL.String(), o.RequestURI, o.Host, o.RemoteAddr, o.Proto, o.Header, o.Trace, signature}) // strings never fail
	return text
}

// decodeOrigin returns the origin that encode has stored, and the signature.
func decodeOrigin(stored []byte) (*Origin, []string, error) {
	var s storedOrigin
	if err := json.Unmarshal(stored, &s); err != nil {
		return nil, nil, errOrigin
	}
	// as a server reads it: what follows two slashes is a path
	u, err := url.ParseRequestURI(s.URL)
	if err != nil {
		u, err = url.Parse(s.URL) // handlers in front have made it one that no client can send
	}
	if err != nil {
		return nil, nil, errOrigin
	}
	o := &Origin{URL: *u, RequestURI: s.URI, Host: s.Host, RemoteAddr: s.Remote, Proto: s.Proto, Header: s.Header, Trace: s.Trace}
	o.ProtoMajor, o.ProtoMinor, _ = http.ParseHTTPVersion(s.Proto)
	return o, s.Signature, nil
}

// ShownOrigin returns a stored origin as people may see it: without Meta's
// signature.
func ShownOrigin(stored []byte) json.RawMessage {
	var s storedOrigin
	if json.Unmarshal(stored, &s) != nil {
		return nil
	}
	s.Signature = nil
	shown, _ := json.Marshal(s) // strings never fail
	return shown
}

var errOrigin = errors.New("the stored origin is damaged")
