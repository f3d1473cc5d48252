package node

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// certificatePace is how often the files of a certificate are looked at.
const certificatePace = 2 * time.Second

// certificate is the pair of files that the API is served with. A pair that is not
// good never replaces one that is.
type certificate struct {
	certFile, keyFile string
	log               *slog.Logger
	current           atomic.Pointer[tls.Certificate]
	seen              [2][]byte // sums of the files as last read, by load alone
	failures          prometheus.Counter
}

// openCertificate reads the pair for the first time, when it has to be good.
func openCertificate(certFile, keyFile string, log *slog.Logger, metrics prometheus.Registerer) (*certificate, error) {
	factory := promauto.With(metrics)
	c := &certificate{
		certFile: certFile, keyFile: keyFile, log: log,
		failures: factory.NewCounter(prometheus.CounterOpts{
			Name: "grapevine_tls_reload_failures_total",
			Help: "New certificate files that were not taken up because they are not a good pair.",
		}),
	}
	if _, err := c.load(); err != nil {
		return nil, fmt.Errorf("--tls-cert and --tls-key: %w", err)
	}
	factory.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "grapevine_tls_certificate_expiry_timestamp_seconds",
		Help: "When the certificate that is served ends, in seconds since 1970.",
	}, func() float64 { return float64(c.current.Load().Leaf.NotAfter.Unix()) })
	return c, nil
}

// config is how the API is served with the newest good pair.
func (c *certificate) config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"h2", "http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return c.current.Load(), nil
		},
	}
}

// watch takes up new files. They are compared by content: files that are replaced
// by way of a link keep their time.
func (c *certificate) watch(ctx context.Context) {
	tick := time.NewTicker(certificatePace)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		switch changed, err := c.load(); {
		case err != nil:
			c.failures.Inc()
			c.log.Error("the new certificate is not taken up; the old one is served on", "error", err, "until", c.current.Load().Leaf.NotAfter)
		case changed:
			c.log.Info("took up a new certificate", "subject", c.current.Load().Leaf.Subject.String(), "until", c.current.Load().Leaf.NotAfter)
		}
	}
}

// load reads the files, if they have changed since it last did. An error is
// reported once for each content.
func (c *certificate) load() (changed bool, err error) {
	cert, certErr := os.ReadFile(c.certFile)
	key, keyErr := os.ReadFile(c.keyFile)
	now := [2][]byte{contentSum(cert, certErr), contentSum(key, keyErr)}
	if bytes.Equal(now[0], c.seen[0]) && bytes.Equal(now[1], c.seen[1]) {
		return false, nil
	}
	c.seen = now
	for _, err := range []error{certErr, keyErr} {
		if err != nil {
			return false, err
		}
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return false, fmt.Errorf("%s and %s: %w", c.certFile, c.keyFile, err)
	}
	c.current.Store(&pair)
	return true, nil
}

// contentSum tells contents, and failures to read them, apart.
func contentSum(content []byte, err error) []byte {
	if err != nil {
		content = []byte(err.Error())
	}
	s := sha256.Sum256(content)
	return s[:]
}
