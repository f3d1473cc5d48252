package swim

import (
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/hashicorp/memberlist"

	"grapevine/p2p"
)

const label = "cluster"

var addrs = p2p.Addrs{P2P: "10.0.0.1:1", Gossip: "10.0.0.1:2", HTTP: "10.0.0.1:3"}

func TestADescriptionIsBelievedOnlyFromItsOwner(t *testing.T) {
	t.Parallel()
	key, self := identity(t)
	otherKey, other := identity(t)
	meta, err := signMeta(key, label, self, addrs)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := verifyMeta(meta, label, self); err != nil || got != addrs {
		t.Errorf("got %+v, %v", got, err)
	}
	forged, _ := signMeta(otherKey, label, self, addrs)
	altered := append([]byte{}, meta...)
	altered[3] ^= 1
	for name, claim := range map[string]struct {
		meta  []byte
		label string
		id    p2p.NodeID
		want  error
	}{
		"signed with another key": {forged, label, self, errForged},
		"another's, copied":       {meta, label, other, errForged},
		"of another cluster":      {meta, "elsewhere", self, errForged},
		"altered":                 {altered, label, self, errForged},
		"cut short":               {meta[:10], label, self, errMalformed},
		"empty":                   {nil, label, self, errMalformed},
		"of another version":      {append([]byte{9}, meta[1:]...), label, self, errMalformed},
	} {
		if _, err := verifyMeta(claim.meta, claim.label, claim.id); !errors.Is(err, claim.want) {
			t.Errorf("%s: got %v, want %v", name, err, claim.want)
		}
	}
}

func TestTheLongestDescriptionFitsMemberlist(t *testing.T) {
	t.Parallel()
	key, self := identity(t)
	long := strings.Repeat("x", maxAddr)
	meta, err := signMeta(key, label, self, p2p.Addrs{P2P: long, Gossip: long, HTTP: long})
	if err != nil || len(meta) > memberlist.MetaMaxSize {
		t.Errorf("%d bytes, %v", len(meta), err)
	}
	if _, err := signMeta(key, label, self, p2p.Addrs{HTTP: long + "x"}); err == nil {
		t.Error("a longer address was accepted")
	}
}

func TestAMemberClaimedAtAnAddressItDidNotSignIsRefused(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	key, id := identity(t)
	meta, err := signMeta(key, s.label, id, addrs)
	if err != nil {
		t.Fatal(err)
	}
	claim := &memberlist.Node{Name: string(id), Addr: net.IPv4(10, 0, 0, 1), Port: 2, Meta: meta}
	if err := s.NotifyAlive(claim); err != nil {
		t.Errorf("a true claim was refused: %v", err)
	}
	claim.Port = 3
	if err := s.NotifyAlive(claim); err == nil {
		t.Error("a claim at another port was believed")
	}
}

// TestAHolderOfTheSecretCannotTakeAnothersName has a node that knows the secret
// announce itself under the name of another.
func TestAHolderOfTheSecretCannotTakeAnothersName(t *testing.T) {
	t.Parallel()
	nodes := cluster(t, 2)
	victim := nodes[1]
	key, self := identity(t)
	impostor := &Swim{
		cfg: Config{Self: self, Key: key, Secret: secret}, log: nodes[0].log, label: nodes[0].label,
		members: map[p2p.NodeID]*member{}, names: map[string]p2p.NodeID{}, wake: make(chan struct{}, 1),
	}
	impostor.meta = victim.meta
	c, err := impostor.memberlistConfig(nil)
	if err != nil {
		t.Fatal(err)
	}
	c.Name, c.Alive, c.Events = string(victim.cfg.Self), nil, nil
	c.BindAddr, c.BindPort, c.AdvertisePort = "127.0.0.1", 0, 0
	list, err := memberlist.Create(c)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = list.Shutdown() }()
	if _, err := list.Join([]string{nodes[0].GossipAddr()}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the claim is refused", func() bool { return counted(nodes[0].refused) > 0 })
	if m, _ := nodes[0].Member(victim.cfg.Self); m.Addrs.Gossip != victim.GossipAddr() {
		t.Errorf("the name moved to %s", m.Addrs.Gossip)
	}
}

func FuzzVerifyMeta(f *testing.F) {
	key, self := identity(f)
	meta, _ := signMeta(key, label, self, addrs)
	f.Add(meta)
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := verifyMeta(data, label, self); err == nil && string(data) != string(meta) {
			t.Errorf("%x was believed", data)
		}
	})
}
