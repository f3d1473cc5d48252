package libp2pnet

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"grapevine/p2p"
)

func TestAnotherSecretCannotConnect(t *testing.T) {
	c := newCluster()
	member := c.host(t, nil)
	c.secret = [32]byte{2}
	stranger := c.host(t, nil)
	for _, pair := range [][2]*Host{{stranger, member}, {member, stranger}} {
		if err := pair[0].Connect(within(t), pair[1].Self()); !errors.Is(err, p2p.ErrUnreachable) {
			t.Errorf("got %v, want ErrUnreachable", err)
		}
	}
}

func TestAnAddressHeldByAnotherIdentityIsNotTakenForThePeer(t *testing.T) {
	c := newCluster()
	hosts := c.hosts(t, 3)
	c.mu.Lock()
	c.addrs[hosts[1].Self()] = hosts[2].Addr()
	c.mu.Unlock()
	if err := hosts[0].Connect(within(t), hosts[1].Self()); !errors.Is(err, p2p.ErrUnreachable) {
		t.Errorf("got %v, want ErrUnreachable", err)
	}
}

func TestBlockCutsBothDirectionsUntilItIsLifted(t *testing.T) {
	hosts := mesh(t, 3)
	for _, h := range hosts {
		h.Handle("echo", echo)
	}
	a, b, c := hosts[0], hosts[1], hosts[2]
	a.Block(func(id p2p.NodeID) bool { return id == b.Self() })
	for _, pair := range [][2]*Host{{a, b}, {b, a}} {
		from, to := pair[0], pair[1]
		eventually(t, "the cut shows", func() bool { return !from.Reachable(to.Self()) })
		if _, err := from.Call(within(t), to.Self(), "echo", nil); !errors.Is(err, p2p.ErrUnreachable) {
			t.Errorf("got %v, want ErrUnreachable", err)
		}
		if _, err := from.Call(within(t), c.Self(), "echo", nil); err != nil {
			t.Errorf("the third node is cut off too: %v", err)
		}
	}
	a.Block(nil)
	eventually(t, "the cut heals by itself", func() bool {
		return a.Reachable(b.Self()) && b.Reachable(a.Self())
	})
}

func TestWantedPeersAreReconnectedAndOthersLetGo(t *testing.T) {
	hosts := mesh(t, 2)
	a, b := hosts[0], hosts[1]
	a.disconnect(b.Self())
	eventually(t, "a lost connection is made anew", func() bool { return a.Reachable(b.Self()) && b.Reachable(a.Self()) })

	a.SetPeers(nil)
	b.SetPeers(nil)
	a.wantedMu.Lock()
	a.leaving[b.Self()] = time.Now().Add(-farewell)
	a.wantedMu.Unlock()
	a.wakeKeeper()
	eventually(t, "the connection to a peer no longer wanted closes", func() bool { return !a.Reachable(b.Self()) })
}

func TestAShortAbsenceFromTheWantedKeepsTheConnection(t *testing.T) {
	hosts := mesh(t, 2)
	a, b := hosts[0], hosts[1]
	a.SetPeers(nil)
	a.SetPeers([]p2p.NodeID{b.Self()})
	a.wantedMu.Lock()
	defer a.wantedMu.Unlock()
	if len(a.leaving) != 0 {
		t.Error("the peer is wanted again but will be let go")
	}
}

func TestAdvertisedAddressIsAsConfiguredWithTheBoundPort(t *testing.T) {
	c := newCluster()
	first := c.host(t, nil)
	for advertise, want := range map[string]string{
		"node.example":      "node.example:" + port(first),
		"node.example:0":    "node.example:" + port(first),
		"node.example:7401": "node.example:7401",
		"":                  first.Addr(),
	} {
		first.cfg.Advertise = advertise
		if got, err := first.advertised(); err != nil || got != want {
			t.Errorf("%q: got %q, %v, want %q", advertise, got, err, want)
		}
	}
}

func port(h *Host) string { return h.addr[len("127.0.0.1:"):] }

func TestConfigReportsEveryMistake(t *testing.T) {
	_, err := New(t.Context(), Config{})
	if joined, ok := err.(interface{ Unwrap() []error }); !ok || len(joined.Unwrap()) != 4 {
		t.Errorf("got %v", err)
	}
}

func TestTheIdentityIsDrawnOnceAndKeptPrivate(t *testing.T) {
	dir := t.TempDir()
	first, err := LoadOrCreateKey(dir)
	if err != nil {
		t.Fatal(err)
	}
	again, err := LoadOrCreateKey(dir)
	if err != nil || !first.Equal(again) {
		t.Errorf("a second start has another identity (%v)", err)
	}
	files, _ := os.ReadDir(dir)
	if len(files) != 1 {
		t.Errorf("left %d files", len(files))
	}
	info, err := os.Stat(filepath.Join(dir, keyFile))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestADamagedIdentityIsAnErrorAndIsLeftAlone(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, keyFile)
	if err := os.WriteFile(path, []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadOrCreateKey(dir); err == nil {
		t.Error("a damaged identity was accepted")
	}
	if data, _ := os.ReadFile(path); string(data) != "damaged" {
		t.Error("the file was changed")
	}
}

func FuzzParseKey(f *testing.F) {
	f.Add([]byte("-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n-----END PRIVATE KEY-----\n"))
	f.Add([]byte("damaged"))
	f.Fuzz(func(t *testing.T, data []byte) {
		key, err := parseKey(data)
		if err != nil {
			return
		}
		if _, err := IDOf(key); err != nil {
			t.Errorf("%q is a key without a name: %v", data, err)
		}
	})
}
