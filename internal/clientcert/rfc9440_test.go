package clientcert

import (
	"encoding/base64"
	"encoding/pem"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/certs"
)

// byteSequence writes a certificate as RFC 9440 has it.
func byteSequence(c *certs.Cert) string {
	return ":" + base64.StdEncoding.EncodeToString(c.Raw) + ":"
}

func TestParseChain(t *testing.T) {
	root := certs.SelfSigned("Root", certs.Authority)
	middle := root.Issue("Intermediate", certs.Authority)
	leaf := middle.Issue(name)
	l, m, r := byteSequence(leaf), byteSequence(middle), byteSequence(root)
	block := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf.Raw}))
	// a certificate whose Base64 ends in one padding character at least
	padded := leaf
	for len(padded.Raw)%3 == 0 {
		padded = middle.Issue(name)
	}
	p := byteSequence(padded)
	end := strings.IndexByte(p, '=') - 1
	bits := p[:end] + string(p[end]+1) + p[end+1:] // the bits that padding leaves over are zero otherwise
	joined := ":" + base64.StdEncoding.EncodeToString(slices.Concat(leaf.Raw, middle.Raw)) + ":"

	for _, tc := range []struct {
		name        string
		cert, chain string
		want        []*certs.Cert
	}{
		{"the certificate alone", l, "", []*certs.Cert{leaf}},
		{"with its intermediate", l, m, []*certs.Cert{leaf, middle}},
		{"with the root", l, m + ", " + r, []*certs.Cert{leaf, middle, root}},
		{"without spaces", l, m + "," + r, []*certs.Cert{leaf, middle, root}},
		{"with tabs", l, m + "\t,\t" + r, []*certs.Cert{leaf, middle, root}},
		{"as many as may be", l, strings.Repeat(m+",", maxIntermediates-1) + m, nil},
	} {
		got, err := ParseChain(tc.cert, tc.chain)
		if err != nil || tc.want != nil && len(got) != len(tc.want) {
			t.Errorf("%s: got %d certificates and error %v, want %d", tc.name, len(got), err, len(tc.want))
			continue
		}
		for i, want := range tc.want {
			if !got[i].Equal(want.Certificate) {
				t.Errorf("%s: got %s in place %d, want %s", tc.name, got[i].Subject, i, want.Subject)
			}
		}
	}
	for _, tc := range []struct{ name, cert, chain string }{
		{"nothing", "", ""},
		{"a colon", ":", ""},
		{"an empty sequence", "::", ""},
		{"no colons", strings.Trim(l, ":"), ""},
		{"one colon", l[1:], ""},
		{"the other colon", l[:len(l)-1], ""},
		{"a parameter", l + ";a=1", ""},
		{"a space before it", " " + l, ""},
		{"a list", l + ", " + m, ""},
		{"two in one", joined, ""},
		{"without padding", strings.ReplaceAll(p, "=", ""), ""},
		{"something in the padding", bits, ""},
		{"too much padding", strings.Replace(p, "=", "===", 1), ""},
		{"a line break", l[:20] + "\n" + l[20:], ""},
		{"a space in it", l[:20] + " " + l[20:], ""},
		{"for URLs", ":" + base64.URLEncoding.EncodeToString(leaf.Raw) + ":", ""},
		{"PEM", block, ""},
		{"escaped PEM", url.QueryEscape(block), ""},
		{"PEM between colons", ":" + base64.StdEncoding.EncodeToString([]byte(block)) + ":", ""},
		{"cut off", ":" + base64.StdEncoding.EncodeToString(leaf.Raw[:len(leaf.Raw)-1]) + ":", ""},
		{"something behind it", ":" + base64.StdEncoding.EncodeToString(slices.Concat(leaf.Raw, []byte{0})) + ":", ""},
		{"a string", `"` + strings.Trim(l, ":") + `"`, ""},
		{"a subject", "CN=" + name, ""},
		{"a bad intermediate", l, ":AAAA:"},
		{"a comma behind the chain", l, m + ","},
		{"a comma before the chain", l, "," + m},
		{"spaces for a chain", l, " "},
		{"a chain in parentheses", l, "(" + m + ")"},
		{"too many", l, strings.Repeat(m+",", maxIntermediates) + m},
	} {
		if got, err := ParseChain(tc.cert, tc.chain); err != ErrMalformed || got != nil {
			t.Errorf("%s: got %d certificates and error %v, want %v", tc.name, len(got), err, ErrMalformed)
		}
	}
}
