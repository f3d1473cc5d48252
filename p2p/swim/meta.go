package swim

import (
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/libp2p/go-libp2p/core/peer"

	"grapevine/p2p"
)

// What a node tells of itself: a version byte; its boot, 8 bytes; the p2p, gossip
// and HTTP address, each with a length byte; and an Ed25519 signature, under the
// key that its name stands for, over the cluster's label, its name and all this.
const (
	metaVersion = 2
	maxAddr     = 128 // so that three and the signature fit memberlist's 512 bytes
)

var (
	errMalformed = errors.New("malformed description")
	errLater     = errors.New("description of a later version: the member runs a later build, which this one cannot be in a cluster with")
	errForged    = errors.New("signature does not match the name")
)

// description is what a node tells of itself.
type description struct {
	addrs p2p.Addrs
	boot  uint64 // of the process, drawn at its start
}

func signMeta(key ed25519.PrivateKey, label string, self p2p.NodeID, d description) ([]byte, error) {
	meta := binary.BigEndian.AppendUint64([]byte{metaVersion}, d.boot)
	for _, a := range []string{d.addrs.P2P, d.addrs.Gossip, d.addrs.HTTP} {
		if len(a) > maxAddr {
			return nil, fmt.Errorf("address %q is longer than %d bytes", a, maxAddr)
		}
		meta = append(meta, byte(len(a)))
		meta = append(meta, a...)
	}
	return append(meta, ed25519.Sign(key, signed(label, self, meta))...), nil
}

// verifyMeta gives the content of a description that truly is of node id.
func verifyMeta(meta []byte, label string, id p2p.NodeID) (description, error) {
	body := len(meta) - ed25519.SignatureSize
	if body >= 1 && meta[0] > metaVersion {
		return description{}, errLater
	}
	if body < 1 || meta[0] != metaVersion {
		return description{}, errMalformed
	}
	public, err := publicKey(id)
	if err != nil {
		return description{}, err
	}
	if !ed25519.Verify(public, signed(label, id, meta[:body]), meta[body:]) {
		return description{}, errForged
	}
	return parseBody(meta[1:body])
}

// parseBody reads what lies between version and signature. What a later build has
// appended, for those who know it, is let pass.
func parseBody(b []byte) (d description, err error) {
	if len(b) < 8 {
		return d, errMalformed
	}
	d.boot, b = binary.BigEndian.Uint64(b), b[8:]
	for _, a := range []*string{&d.addrs.P2P, &d.addrs.Gossip, &d.addrs.HTTP} {
		if len(b) < 1 || b[0] > maxAddr || len(b) < 1+int(b[0]) {
			return description{}, errMalformed
		}
		*a, b = string(b[1:1+b[0]]), b[1+b[0]:]
	}
	return d, nil
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
