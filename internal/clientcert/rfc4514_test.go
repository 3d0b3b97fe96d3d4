package clientcert

import (
	"crypto/x509/pkix"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestCommonNames(t *testing.T) {
	for _, tc := range []struct {
		name string
		want []string
	}{
		{"CN=client.webhooks.fbclientcerts.com", []string{"client.webhooks.fbclientcerts.com"}},
		{"CN=a,O=Meta,C=US", []string{"a"}},
		{"C=US,O=Meta,CN=a", []string{"a"}},
		{"cn=a", []string{"a"}},
		{"2.5.4.3=a", []string{"a"}},
		{"O=x+CN=a,C=US", []string{"a"}},
		{"CN=a,CN=b", []string{"a", "b"}},
		{"CN=a+2.5.4.3=b", []string{"a", "b"}},
		{"CN=", []string{""}},
		{"O=Meta", nil},
		{`O=x\,CN=a`, nil},
		{`O=x\2CCN=a`, nil},
		{`O=x\2ccn=a,CN=b`, []string{"b"}},
		{`CN=a\00`, []string{"a\x00"}},
		{`CN=\ a\ `, []string{" a "}},
		{`CN=\#a`, []string{"#a"}},
		{`CN=a=b`, []string{"a=b"}},
		{`CN=\"a\"\+\;\<\>\\`, []string{`"a"+;<>\`}},
		{`CN=Lu\C4\8Di\C4\87`, []string{"Lučić"}},
		{"CN=Lučić", []string{"Lučić"}},
		{"CN=#0c0161", []string{"#0c0161"}},
		{"1.3.6.1.4.1.1466.0=#04024869,CN=a b", []string{"a b"}},
		{"XCN=a,CN-X=b,OU2=c", nil},
	} {
		got, err := SubjectCommonNames(tc.name)
		if err != nil || !slices.Equal(got, tc.want) {
			t.Errorf("%s: got %q, %v; want %q", tc.name, got, err, tc.want)
		}
	}
}

func TestMalformedNames(t *testing.T) {
	for _, name := range []string{
		"", "CN", "a", "=a", "CN=a,", "CN=a+", ",CN=a", "CN=a,,O=b", "CN=a, O=b", " CN=a", "CN =a", "CN= a", "CN=a ", "CN=a ,O=b",
		`CN="a"`, `O="x,CN=a"`, "CN=a;O=b", "CN=<a>", "CN=a\x00", `CN=a\`, `CN=a\0`, `CN=a\zz`, `CN=\FF`, "CN=\xff", "/C=US/CN=a",
		"CN=#", "CN=#0", "CN=#0g", `CN=#04\0`, "2.5.4.=a", ".2=a", "2..5=a", "-CN=a", "C_N=a", "Common Name=a", "ÇN=a",
	} {
		if got, err := SubjectCommonNames(name); err == nil {
			t.Errorf("%q: got %q, want an error", name, got)
		}
	}
}

// What Go writes is what many proxies do.
func FuzzCommonNames(f *testing.F) {
	f.Add("client.webhooks.fbclientcerts.com", "Meta", "US", "CN=client.webhooks.fbclientcerts.com,O=Meta")
	f.Add("a,CN=b", `x\,CN=a`, "#", `O=x\,CN=a`)
	f.Add(" a ", "+CN=b", "\x00", `CN=\ a\00+OU=b`)
	f.Add("", "é", `"`, "2.5.4.3=#0c0161,CN=")
	f.Fuzz(func(t *testing.T, commonName, organization, country, name string) {
		if !utf8.ValidString(commonName) {
			return // of which Go writes something else
		}
		subject := pkix.Name{CommonName: commonName, Organization: []string{organization}, Country: []string{country}}
		written := subject.String()
		got, err := SubjectCommonNames(written)
		var want []string
		if commonName != "" {
			want = []string{commonName}
		}
		if err == nil && !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", written, got, want)
		}

		got, err = SubjectCommonNames(name)
		if err != nil && got != nil {
			t.Errorf("%q: got %q with an error", name, got)
		}
		if n := strings.Count(name, "="); len(got) > n {
			t.Errorf("%q: got %d common names of %d attributes", name, len(got), n)
		}
	})
}
