package metawebhook

import (
	"encoding/hex"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

func TestSignatureHeaderForm(t *testing.T) {
	digits := strings.Repeat("0123456789abcdef", 4)
	for _, tc := range []struct {
		name   string
		values []string
		want   error
	}{
		{"right", []string{"sha256=" + digits}, nil},
		{"upper-case digits", []string{"sha256=" + strings.ToUpper(digits)}, nil},
		{"missing", nil, errNoSignature},
		{"twice", []string{"sha256=" + digits, "sha256=" + digits}, errRepeatedSignature},
		{"empty", []string{""}, errMalformedSignature},
		{"short", []string{"sha2"}, errMalformedSignature},
		{"no prefix", []string{digits}, errMalformedSignature},
		{"prefix alone", []string{"sha256="}, errMalformedSignature},
		{"another algorithm", []string{"sha1=" + digits}, errMalformedSignature},
		{"upper-case prefix", []string{"SHA256=" + digits}, errMalformedSignature},
		{"one digit less", []string{"sha256=" + digits[1:]}, errMalformedSignature},
		{"one digit more", []string{"sha256=" + digits + "0"}, errMalformedSignature},
		{"no hex", []string{"sha256=" + digits[1:] + "g"}, errMalformedSignature},
		{"space before", []string{" sha256=" + digits}, errMalformedSignature},
		{"space behind", []string{"sha256=" + digits + " "}, errMalformedSignature},
		{"a list", []string{"sha256=" + digits + ",sha256=" + digits}, errMalformedSignature},
	} {
		t.Run(tc.name, func(t *testing.T) {
			header := http.Header{}
			if tc.values != nil {
				header[signatureHeader] = tc.values
			}
			sig, err := parseSignature(header)
			if err != tc.want {
				t.Fatalf("got %v, want %v", err, tc.want)
			}
			if err == nil && hex.EncodeToString(sig[:]) != digits {
				t.Errorf("got %x, want %s", sig, digits)
			}
			if err != nil && sig != (signature{}) {
				t.Errorf("got %x with an error", sig)
			}
		})
	}
}

func TestKnownSignature(t *testing.T) {
	// RFC 4231, test case 2
	s, err := newSecrets([]string{"other", "Jefe"})
	if err != nil {
		t.Fatal(err)
	}
	sig, err := parseSignature(http.Header{signatureHeader: {"sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"}})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time with a hash state that was used before
		if !s.signed([]byte("what do ya want for nothing?"), sig) {
			t.Error("the right signature was refused")
		}
		if s.signed([]byte("what do ya want for nothing!"), sig) {
			t.Error("a wrong signature was accepted")
		}
	}
}

// TestEveryBitOfASignatureCounts flips each bit of a right signature, and of the
// body that it is of.
func TestEveryBitOfASignatureCounts(t *testing.T) {
	h, next := provisioned(t), new(app)
	forged := func(what string, body string, header string) {
		r := newNotification(body)
		r.Header.Set(signatureHeader, header)
		if _, status, reason := serve(h, r, next); status != http.StatusUnauthorized || reason != "signature_mismatch" {
			t.Errorf("%s: got %d %q, want 401 signature_mismatch", what, status, reason)
		}
	}
	right := sign(testSecret, testBody)
	digest, err := hex.DecodeString(right[len(signaturePrefix):])
	if err != nil {
		t.Fatal(err)
	}
	for bit := range 8 * len(digest) {
		digest[bit/8] ^= 1 << (bit % 8)
		forged(fmt.Sprintf("bit %d of the signature flipped", bit), testBody, signaturePrefix+hex.EncodeToString(digest))
		digest[bit/8] ^= 1 << (bit % 8)
	}
	for bit := range 8 * len(testBody) {
		body := []byte(testBody)
		body[bit/8] ^= 1 << (bit % 8)
		forged(fmt.Sprintf("bit %d of the body flipped", bit), string(body), right)
	}
	if len(next.requests) > 0 {
		t.Errorf("got the next handler reached with %q", next.bodies)
	}
}

// TestSignatureIsOfTheBytes has bodies that say the same as the one that was
// signed, in other bytes.
func TestSignatureIsOfTheBytes(t *testing.T) {
	h, next := provisioned(t), new(app)
	const signed = `{"object":"page","entry":[{"id":"1","time":1700000000,"changes":[{"field":"feed","value":{"text":"a/b \u00e9"}}]}]}`
	right := sign(testSecret, signed)
	for name, body := range map[string]string{
		"a line feed behind":       signed + "\n",
		"a space before":           " " + signed,
		"a byte order mark":        "\ufeff" + signed,
		"spaces between":           strings.ReplaceAll(signed, ":", ": "),
		"members in another order": `{"entry":` + signed[len(`{"object":"page","entry":`):len(signed)-1] + `,"object":"page"}`,
		"an escape resolved":       strings.ReplaceAll(signed, `\u00e9`, "é"),
		"an escape in capitals":    strings.ReplaceAll(signed, `\u00e9`, `\u00E9`),
		"a slash escaped":          strings.ReplaceAll(signed, "a/b", `a\/b`),
		"a number written longer":  strings.ReplaceAll(signed, "1700000000", "1700000000.0"),
	} {
		r := newNotification(body)
		r.Header.Set(signatureHeader, right)
		if _, status, reason := serve(h, r, next); status != http.StatusUnauthorized || reason != "signature_mismatch" {
			t.Errorf("%s: got %d %q, want 401 signature_mismatch", name, status, reason)
		}
		// and the other way round: the bytes that were signed are right
		if _, status, reason := serve(h, newNotification(body), new(app)); status == http.StatusUnauthorized {
			t.Errorf("%s, signed: got %d %q, want another answer", name, status, reason)
		}
	}
	if len(next.requests) > 0 {
		t.Errorf("got the next handler reached with %q", next.bodies)
	}
}

func FuzzSignature(f *testing.F) {
	f.Add("sha256="+strings.Repeat("0f", 32), "body")
	f.Add(sign(testSecret, testBody), testBody)
	f.Add("sha256=", "")
	f.Add("sha1="+strings.Repeat("0f", 20), "body")
	form := regexp.MustCompile(`^sha256=[0-9a-fA-F]{64}\z`)
	s, err := newSecrets([]string{testSecret})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, value, body string) {
		sig, err := parseSignature(http.Header{signatureHeader: {value}})
		if (err == nil) != form.MatchString(value) {
			t.Fatalf("%q: got %v", value, err)
		}
		if got, want := err == nil && s.signed([]byte(body), sig), strings.EqualFold(value, sign(testSecret, body)) && err == nil; got != want {
			t.Fatalf("%q of %q: got %t, want %t", value, body, got, want)
		}
	})
}

func BenchmarkSigned(b *testing.B) {
	s, err := newSecrets([]string{testSecret})
	if err != nil {
		b.Fatal(err)
	}
	for _, size := range []int{200, 2_000, 200_000} {
		body := make([]byte, size)
		b.Run(fmt.Sprintf("%d bytes", size), func(b *testing.B) {
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				s.signed(body, signature{})
			}
		})
	}
}
