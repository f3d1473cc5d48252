package swim

import (
	"crypto/ed25519"
	"errors"
	"fmt"

	"github.com/libp2p/go-libp2p/core/peer"

	"grapevine/p2p"
)

// What a node tells of itself: a version byte; the p2p, gossip and HTTP address,
// each with a length byte; and an Ed25519 signature, under the key that its name
// stands for, over the cluster's label, its name and these addresses.
const (
	metaVersion = 1
	maxAddr     = 128 // so that three and the signature fit memberlist's 512 bytes
)

var (
	errMalformed = errors.New("malformed description")
	errForged    = errors.New("signature does not match the name")
)

func signMeta(key ed25519.PrivateKey, label string, self p2p.NodeID, addrs p2p.Addrs) ([]byte, error) {
	meta := []byte{metaVersion}
	for _, a := range []string{addrs.P2P, addrs.Gossip, addrs.HTTP} {
		if len(a) > maxAddr {
			return nil, fmt.Errorf("address %q is longer than %d bytes", a, maxAddr)
		}
		meta = append(meta, byte(len(a)))
		meta = append(meta, a...)
	}
	return append(meta, ed25519.Sign(key, signed(label, self, meta))...), nil
}

// verifyMeta gives the addresses in a description that truly is of node id.
func verifyMeta(meta []byte, label string, id p2p.NodeID) (p2p.Addrs, error) {
	body := len(meta) - ed25519.SignatureSize
	if body < 1 || meta[0] != metaVersion {
		return p2p.Addrs{}, errMalformed
	}
	public, err := publicKey(id)
	if err != nil {
		return p2p.Addrs{}, err
	}
	if !ed25519.Verify(public, signed(label, id, meta[:body]), meta[body:]) {
		return p2p.Addrs{}, errForged
	}
	var addrs p2p.Addrs
	rest := meta[1:body]
	for _, a := range []*string{&addrs.P2P, &addrs.Gossip, &addrs.HTTP} {
		if len(rest) < 1 || len(rest) < 1+int(rest[0]) {
			return p2p.Addrs{}, errMalformed
		}
		*a, rest = string(rest[1:1+rest[0]]), rest[1+rest[0]:]
	}
	if len(rest) != 0 {
		return p2p.Addrs{}, errMalformed
	}
	return addrs, nil
}

// signed gives the bytes that a signature covers. Neither label nor name holds a
// zero byte, so no two triples give the same.
func signed(label string, id p2p.NodeID, body []byte) []byte {
	b := append([]byte("grapevine swim\x00"+label+"\x00"), id...)
	return append(append(b, 0), body...)
}

// publicKey gives the key that a node's name stands for.
func publicKey(id p2p.NodeID) (ed25519.PublicKey, error) {
	pid, err := peer.Decode(string(id))
	if err != nil {
		return nil, fmt.Errorf("%q is no node id: %w", id, err)
	}
	key, err := pid.ExtractPublicKey()
	if err != nil {
		return nil, fmt.Errorf("node id %q: %w", id, err)
	}
	raw, err := key.Raw()
	if err != nil || len(raw) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("node id %q is not an Ed25519 key", id)
	}
	return raw, nil
}
