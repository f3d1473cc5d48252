package libp2pnet

import (
	"crypto/ed25519"
	"crypto/rand"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"go.uber.org/goleak"

	"grapevine/p2p"
)

// patience bounds the wait for anything that must happen.
const patience = 10 * time.Second

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// cluster is an address book shared by the hosts of a test.
type cluster struct {
	secret [32]byte
	log    *slog.Logger
	mu     sync.Mutex
	addrs  map[p2p.NodeID]string
}

func newCluster() *cluster {
	return &cluster{secret: [32]byte{1}, addrs: map[p2p.NodeID]string{}}
}

func (n *cluster) addr(id p2p.NodeID) (string, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	a, ok := n.addrs[id]
	return a, ok
}

// host starts a host, on a new identity if key is nil.
func (n *cluster) host(t testing.TB, key ed25519.PrivateKey) *Host {
	t.Helper()
	if key == nil {
		_, key, _ = ed25519.GenerateKey(rand.Reader)
	}
	h, err := New(t.Context(), Config{
		Key: key, Secret: n.secret, Listen: "127.0.0.1:0", Addr: n.addr, Log: n.log, Metrics: prometheus.NewRegistry(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	n.mu.Lock()
	defer n.mu.Unlock()
	n.addrs[h.Self()] = h.Addr()
	return h
}

func (n *cluster) hosts(t testing.TB, count int) []*Host {
	t.Helper()
	hosts := make([]*Host, count)
	for i := range hosts {
		hosts[i] = n.host(t, nil)
	}
	return hosts
}

// mesh gives hosts that are told of one another.
func mesh(t testing.TB, count int) []*Host {
	t.Helper()
	hosts := newCluster().hosts(t, count)
	var ids []p2p.NodeID
	for _, h := range hosts {
		ids = append(ids, h.Self())
	}
	for _, h := range hosts {
		h.SetPeers(ids)
	}
	for _, h := range hosts {
		for _, id := range ids {
			eventually(t, "all are connected", func() bool { return h.Reachable(id) })
		}
	}
	return hosts
}

func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("never came true: %s", what)
		}
		time.Sleep(2 * time.Millisecond) // between looks at the condition
	}
}

// counted gives the value of a counter.
func counted(c prometheus.Counter) float64 {
	var m dto.Metric
	if err := c.Write(&m); err != nil {
		panic(err)
	}
	return m.GetCounter().GetValue()
}
