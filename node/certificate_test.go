package node_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"grapevine/node"
	"grapevine/node/client"
	"grapevine/node/config"
)

// pair writes a new self-signed certificate of loopback, and its key.
func pair(t *testing.T, dir, name string) (certPEM []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certPEM = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})
	for file, text := range map[string][]byte{"cert.pem": certPEM, "key.pem": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})} {
		if err := os.WriteFile(filepath.Join(dir, file), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certPEM
}

// secure starts a node that serves HTTPS with the pair of a directory.
func secure(t *testing.T, dir string) config.Ready {
	t.Helper()
	cfg := config.Default(t.TempDir())
	cfg.TLSCert, cfg.TLSKey = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	return machine(t, cfg)
}

// trusting makes a client that believes one authority.
func trusting(ca []byte) *http.Client {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	return &http.Client{Transport: &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: pool}}}
}

// served gives the name on the certificate that is served now.
func served(t *testing.T, addr string) string {
	t.Helper()
	conn, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].Subject.CommonName
}

func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatal("never came about: " + what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// metricsOf gives the text of a node's metrics.
func metricsOf(t *testing.T, c *http.Client, url string) string {
	t.Helper()
	reply, err := c.Get(url + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	text, err := io.ReadAll(reply.Body)
	if err != nil || reply.StatusCode != http.StatusOK {
		t.Fatalf("status %d, %v", reply.StatusCode, err)
	}
	return string(text)
}

func TestANodeWithACertificateServesHTTPSAndSaysSo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ca := pair(t, dir, "first")
	ready := secure(t, dir)
	if ready.URL != "https://"+ready.HTTP {
		t.Errorf("it says that it serves %s", ready.URL)
	}
	trust, err := client.TrustCA(ca)
	if err != nil {
		t.Fatal(err)
	}
	members, err := client.New(ready.URL, trust).Members(t.Context())
	if err != nil || len(members) != 1 || client.URL(members[0].HTTP) != ready.URL {
		t.Errorf("members %+v, %v", members, err)
	}
	if _, err := client.New(ready.URL).Members(t.Context()); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a client believed a stranger's certificate: %v", err)
	}
	if _, err := client.TrustCA([]byte("none")); err == nil {
		t.Error("a file without a certificate was taken")
	}

	modern := trusting(ca)
	defer modern.CloseIdleConnections()
	reply, err := modern.Post(ready.URL+"/v1/users", "application/json", strings.NewReader(`{"username":"ada","password":"a long password"}`))
	if err != nil {
		t.Fatal(err)
	}
	reply.Body.Close()
	if reply.StatusCode != http.StatusCreated || reply.ProtoMajor != 2 {
		t.Errorf("status %d over %s", reply.StatusCode, reply.Proto)
	}
	plain, err := http.Get("http://" + ready.HTTP + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	plain.Body.Close()
	if plain.StatusCode != http.StatusBadRequest {
		t.Errorf("a request in clear text got status %d", plain.StatusCode)
	}
}

func TestNewCertificateFilesAreTakenUpAndBadOnesAreNot(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pair(t, dir, "first")
	ready := secure(t, dir)
	web := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	defer web.CloseIdleConnections()
	if got := served(t, ready.HTTP); got != "first" {
		t.Fatalf("serves %q", got)
	}
	if err := os.WriteFile(filepath.Join(dir, "cert.pem"), []byte("half a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	await(t, "the failure is counted", func() bool {
		return strings.Contains(metricsOf(t, web, ready.URL), "grapevine_tls_reload_failures_total 1\n")
	})
	if got := served(t, ready.HTTP); got != "first" {
		t.Errorf("serves %q with a bad file", got)
	}
	pair(t, dir, "second")
	await(t, "the new certificate is served", func() bool { return served(t, ready.HTTP) == "second" })
}

func TestANodeDoesNotStartWithAPairThatIsNone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pair(t, dir, "first")
	cfg := config.Default(t.TempDir())
	cfg.TLSCert, cfg.TLSKey = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "cert.pem")
	m, err := node.New(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err == nil {
		m.Close()
	}
	if err == nil || !strings.Contains(err.Error(), "--tls-cert and --tls-key") {
		t.Errorf("error %v", err)
	}
}
