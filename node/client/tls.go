package client

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"strings"
)

// URL gives the base URL of the node whose API is at an address of Member.HTTP.
func URL(address string) string {
	if strings.Contains(address, "://") {
		return address
	}
	return "http://" + address
}

// Address gives the Member.HTTP of the node with a base URL: HOST:PORT, and the
// whole URL of one that serves HTTPS.
func Address(url string) string { return strings.TrimPrefix(url, "http://") }

// At gives a client of another node that is set up like c: with its connections,
// its certificates, its token and its session.
func (c *Client) At(baseURL string) *Client {
	other := *c
	other.base = strings.TrimRight(baseURL, "/")
	return &other
}

// ErrNoCertificate is returned for a file of authorities that has none.
var ErrNoCertificate = errors.New("client: no certificate in PEM")

// TrustCA makes an option: https URLs are believed when their certificate leads to
// one of these authorities, in PEM, rather than to one that the system knows.
func TrustCA(pem []byte) (Option, error) {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, ErrNoCertificate
	}
	return func(c *Client) {
		t := newTransport()
		t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool}
		c.http = &http.Client{Transport: t, Timeout: c.http.Timeout}
	}, nil
}
