package swim

import (
	"crypto/ed25519"
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
	said := description{addrs, 7}
	meta, err := signMeta(key, label, self, said)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := verifyMeta(meta, label, self); err != nil || got != said {
		t.Errorf("got %+v, %v", got, err)
	}
	forged, _ := signMeta(otherKey, label, self, said)
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
		"of no version":           {append([]byte{0}, meta[1:]...), label, self, errMalformed},
		"of a later version":      {append([]byte{9}, meta[1:]...), label, self, errLater},
	} {
		if _, err := verifyMeta(claim.meta, claim.label, claim.id); !errors.Is(err, claim.want) {
			t.Errorf("%s: got %v, want %v", name, err, claim.want)
		}
	}
}

func TestWhatALaterBuildAddsToADescriptionIsLetPass(t *testing.T) {
	t.Parallel()
	key, self := identity(t)
	said := description{addrs, 7}
	meta, err := signMeta(key, label, self, said)
	if err != nil {
		t.Fatal(err)
	}
	more := append(meta[:len(meta)-ed25519.SignatureSize:len(meta)-ed25519.SignatureSize], "more"...)
	more = append(more, ed25519.Sign(key, signed(label, self, more))...)
	if got, err := verifyMeta(more, label, self); err != nil || got != said {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestTheLongestDescriptionFitsMemberlist(t *testing.T) {
	t.Parallel()
	key, self := identity(t)
	long := strings.Repeat("x", maxAddr)
	meta, err := signMeta(key, label, self, description{addrs: p2p.Addrs{P2P: long, Gossip: long, HTTP: long}})
	if err != nil || len(meta) > memberlist.MetaMaxSize {
		t.Errorf("%d bytes, %v", len(meta), err)
	}
	if _, err := signMeta(key, label, self, description{addrs: p2p.Addrs{HTTP: long + "x"}}); err == nil {
		t.Error("a longer address was accepted")
	}
}

func TestAMemberClaimedAtAnAddressItDidNotSignIsRefused(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	key, id := identity(t)
	meta, err := signMeta(key, s.label, id, description{addrs, 7})
	if err != nil {
		t.Fatal(err)
	}
	claim := &memberlist.Node{
		Name: string(id), Addr: net.IPv4(10, 0, 0, 1), Port: 2, Meta: meta,
		PMin: memberlist.ProtocolVersionMin, PMax: memberlist.ProtocolVersionMax, PCur: memberlist.ProtocolVersion2Compatible,
	}
	if err := s.NotifyAlive(claim); err != nil {
		t.Errorf("a true claim was refused: %v", err)
	}
	claim.PCur = memberlist.ProtocolVersionMax + 1
	if err := s.NotifyAlive(claim); err == nil {
		t.Error("a claim to a version that nobody speaks was believed")
	}
	claim.PCur, claim.Port = memberlist.ProtocolVersion2Compatible, 3
	if err := s.NotifyAlive(claim); err == nil {
		t.Error("a claim at another port was believed")
	}
}

func FuzzVerifyMeta(f *testing.F) {
	key, self := identity(f)
	meta, _ := signMeta(key, label, self, description{addrs, 7})
	f.Add(meta)
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := verifyMeta(data, label, self); err == nil && string(data) != string(meta) {
			t.Errorf("%x was believed", data)
		}
	})
}

// FuzzParseBody reads what a liar may have signed.
func FuzzParseBody(f *testing.F) {
	key, self := identity(f)
	meta, _ := signMeta(key, label, self, description{addrs, 7})
	f.Add(meta[1 : len(meta)-64])
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := parseBody(data)
		if err != nil {
			return
		}
		again, err := signMeta(key, label, self, d)
		if err != nil || !strings.HasPrefix(string(data), string(again[1:len(again)-64])) {
			t.Errorf("%x read as %+v, %v", data, d, err)
		}
	})
}
