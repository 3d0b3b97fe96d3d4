package clientcert

import (
	"slices"
	"testing"
)

// A subject is a header and the common names in it, or none and an error.
type subject struct {
	header string
	want   []string
}

func testSubjects(t *testing.T, accepted []subject, refused []string) {
	t.Helper()
	for _, tc := range accepted {
		if got, err := SubjectCommonNames(tc.header); err != nil || !slices.Equal(got, tc.want) {
			t.Errorf("%s: got %q and error %v, want %q", tc.header, got, err, tc.want)
		}
	}
	for _, header := range refused {
		if got, err := SubjectCommonNames(header); err != ErrMalformed || got != nil {
			t.Errorf("%s: got %q and error %v, want %v", header, got, err, ErrMalformed)
		}
	}
}

func TestSubjectOfRFC4514(t *testing.T) {
	testSubjects(t, []subject{
		{"CN=" + name, []string{name}},
		{"CN=" + name + `,O=Meta Platforms\, Inc.,L=Menlo Park,ST=California,C=US`, []string{name}}, // as of nginx and HAProxy
		{"CN=a,O=Meta,C=US", []string{"a"}},
		{"C=US,O=Meta,CN=a", []string{"a"}},
		{"cn=a", []string{"a"}},
		{"commonName=a", []string{"a"}},
		{"2.5.4.3=a", []string{"a"}},
		{"O=x+CN=a,C=US", []string{"a"}},
		{"CN=a,CN=b", []string{"a", "b"}},
		{"CN=a+2.5.4.3=b", []string{"a", "b"}},
		{"CN=a,commonName=b", []string{"a", "b"}},
		{"CN=", []string{""}},
		{"O=Meta", nil},
		{`O=x\,CN=a`, nil},
		{`O=x\2CCN=a`, nil},
		{`O=x\2ccn=a,CN=b`, []string{"b"}},
		{`CN=a\00`, []string{"a\x00"}},
		{`CN=\ a\ `, []string{" a "}},
		{`CN=\#a`, []string{"#a"}},
		{`CN=a=b`, []string{"a=b"}},
		{`CN=a/O=b`, []string{"a/O=b"}},
		{`CN=\"a\"\+\;\<\>\\`, []string{`"a"+;<>\`}},
		{`CN=Lu\C4\8Di\C4\87`, []string{"Lučić"}},
		{"CN=Lučić", []string{"Lučić"}},
		{"XCN=a,CN-X=b,OU2=c", nil},
	}, []string{
		"", "CN", "a", "=a", "CN=a,", "CN=a+", ",CN=a", "CN=a,,O=b", " CN=a", "CN =a", "CN= a", "CN=a ", "CN=a ,O=b",
		`CN="a"`, `O="x,CN=a"`, "CN=a;O=b", "CN=<a>", "CN=a\x00", `CN=a\`, `CN=a\0`, `CN=a\zz`, `CN=\FF`, "CN=\xff",
		"2.5.4.=a", ".2=a", "2..5=a", "-CN=a", "C_N=a", "Common Name=a", "ÇN=a", "OID.2.5.4.3=a",
		"Subject%3D%22CN%3Da%22", // of Traefik
		"-----BEGIN%20CERTIFICATE-----",
	})
}

func TestSubjectOfRFC4514WithSpaces(t *testing.T) {
	testSubjects(t, []subject{
		{"CN=a, O=Meta, C=US", []string{"a"}},
		{"C=US, O=Meta, CN=a", []string{"a"}},
		{`CN=a, O=Meta Platforms\, Inc.`, []string{"a"}},
		{`O=x\, CN=a, C=US`, nil},
		{"C=US, O=x+CN=a", []string{"a"}},
	}, []string{
		"CN=a, O=b,C=US", "CN=a,O=b, C=US", // a value with a comma that was not escaped, perhaps
		"CN=a,O=Meta Platforms, Inc.", "CN=a, O=Meta Platforms, Inc.", `CN=a, O="Meta Platforms, Inc."`,
		"CN=a,  O=b", "CN=a ,O=b", "CN=a , O=b", "CN=a,\tO=b", "CN=a, ", "C = US, CN = a", "O=x + CN=a", "O=x+ CN=a",
		"CN=a, CN=b", "CN=a, O=b, CN=a", // the lines of a repeated header, perhaps
	})
}

func TestSubjectWithAValueInHexadecimalForm(t *testing.T) {
	testSubjects(t, []subject{
		{"2.5.4.3=#1321636c69656e742e776562686f6f6b732e6662636c69656e7463657274732e636f6d", []string{name}}, // a PrintableString
		{"CN=#0c0161", []string{"a"}},                            // a UTF8String
		{"CN=#0C0161,O=Meta", []string{"a"}},                     // the same
		{"CN=#160161", []string{"a"}},                            // an IA5String
		{"CN=#0c00", []string{""}},                               // an empty one
		{"CN=#0c02c48d", []string{"č"}},                          // of two bytes
		{"1.3.6.1.4.1.1466.0=#04024869,CN=a b", []string{"a b"}}, // an OCTET STRING, in another attribute
		{`CN=\#0c0161`, []string{"#0c0161"}},
	}, []string{
		"CN=#", "CN=#0", "CN=#0g", `CN=#04\0`, "O=#", "O=#0", `O=#0\34`,
		"CN=#0c0161 ", "CN=#0c0161,", "CN=#61",
		"CN=#040161",     // an OCTET STRING
		"CN=#1e020061",   // a BMPString
		"CN=#0c016100",   // something behind it
		"CN=#0c0261",     // cut off
		"CN=#0c810161",   // a length that is longer than it must be
		"CN=#2c030c0161", // in pieces
		"CN=#8c0161",     // another class
		"CN=#0c01ff",     // not UTF-8
		"CN=#130140",     // not printable, as that type has it
		"CN=#1601ff",     // not ASCII
		"CN=#30060c0161", // a sequence
	})
}

func TestSubjectOnOneLine(t *testing.T) {
	testSubjects(t, []subject{
		{"/CN=" + name, []string{name}},
		{"/C=US/ST=California/L=Menlo Park/O=Meta Platforms, Inc./CN=" + name, []string{name}}, // as of nginx and HAProxy
		{"/C=US/ST=California/O=Meta/CN=" + name, []string{name}},
		{"/O=Müller/CN=a", []string{"a"}}, // as of HAProxy
		{`/O=a"b/CN=a`, []string{"a"}},
		{"/O=/CN=a", []string{"a"}},
		{"/CN=", []string{""}},
		{"/O=Meta", nil},
		{"/O=Meta, CN=a", nil},
		{"/O=x,CN=a/CN=b", []string{"b"}},
		{"/CN=a,O=b", []string{"a,O=b"}},
		{"/CN=evil.example/CN=" + name, []string{"evil.example", name}},
		{"/O=x/CN=" + name + "/CN=evil.example", []string{name, "evil.example"}}, // with a slash in O
		{"/cn=a/2.5.4.3=b/commonName=c", []string{"a", "b", "c"}},
	}, []string{
		"/", "//", "/CN", "/=a", "/a", "/CN=a/", "//CN=a", "/C=US//CN=a", "/C US=a/CN=b",
		"/O=AC/DC/CN=a", "/O=http://x/CN=a", // a slash in a value
		"/CN=" + name + "/O=x", // of the common name "…/O=x", perhaps
		`/O=x\/CN=a`,           // of O "x/CN=a", or of O "x\" and CN "a"
		`/O=M\xC3\xBCller/CN=a`, `/CN=a\x00`,
		"/O=Meta+CN=a", "/CN=a+O=Meta", "/O=A+B/CN=a", // two attributes, or one value
		"/O=x/CN=\xff", "/O=x/CN=a\x00", "/O=x\x7f/CN=a", "/O=x\n/CN=a",
		"/CN=a, /CN=b/O=c",
	})
}

func TestSubjectOfEnvoy(t *testing.T) {
	const by, hash, uri = "By=http://frontend.lyft.com", "Hash=468ed33be74eee6556d90c0149c1309e9ba61d6425303443c0748a02dd8de688", "URI=http://testclient.lyft.com"
	testSubjects(t, []subject{
		// the examples of Envoy's documentation
		{by + ";" + hash + `;Subject="/C=US/ST=CA/L=San Francisco/OU=Lyft/CN=Test Client";` + uri, []string{"Test Client"}},
		{by + ";" + hash + `;Subject="/C=US/ST=CA/L=San Francisco/OU=Lyft/CN=Test Client";` + uri + ";DNS=lyft.com;DNS=www.lyft.com", []string{"Test Client"}},
		{hash + `;Subject="CN=` + name + `,O=Meta Platforms\, Inc.,C=US";URI=`, []string{name}},                                                // as Envoy has written subjects since
		{`By=spiffe://cluster.local/ns/default/sa/app;` + hash + `;Subject="CN=a";URI=spiffe://cluster.local/ns/default/sa/in`, []string{"a"}}, // of Istio
		{`Subject="CN=a,O=Meta"`, []string{"a"}},
		{`subject="CN=a"`, []string{"a"}},
		{`HASH=1;SUBJECT="CN=a"`, []string{"a"}},
		{hash + `;Cert="-----BEGIN%20CERTIFICATE-----%0AMIIB;Subject=";Chain="x,y";Subject="CN=a"`, []string{"a"}},
		{`Subject="CN=a,CN=b"`, []string{"a", "b"}},
		{`Subject="O=x\\y,CN=a"`, []string{"a"}},
		{`Subject="O=x\,CN=a"`, nil},
		{`Subject=""`, nil},
	}, []string{
		hash, hash + ";" + uri, // no subject
		hash + `;Subject="CN=a",` + hash + `;Subject="CN=a"`, `Subject="CN=a",Subject="CN=b"`, `Subject="CN=a",By=x`, hash + "," + hash, // two proxies
		`Subject="CN=a";Subject="CN=b"`, `Subject="CN=a";Hash=1;subject="CN=a"`,
		`Subject=CN\=a`, `Subject=CN=a`, `Subject=a`, `Subject=`, `Subject`,
		`Subject="CN=a`, `Subject="CN=a"x`, `Subject="CN=a" `, `Subject="CN=a";`, `Subject="CN=a";;Hash=1`, `;Subject="CN=a"`, ` Subject="CN=a"`, `Subject ="CN=a"`, `Subject= "CN=a"`,
		`Subject="CN=a";Other=1`, `Other=1;Subject="CN=a"`, `Hash=1;Other="x;y";Subject="CN=a"`,
		`Subject="CN=\"a\""`, `Subject="O=x\\";URI=";CN=a"`, // which quote ends the value?
		`Subject="O=x\";URI=x,CN=a"`,
		hash + `;URI=x;Subject="CN=a"`, hash + `;DNS=x;Subject="CN=a"`, // written by the client itself, as an alternative name
		hash + `;Subject="O=x";URI=y;Subject="CN=a"`,
		`By=a,b;Subject="CN=a"`, `By=a=b;Subject="CN=a"`, `By=a"b;Subject="CN=a"`,
		`Subject="CN=a, CN=b"`, `Subject="CN=a,"`, `Subject="/O=x\/CN=a"`, `Subject="a"`,
		`Hash=1,CN=a`, `URI=x,CN=a`, `DNS=a`,
	})
}
