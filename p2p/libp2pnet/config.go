package libp2pnet

import (
	"crypto/ed25519"
	"errors"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"grapevine/p2p"
)

// Config says who the node is and how it is reached.
type Config struct {
	// Key is the node's identity; its public half is the NodeID.
	Key ed25519.PrivateKey
	// Secret is the cluster's. A node with another secret cannot connect.
	Secret [32]byte
	// Listen is the HOST:PORT to accept TCP connections on; port 0 picks a free one.
	Listen string
	// Advertise is the HOST or HOST:PORT that peers should dial, where that is not
	// Listen; without a port, or with port 0, it is the bound one.
	Advertise string
	// Addr gives the HOST:PORT at which a peer accepts connections at present. It
	// is called before each dial and must not block.
	Addr func(p2p.NodeID) (hostport string, ok bool)
	// Log may be nil, for none.
	Log *slog.Logger
	// Metrics may be nil. A registerer serves one Host.
	Metrics prometheus.Registerer
}

// verify reports every mistake at once.
func (c Config) verify() error {
	var errs []error
	if len(c.Key) != ed25519.PrivateKeySize {
		errs = append(errs, errors.New("libp2pnet: Key is not an Ed25519 private key"))
	}
	if c.Secret == [32]byte{} {
		errs = append(errs, errors.New("libp2pnet: Secret is missing"))
	}
	if c.Listen == "" {
		errs = append(errs, errors.New("libp2pnet: Listen is missing"))
	}
	if c.Addr == nil {
		errs = append(errs, errors.New("libp2pnet: Addr is missing"))
	}
	return errors.Join(errs...)
}
