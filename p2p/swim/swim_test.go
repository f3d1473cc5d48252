package swim

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"go.uber.org/goleak"

	"grapevine/p2p"
)

// patience bounds the wait for anything that must happen.
const patience = 20 * time.Second

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

var secret = [32]byte{1}

func identity(t testing.TB) (ed25519.PrivateKey, p2p.NodeID) {
	t.Helper()
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	libp2pKey, err := crypto.UnmarshalEd25519PublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	id, err := peer.IDFromPublicKey(libp2pKey)
	if err != nil {
		t.Fatal(err)
	}
	return key, p2p.NodeID(id.String())
}

// start runs a node with defaults for what change leaves out.
func start(t testing.TB, change func(*Config)) *Swim {
	t.Helper()
	key, self := identity(t)
	cfg := Config{
		Self: self, Key: key, Secret: secret, Listen: "127.0.0.1:0",
		Addrs: p2p.Addrs{P2P: "127.0.0.1:1", HTTP: "127.0.0.1:2"},
	}
	if change != nil {
		change(&cfg)
	}
	s, err := New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func joining(others ...*Swim) func(*Config) {
	return func(c *Config) {
		for _, o := range others {
			c.Join = append(c.Join, o.GossipAddr())
		}
	}
}

// cluster starts nodes that have met.
func cluster(t testing.TB, n int) []*Swim {
	t.Helper()
	nodes := []*Swim{start(t, nil)}
	for range n - 1 {
		nodes = append(nodes, start(t, joining(nodes[0])))
	}
	eventually(t, "all see all", func() bool { return allAlive(nodes) })
	return nodes
}

func allAlive(nodes []*Swim) bool {
	for _, a := range nodes {
		for _, b := range nodes {
			if !a.Alive(b.cfg.Self) {
				return false
			}
		}
	}
	return true
}

func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("never came true: %s", what)
		}
		time.Sleep(5 * time.Millisecond) // between looks at the condition
	}
}

func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func TestNodesLearnOneAnothersAddresses(t *testing.T) {
	t.Parallel()
	nodes := cluster(t, 3)
	for _, s := range nodes {
		members := s.Members()
		if len(members) != 3 {
			t.Fatalf("%d members, want 3", len(members))
		}
		for _, other := range nodes {
			want := p2p.Member{ID: other.cfg.Self, Alive: true, Addrs: p2p.Addrs{
				P2P: "127.0.0.1:1", HTTP: "127.0.0.1:2", Gossip: other.GossipAddr(),
			}}
			if got, ok := s.Member(other.cfg.Self); !ok || got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
		}
	}
}

func TestACrashIsNoticedAndSoIsTheReturnAtAnotherAddress(t *testing.T) {
	t.Parallel()
	nodes := cluster(t, 3)
	updates, stop := nodes[0].Updates()
	defer stop()
	crashed := nodes[2]
	id := crashed.cfg.Self
	began := time.Now()
	if err := crashed.Close(); err != nil {
		t.Fatal(err)
	}
	for nodes[0].Alive(id) {
		select {
		case <-updates:
		case <-time.After(patience):
			t.Fatal("the crash was not announced")
		}
	}
	t.Logf("crash noticed after %v", time.Since(began))
	if m, ok := nodes[0].Member(id); !ok || m.Addrs.Gossip != crashed.GossipAddr() {
		t.Errorf("the dead member is not kept: %+v", m)
	}
	began = time.Now()
	returned := start(t, func(c *Config) {
		c.Self, c.Key, c.Join = id, crashed.cfg.Key, []string{nodes[1].GossipAddr()}
	})
	eventually(t, "the return is noticed", func() bool {
		m, _ := nodes[0].Member(id)
		return m.Alive && m.Addrs.Gossip == returned.GossipAddr()
	})
	t.Logf("return noticed after %v", time.Since(began))
}

func TestALeavingNodeIsKnownToHaveGone(t *testing.T) {
	t.Parallel()
	nodes := cluster(t, 3)
	if err := nodes[2].Leave(within(t)); err != nil {
		t.Fatal(err)
	}
	for _, s := range nodes[:2] {
		eventually(t, "the leave is noticed", func() bool { return !s.Alive(nodes[2].cfg.Self) })
	}
}

func TestTwoHalvesMeetAgainAfterACut(t *testing.T) {
	t.Parallel()
	nodes := cluster(t, 4)
	half := map[p2p.NodeID]int{}
	for i, s := range nodes {
		half[s.cfg.Self] = i / 2
	}
	for i, s := range nodes {
		s.Block(func(id p2p.NodeID) bool { return half[id] != i/2 })
	}
	for i, s := range nodes {
		for _, other := range nodes {
			if half[other.cfg.Self] != i/2 {
				eventually(t, "the cut is noticed", func() bool { return !s.Alive(other.cfg.Self) })
			} else if !s.Alive(other.cfg.Self) {
				t.Error("a node of the same half is held for dead")
			}
		}
	}
	began := time.Now()
	for _, s := range nodes {
		s.Block(nil)
	}
	eventually(t, "the halves meet again", func() bool { return allAlive(nodes) })
	t.Logf("healed after %v", time.Since(began))
}

func TestAnotherSecretCannotJoin(t *testing.T) {
	t.Parallel()
	member := start(t, nil)
	stranger := start(t, func(c *Config) { c.Secret = [32]byte{2} })
	if _, err := stranger.list.Join([]string{member.GossipAddr()}); err == nil {
		t.Error("a stranger joined")
	}
	if _, err := member.list.Join([]string{stranger.GossipAddr()}); err == nil {
		t.Error("a stranger was joined")
	}
	if n := len(member.Members()); n != 1 {
		t.Errorf("%d members, want 1", n)
	}
}

func TestARestartedNodeFindsTheClusterByWhatItRemembers(t *testing.T) {
	t.Parallel()
	first := start(t, nil)
	var mu sync.Mutex
	var saved []string
	second := start(t, func(c *Config) {
		c.Join = []string{first.GossipAddr()}
		c.Save = func(addrs []string) {
			mu.Lock()
			defer mu.Unlock()
			saved = addrs
		}
	})
	remembered := func() []string {
		mu.Lock()
		defer mu.Unlock()
		return saved
	}
	eventually(t, "the address is saved", func() bool {
		return len(remembered()) == 1 && remembered()[0] == first.GossipAddr()
	})
	_ = second.Close()
	again := start(t, func(c *Config) {
		c.Self, c.Key, c.Remembered = second.cfg.Self, second.cfg.Key, remembered()
	})
	eventually(t, "the cluster is found", func() bool { return again.Alive(first.cfg.Self) })
}

func TestANodeKeepsCallingUntilTheOtherComesUp(t *testing.T) {
	t.Parallel()
	late := start(t, nil)
	addr := late.GossipAddr()
	if err := late.Close(); err != nil {
		t.Fatal(err)
	}
	early := start(t, func(c *Config) { c.Join = []string{addr} })
	other := start(t, func(c *Config) { c.Listen = addr })
	eventually(t, "they meet", func() bool { return early.Alive(other.cfg.Self) && other.Alive(early.cfg.Self) })
}

func TestADeadMemberIsForgottenAndALivingOneIsNot(t *testing.T) {
	t.Parallel()
	nodes := cluster(t, 2)
	id := nodes[1].cfg.Self
	nodes[0].Forget(id)
	if !nodes[0].Alive(id) {
		t.Error("a living member was forgotten")
	}
	_ = nodes[1].Close()
	eventually(t, "the crash is noticed", func() bool { return !nodes[0].Alive(id) })
	nodes[0].Forget(id)
	if _, known := nodes[0].Member(id); known {
		t.Error("the dead member is still known")
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
