package main

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"time"

	"github.com/caddy-meta-webhook/caddy-meta-webhook/internal/test/certs"
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
	lasting := func(c *x509.Certificate) { c.NotAfter = certs.Now.Add(24 * time.Hour) }
	root := certs.SelfSigned("bench", certs.Authority)
	server := root.Issue("gateway", certs.ForServers, certs.DNSNames(serverName), lasting)
	client := root.Issue(clientName, lasting)
	c := &certificates{
		ca:   filepath.Join(dir, "ca.pem"),
		cert: filepath.Join(dir, "cert.pem"),
		key:  filepath.Join(dir, "key.pem"),
		client: &tls.Config{
			MinVersion:   tls.VersionTLS12,
			RootCAs:      certs.Pool(root),
			ServerName:   serverName,
			Certificates: []tls.Certificate{*client.TLS()},
			NextProtos:   []string{"http/1.1"},
		},
	}
	for _, file := range []struct {
		path    string
		content []byte
	}{{c.ca, root.PEM()}, {c.cert, server.PEM()}, {c.key, server.KeyPEM()}} {
		if err := os.WriteFile(file.path, file.content, 0o600); err != nil {
			return nil, err
		}
	}
	return c, nil
}
