package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"time"
)

// clientName is in the certificate that Meta's servers show.
const clientName = "client.webhooks.fbclientcerts.com"

// serverName is what the contenders are called.
const serverName = "localhost"

// certificates are the files of the servers, and what the sender shows.
type certificates struct {
	ca, cert, key string // files
	client        *tls.Config
}

// makeCertificates writes an authority and a server's certificate to dir.
func makeCertificates(dir string) (*certificates, error) {
	authority := template(1, "bench")
	authority.IsCA = true
	authority.KeyUsage = x509.KeyUsageCertSign
	root, err := issue(authority, nil)
	if err != nil {
		return nil, err
	}
	gateway := template(2, "gateway")
	gateway.DNSNames = []string{serverName}
	gateway.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	server, err := issue(gateway, root)
	if err != nil {
		return nil, err
	}
	sender := template(3, clientName)
	sender.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	client, err := issue(sender, root)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AddCert(root.Leaf)
	c := &certificates{
		ca:   filepath.Join(dir, "ca.pem"),
		cert: filepath.Join(dir, "cert.pem"),
		key:  filepath.Join(dir, "key.pem"),
		client: &tls.Config{
			MinVersion:   tls.VersionTLS12,
			RootCAs:      pool,
			ServerName:   serverName,
			Certificates: []tls.Certificate{*client},
			NextProtos:   []string{"http/1.1"},
		},
	}
	key, err := x509.MarshalPKCS8PrivateKey(server.PrivateKey)
	if err != nil {
		return nil, err
	}
	for _, file := range []struct {
		path, kind string
		der        []byte
	}{{c.ca, "CERTIFICATE", root.Leaf.Raw}, {c.cert, "CERTIFICATE", server.Leaf.Raw}, {c.key, "PRIVATE KEY", key}} {
		if err := os.WriteFile(file.path, pem.EncodeToMemory(&pem.Block{Type: file.kind, Bytes: file.der}), 0o600); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func template(serial int64, name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber:          big.NewInt(serial),
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(24 * time.Hour),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		BasicConstraintsValid: true,
	}
}

// issue makes a certificate with a key of its own, signed by an authority or,
// without one, by itself.
func issue(cert *x509.Certificate, by *tls.Certificate) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	parent, signer := cert, any(key)
	if by != nil {
		parent, signer = by.Leaf, by.PrivateKey
	}
	der, err := x509.CreateCertificate(rand.Reader, cert, parent, &key.PublicKey, signer)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, nil
}
