package clientcert

import (
	"crypto/x509"
	"slices"
	"testing"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/certs"
)

const name = "client.webhooks.fbclientcerts.com"

func TestChainHasToLeadToThePool(t *testing.T) {
	root := certs.SelfSigned("Root", certs.Authority)
	middle := root.Issue("Intermediate", certs.Authority)
	oldMiddle := root.Issue("Old Intermediate", certs.Authority, certs.Expired)
	otherRoot := certs.SelfSigned("Root", certs.Authority)
	right := middle.Issue(name)
	for _, tc := range []struct {
		name  string
		chain []*certs.Cert
		pool  *x509.CertPool
		want  error
	}{
		{"right", []*certs.Cert{right, middle}, certs.Pool(root), nil},
		{"right, with the root", []*certs.Cert{right, middle, root}, certs.Pool(root), nil},
		{"right, of the root itself", []*certs.Cert{root.Issue(name)}, certs.Pool(root), nil},
		{"the intermediate as the anchor", []*certs.Cert{right}, certs.Pool(middle), nil},
		{"intermediate missing", []*certs.Cert{right}, certs.Pool(root), ErrAuthority},
		{"another authority of the same name", []*certs.Cert{right, middle}, certs.Pool(otherRoot), ErrAuthority},
		{"no pool", []*certs.Cert{right, middle}, nil, ErrAuthority},
		{"no authority", []*certs.Cert{right, middle}, certs.Pool(), ErrAuthority},
		{"self-signed", []*certs.Cert{certs.SelfSigned(name)}, certs.Pool(root), ErrAuthority},
		{"issued by a leaf", []*certs.Cert{middle.Issue("leaf").Issue(name), middle}, certs.Pool(root), ErrAuthority},
		{"expired", []*certs.Cert{middle.Issue(name, certs.Expired), middle}, certs.Pool(root), ErrExpired},
		{"not yet valid", []*certs.Cert{middle.Issue(name, certs.NotYetValid), middle}, certs.Pool(root), ErrNotYetValid},
		{"intermediate expired", []*certs.Cert{oldMiddle.Issue(name), oldMiddle}, certs.Pool(root), ErrExpired},
		{"for servers", []*certs.Cert{middle.Issue(name, certs.ForServers), middle}, certs.Pool(root), ErrUsage},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var v Verifier
			for range 2 { // the second time from the cache
				blamed, err := v.Verify(tc.pool, certs.Chain(tc.chain...), certs.Now)
				if err != tc.want {
					t.Errorf("got %v, want %v", err, tc.want)
				}
				if (blamed != nil) != (tc.want != nil) {
					t.Errorf("got the certificate %v to blame with error %v, want one with an error alone", blamed, err)
				}
			}
		})
	}
}

func TestBlamedCertificateIsTheOneThatExpired(t *testing.T) {
	root := certs.SelfSigned("Root", certs.Authority)
	old := root.Issue("Old Intermediate", certs.Authority, certs.Expired)
	blamed, err := new(Verifier).Verify(certs.Pool(root), certs.Chain(old.Issue(name), old), certs.Now)
	if err != ErrExpired || !blamed.Equal(old.Certificate) {
		t.Errorf("got %v and error %v, want %v and %v", blamed.Subject, err, old.Subject, ErrExpired)
	}
}

func TestVerifiedChainsAreRememberedWhileValid(t *testing.T) {
	root := certs.SelfSigned("Root", certs.Authority, func(c *x509.Certificate) { c.NotAfter = certs.Now.Add(30 * time.Minute) })
	chain := certs.Chain(root.Issue(name), root)
	pool := certs.Pool(root)
	var v Verifier
	verify := func(pool *x509.CertPool, want error) {
		t.Helper()
		if _, err := v.Verify(pool, chain, certs.Now); err != want {
			t.Errorf("got %v, want %v", err, want)
		}
	}
	verify(pool, nil)
	if !v.verified.contains(pool, chain, certs.Now) {
		t.Error("the chain was not remembered")
	}
	if v.verified.contains(pool, chain[:1], certs.Now) {
		t.Error("a part of the chain was taken for it")
	}
	for _, outside := range []time.Duration{-2 * time.Hour, 31 * time.Minute} {
		if v.verified.contains(pool, chain, certs.Now.Add(outside)) {
			t.Errorf("the chain is remembered %s from now, when a certificate in it is not valid", outside)
		}
	}
	verify(certs.Pool(), ErrAuthority) // the pool was loaded anew, without the authority
	verify(certs.Pool(root), nil)
}

// A signature is not checked again without an allocation.
func TestRememberedChainsAreNotVerifiedAgain(t *testing.T) {
	root := certs.SelfSigned("Root", certs.Authority)
	pool, chain := certs.Pool(root), certs.Chain(root.Issue(name), root)
	var v Verifier
	verify := func() {
		if _, err := v.Verify(pool, chain, certs.Now); err != nil {
			t.Fatal(err)
		}
	}
	verify()
	if got := testing.AllocsPerRun(10, verify); got != 0 {
		t.Errorf("got %v allocations for a chain that was verified before, want none", got)
	}
}

func TestRememberedChainsAreBounded(t *testing.T) {
	root := certs.SelfSigned("Root", certs.Authority)
	pool := certs.Pool(root)
	var v Verifier
	for range 2*maxCached + 1 {
		if _, err := v.Verify(pool, certs.Chain(root.Issue(name)), certs.Now); err != nil {
			t.Fatal(err)
		}
		if n := len(v.verified.valid); n > maxCached {
			t.Fatalf("got %d chains, want at most %d", n, maxCached)
		}
	}
}

func TestCommonNamesOfACertificate(t *testing.T) {
	for _, tc := range []struct {
		name    string
		subject certs.Option
		want    []string
	}{
		{"one", certs.Subject(certs.Country("US"), certs.CommonName(name)), []string{name}},
		{"two", certs.Subject(certs.CommonName("a"), certs.Organization("o"), certs.CommonName("b")), []string{"a", "b"}},
		{"none", certs.Subject(certs.Organization(name)), nil},
		{"empty", certs.Subject(certs.CommonName("")), []string{""}},
		{"no subject", certs.Subject(), nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := CommonNames(certs.SelfSigned("", tc.subject).Certificate); !slices.Equal(got, tc.want) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestDistinguishedNameShowsEveryCommonName(t *testing.T) {
	cert := certs.SelfSigned("", certs.Subject(certs.Organization("Meta Platforms, Inc."), certs.CommonName("a"), certs.CommonName("b")))
	if got, want := DistinguishedName(cert.RawSubject), `CN=b,CN=a,O=Meta Platforms\, Inc.`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := DistinguishedName([]byte("no DER")); got != "" {
		t.Errorf("got %q of what is not a name, want nothing", got)
	}
}
