package clientcert

import (
	"crypto/x509"
	"sync"
	"time"
)

// maxCached is how many chains are remembered. Meta has one, and two for a
// while when it changes them.
const maxCached = 64

// A cache remembers which chains of certificates a pool has verified, so that
// their signatures are not checked again with every request. It remembers
// successes only: clients without a valid certificate cannot fill it.
type cache struct {
	mu    sync.RWMutex
	pool  *x509.CertPool
	valid map[string]validity
}

// validity is the time in which all certificates of a chain are valid.
type validity struct{ from, to time.Time }

// contains reports whether the pool has verified the chain that a client has
// sent, and the chain is valid now.
func (c *cache) contains(pool *x509.CertPool, sent []*x509.Certificate, now time.Time) bool {
	var room [8 << 10]byte
	key := appendChain(room[:0], sent)
	c.mu.RLock()
	defer c.mu.RUnlock()
	valid, ok := c.valid[string(key)]
	return ok && c.pool == pool && !now.Before(valid.from) && !now.After(valid.to)
}

// add remembers that the pool has verified the chain that a client has sent,
// by way of the chain verified. It forgets what another pool has verified.
func (c *cache) add(pool *x509.CertPool, sent, verified []*x509.Certificate) {
	valid := validity{verified[0].NotBefore, verified[0].NotAfter}
	for _, cert := range verified[1:] {
		if cert.NotBefore.After(valid.from) {
			valid.from = cert.NotBefore
		}
		if cert.NotAfter.Before(valid.to) {
			valid.to = cert.NotAfter
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pool != pool || len(c.valid) >= maxCached {
		c.pool, c.valid = pool, make(map[string]validity)
	}
	c.valid[string(appendChain(nil, sent))] = valid
}

// appendChain appends the certificates of a chain. No two chains give the same
// bytes, for DER begins with its length.
func appendChain(key []byte, chain []*x509.Certificate) []byte {
	for _, cert := range chain {
		key = append(key, cert.Raw...)
	}
	return key
}
