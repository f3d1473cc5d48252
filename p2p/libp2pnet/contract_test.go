package libp2pnet

import (
	"testing"

	"grapevine/p2p"
	"grapevine/p2p/p2ptest"
)

func TestHostIsATransport(t *testing.T) {
	p2ptest.TestTransport(t, func(t *testing.T, n int) []p2p.Transport {
		var out []p2p.Transport
		for _, h := range newCluster().hosts(t, n) {
			out = append(out, h)
		}
		return out
	})
}

func TestHostIsABroadcaster(t *testing.T) {
	p2ptest.TestBroadcaster(t, func(t *testing.T, n int) []p2p.Broadcaster {
		var out []p2p.Broadcaster
		for _, h := range mesh(t, n) {
			out = append(out, h)
		}
		return out
	})
}
