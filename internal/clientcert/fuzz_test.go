package clientcert

import (
	"crypto/x509/pkix"
	"encoding/base64"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/certs"
)

// wantNames parses what a proxy has written of a subject, and wants the names
// that the certificate has.
func wantNames(t *testing.T, header string, names []string) {
	t.Helper()
	got, err := SubjectCommonNames(header)
	slices.Sort(got)
	if err != nil || !slices.Equal(got, slices.Sorted(slices.Values(names))) {
		t.Errorf("%s: got %q and error %v, want %q", header, got, err, names)
	}
}

// wantNoOther parses what a proxy has written of a subject in a notation that
// cannot hold every one, and wants no name alone that the certificate does
// not have alone.
func wantNoOther(t *testing.T, header string, names []string) {
	t.Helper()
	got, err := SubjectCommonNames(header)
	if err == nil && len(got) == 1 && !slices.Equal(got, names) {
		t.Errorf("%s: got %q, want %q or an error", header, got, names)
	}
}

// wantPlausible wants what holds for whatever is in a header.
func wantPlausible(t *testing.T, header string) {
	t.Helper()
	got, err := SubjectCommonNames(header)
	if err != nil && (err != ErrMalformed || got != nil) {
		t.Errorf("%q: got %q with the error %v", header, got, err)
	}
	if n := strings.Count(header, "="); len(got) > n {
		t.Errorf("%q: got %d common names of %d attributes", header, len(got), n)
	}
	for _, name := range got {
		again := pkix.RDNSequence{{certs.CommonName(name)}}
		if !utf8.ValidString(name) {
			t.Errorf("%q: got %q, want UTF-8", header, name)
		}
		wantNames(t, openSSLName(again, ","), []string{name})
	}
}

// testRFC4514 parses what proxies write of a subject by RFC 4514.
func testRFC4514(t *testing.T, subject pkix.RDNSequence) {
	t.Helper()
	names := certificateNames(subject)
	wantNames(t, openSSLName(subject, ","), names)
	wantNames(t, join(subject, ",", "+", hexAttribute), names)
	wantNoOther(t, subject.String(), names) // Go's own, which leaves control characters as they are
	if spaced := openSSLName(subject, ", "); len(names) < 2 {
		wantNames(t, spaced, names)
	} else if got, err := SubjectCommonNames(spaced); err == nil {
		t.Errorf("%s: got %q, want an error", spaced, got)
	}
}

// testOneLine parses what proxies write of a subject on one line.
func testOneLine(t *testing.T, subject pkix.RDNSequence) {
	t.Helper()
	names := certificateNames(subject)
	wantNoOther(t, openSSLLine(subject, 3), names)
	if len(names) == 0 {
		return // without a name, a slash in a value passes for one
	}
	line := haproxyLine(subject)
	wantNoOther(t, openSSLLine(subject, 1), names)
	wantNoOther(t, line, names)
	last, attributes := subject[len(subject)-1], 0
	for _, part := range subject {
		attributes += len(part)
	}
	plain := strings.Count(line, "/") == attributes && !strings.ContainsAny(line, `\+`) && !strings.ContainsFunc(line, isControl)
	if plain && attributeName(last[len(last)-1]) == "CN" {
		wantNames(t, line, names)
	}
}

// testXFCC parses what Envoy writes of a subject, and of an alternative name.
func testXFCC(t *testing.T, subject pkix.RDNSequence, alternative string) {
	t.Helper()
	names := certificateNames(subject)
	text := openSSLName(subject, ",")
	header := `By=spiffe://gateway;Hash=0a1b;Subject="` + text + `"`
	wantNoOther(t, header+";URI="+alternative, names)
	wantNoOther(t, header+";URI=x;DNS="+alternative, names)
	if strings.Contains(text, `"`) || strings.HasSuffix(text, `\`) {
		wantNoOther(t, header, names)
		return
	}
	wantNames(t, header, names)
	if !strings.ContainsAny(alternative, `",;=`) {
		wantNames(t, header+";URI="+alternative, names)
	}
}

// TestProxiesNameWhomTheCertificateNames has proxies write random subjects,
// of what is special in one notation or another.
func TestProxiesNameWhomTheCertificateNames(t *testing.T) {
	words := []string{
		"a", name, "CN=", ",CN=a", ", CN=a", "/CN=a", "/O=a", "+CN=a", `",CN="a`, `";Subject="CN=a`, ",", "+", "=", "/", `\`, `"`, " ", "#", ";", "<", ">",
		"#0c0161", `\2C`, `\x2C`, `\,`, `\/`, "é", "\x00", "\x7f", "\t",
	}
	random := rand.New(rand.NewPCG(1, 2))
	value := func() string {
		var b strings.Builder
		for range random.IntN(5) {
			b.WriteString(words[random.IntN(len(words))])
		}
		return b.String()
	}
	accepted := make(map[string]int)
	for range 10000 {
		subject, ok := randomSubject(value(), value(), value(), byte(random.IntN(32)))
		if !ok {
			t.Fatal("got no subject of these words, want one")
		}
		testRFC4514(t, subject)
		testOneLine(t, subject)
		testXFCC(t, subject, value())
		for notation, header := range map[string]string{"one line": haproxyLine(subject), "Envoy": `Subject="` + openSSLName(subject, ",") + `"`} {
			if got, err := SubjectCommonNames(header); err == nil && len(got) == 1 {
				accepted[notation]++
			}
		}
	}
	if accepted["one line"] < 100 || accepted["Envoy"] < 500 {
		t.Errorf("got one common name of %v headers, want it of many, or the test says nothing", accepted)
	}
}

// The grammar of RFC 4514, but that a number may stand alone, and begin with 0.
var (
	rfc4514Part = `(?:([A-Za-z][A-Za-z0-9-]*|[0-9]+(?:\.[0-9]+)*)=(` +
		`#(?:[0-9A-Fa-f]{2})+|` +
		`(?:(?:[^ "#+,;<>\\\x00]|` + rfc4514Pair + `)(?:(?:[^"+,;<>\\\x00]|` + rfc4514Pair + `)*(?:[^ "+,;<>\\\x00]|` + rfc4514Pair + `))?)?` +
		`))`
	rfc4514Pair = `\\(?:[\\ "#=+,;<>]|[0-9A-Fa-f]{2})`
	rfc4514Name = regexp.MustCompile(`^` + rfc4514Part + `(?:[,+]` + rfc4514Part + `)*$`)
)

func FuzzRFC4514(f *testing.F) {
	f.Add(name, "Meta", "Meta Platforms, Inc.", byte(1), "CN="+name+",O=Meta")
	f.Add("a,CN=b", `x\,CN=a`, "#", byte(3), `O=x\,CN=a`)
	f.Add(" a ", "+CN=b", "\x00", byte(9), `CN=\ a\00+OU=b`)
	f.Add("", "é", `"`, byte(23), "2.5.4.3=#0c0161,CN=")
	f.Add("a", "b", "c", byte(7), "CN=a, O=b, C=US")
	f.Fuzz(func(t *testing.T, commonName, other, organization string, shape byte, header string) {
		if subject, ok := randomSubject(commonName, other, organization, shape); ok {
			testRFC4514(t, subject)
		}

		wantPlausible(t, header)
		_, err := rfc4514CommonNames(header)
		if err == nil && !strings.Contains(header, ", ") && !rfc4514Name.MatchString(header) {
			t.Errorf("%q: got no error, want one by the grammar of RFC 4514", header)
		}
		if err != nil && rfc4514Name.MatchString(header) && !strings.ContainsAny(header, `\#`) && utf8.ValidString(header) {
			t.Errorf("%q: got error %v, want none by the grammar of RFC 4514", header, err)
		}
	})
}

func FuzzOneLine(f *testing.F) {
	f.Add(name, "Meta", "Meta Platforms, Inc.", byte(1), "/C=US/O=Meta Platforms, Inc./CN="+name)
	f.Add("a/O=b", "x/CN=a", "/", byte(1), `/O=x\/CN=a`)
	f.Add("a", `x\`, "/CN=a", byte(3), "/CN=a/CN=b")
	f.Add("a", "+CN=b", "é\x00", byte(9), "/O=x+CN=a")
	f.Fuzz(func(t *testing.T, commonName, other, organization string, shape byte, header string) {
		if subject, ok := randomSubject(commonName, other, organization, shape); ok {
			testOneLine(t, subject)
		}

		wantPlausible(t, "/"+header)
	})
}

func FuzzXFCC(f *testing.F) {
	f.Add(name, "Meta", "Meta Platforms, Inc.", byte(1), "spiffe://a", `By=x;Hash=1;Subject="CN=a";URI=y;DNS=z`)
	f.Add(`a"`, `x\`, `";Subject="CN=a`, byte(1), `;Subject="CN=a"`, `Subject="CN=\"a\""`)
	f.Add("a", "b", "c", byte(3), `x,Subject="CN=a"`, `Subject="CN=a",Subject="CN=b"`)
	f.Fuzz(func(t *testing.T, commonName, other, organization string, shape byte, alternative, header string) {
		if subject, ok := randomSubject(commonName, other, organization, shape); ok {
			testXFCC(t, subject, alternative)
		}
		// Whatever the client has put into its certificate, without a subject.
		if got, err := SubjectCommonNames("Hash=0a1b;URI=" + alternative); err == nil {
			t.Errorf("%q: got %q of a header without a subject, want an error", alternative, got)
		}

		wantPlausible(t, header)
	})
}

func FuzzParseChain(f *testing.F) {
	root := certs.SelfSigned("Root", certs.Authority)
	leaf := byteSequence(root.Issue(name))
	f.Add(leaf, "")
	f.Add(leaf, byteSequence(root))
	f.Add(leaf, byteSequence(root)+", "+byteSequence(root))
	f.Add(leaf+";a=1", ":AAAA:")
	f.Fuzz(func(t *testing.T, cert, chain string) {
		got, err := ParseChain(cert, chain)
		if err != nil {
			if err != ErrMalformed || got != nil {
				t.Errorf("%q, %q: got %d certificates with the error %v", cert, chain, len(got), err)
			}
			return
		}
		written := make([]string, 0, len(got))
		for _, c := range got {
			written = append(written, ":"+base64.StdEncoding.EncodeToString(c.Raw)+":")
		}
		if written[0] != cert {
			t.Errorf("got %s, want %s", written[0], cert)
		}
		if got, want := strings.Join(written[1:], ","), strings.NewReplacer(" ", "", "\t", "").Replace(chain); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}
