package delivery

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestSignaturesAreThoseOfTheSpecification has a secret, a message and its
// signature that a program of its own has computed.
func TestSignaturesAreThoseOfTheSpecification(t *testing.T) {
	keys, err := ParseSigningKeys([]string{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_a2tra2tra2tra2tra2tra2tra2tra2tr"})
	if err != nil {
		t.Fatal(err)
	}
	h := make(http.Header)
	keys.Sign(h, "msg_p5jXN8AQM9LWM0D4loKWxJek", []byte(`{"test": 2432232314}`), time.Unix(1614265330, 0))
	if got, want := h.Get("Webhook-Timestamp"), "1614265330"; got != want {
		t.Errorf("got timestamp %q, want %s", got, want)
	}
	signatures := strings.Split(h.Get("Webhook-Signature"), " ")
	if want := "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; len(signatures) != 2 || signatures[0] != want || !strings.HasPrefix(signatures[1], "v1,") {
		t.Errorf("got signatures %q, want %s and another", signatures, want)
	}
}
