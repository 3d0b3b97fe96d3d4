package metawebhook

import (
	"crypto/x509"
	"sync"
	"time"
)

// maxVerifiedChains is how many chains are remembered. Meta has one, and for
// a while two when it changes them.
const maxVerifiedChains = 64

// verifiedChains remembers which chains of certificates a pool has verified,
// so that their signatures are not checked again with every request. It
// remembers successes only: strangers cannot fill it.
type verifiedChains struct {
	mu    sync.RWMutex
	pool  *x509.CertPool
	valid map[string]validity
}

// validity is when all certificates of a chain are valid.
type validity struct{ from, to time.Time }

// contain reports whether the pool has verified the chain that a client sent,
// and is valid now.
func (v *verifiedChains) contain(pool *x509.CertPool, sent []*x509.Certificate, now time.Time) bool {
	var room [8 << 10]byte
	key := appendChain(room[:0], sent)
	v.mu.RLock()
	defer v.mu.RUnlock()
	valid, ok := v.valid[string(key)]
	return ok && v.pool == pool && !now.Before(valid.from) && !now.After(valid.to)
}

// add remembers that the pool has verified the chain that a client sent, by
// way of the chain verified. A pool that was loaded anew has verified nothing.
func (v *verifiedChains) add(pool *x509.CertPool, sent, verified []*x509.Certificate) {
	valid := validity{verified[0].NotBefore, verified[0].NotAfter}
	for _, cert := range verified[1:] {
		if cert.NotBefore.After(valid.from) {
			valid.from = cert.NotBefore
		}
		if cert.NotAfter.Before(valid.to) {
			valid.to = cert.NotAfter
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.pool != pool || len(v.valid) >= maxVerifiedChains {
		v.pool, v.valid = pool, make(map[string]validity)
	}
	v.valid[string(appendChain(nil, sent))] = valid
}

// appendChain appends the whole of a chain: what is remembered of one must
// not be taken for another.
func appendChain(key []byte, chain []*x509.Certificate) []byte {
	for _, cert := range chain {
		key = append(key, cert.Raw...) // which begins with its length
	}
	return key
}
