package simnet_test

import (
	"fmt"
	"testing"
	"time"

	"grapevine/p2p"
	"grapevine/p2p/p2ptest"
	"grapevine/p2p/simnet"
)

func connect(t *testing.T, n int, o simnet.Options) []*simnet.Node {
	network := simnet.New(o)
	t.Cleanup(network.Close)
	nodes := make([]*simnet.Node, n)
	for i := range nodes {
		id := p2p.NodeID(fmt.Sprintf("node-%d", i))
		nodes[i] = network.Join(id, p2p.Addrs{HTTP: string(id)})
	}
	return nodes
}

var worlds = map[string]simnet.Options{
	"without delay": {},
	"with delay":    {Seed: 1, MinDelay: time.Millisecond, MaxDelay: 5 * time.Millisecond},
}

func TestTransportContract(t *testing.T) {
	t.Parallel()
	for name, options := range worlds {
		t.Run(name, func(t *testing.T) {
			p2ptest.TestTransport(t, func(t *testing.T, n int) []p2p.Transport {
				transports := make([]p2p.Transport, n)
				for i, node := range connect(t, n, options) {
					transports[i] = node.Transport()
				}
				return transports
			})
		})
	}
}

func TestBroadcasterContract(t *testing.T) {
	t.Parallel()
	for name, options := range worlds {
		t.Run(name, func(t *testing.T) {
			p2ptest.TestBroadcaster(t, func(t *testing.T, n int) []p2p.Broadcaster {
				broadcasters := make([]p2p.Broadcaster, n)
				for i, node := range connect(t, n, options) {
					broadcasters[i] = node.Broadcaster()
				}
				return broadcasters
			})
		})
	}
}
