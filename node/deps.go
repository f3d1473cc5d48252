package node

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"time"

	"grapevine/crdt/causal"
	"grapevine/node/config"
	"grapevine/p2p"
	"grapevine/services/search/text"
	"grapevine/services/users"
	"grapevine/services/webhooks"
	"grapevine/store"
	"grapevine/store/replica"
	"grapevine/store/ring"
)

// Deps are the parts of a node that differ between a machine and a simulation.
// Engine, Transport, Broadcaster, Members and Secret are required.
type Deps struct {
	Engine      store.Engine
	Transport   p2p.Transport
	Broadcaster p2p.Broadcaster
	Members     p2p.Members
	Secret      config.Secret

	// Index keeps the words of posts and names for searches; nil means in memory.
	Index text.Engine
	// Rejoins says that this node has been a member of a cluster: with an empty disk
	// it is to find that one again, not to found another.
	Rejoins bool
	// Reachable says whether a connection to a peer stands. Nil: whether it is
	// alive.
	Reachable func(p2p.NodeID) bool
	// Block cuts the node off from the peers for which it is true. Nil means that
	// faults cannot be injected.
	Block func(blocked func(p2p.NodeID) bool)
	// Router chooses who is asked; nil means by health.
	Router replica.Router
	// Now is the wall clock; nil means time.Now.
	Now func() time.Time
	// Coordinated is told of every write that this node coordinates; see
	// replica.Config. Nil tells nobody.
	Coordinated func(store.Partition, causal.Dot, []store.Entry)
	// HashCost is the cost of password hashes; zero means the default.
	HashCost users.Cost
	// Webhooks sends what accounts have sent to their webhooks; nil means over HTTP.
	Webhooks webhooks.Sender
	// PushLimit is how many followers a post is written to the homes of; zero means
	// the default of fanout.Config.
	PushLimit int
}

// found is the cluster that a node makes which has nobody to join.
func found(cfg config.Config, rejoins bool) *ring.Cluster {
	if len(cfg.Join) > 0 || rejoins {
		return nil
	}
	var id [8]byte
	rand.Read(id[:])
	return &ring.Cluster{ID: hex.EncodeToString(id[:]), PartitionBits: uint8(cfg.PartitionBits), Copies: cfg.Copies}
}

// closers are closed in the reverse of the order in which they were opened.
type closers []namedCloser

type namedCloser struct {
	name  string
	close func() error
}

func (c *closers) add(name string, close func() error) {
	*c = append(*c, namedCloser{name, close})
}

func (c *closers) close() error {
	var first error
	for i := len(*c) - 1; i >= 0; i-- {
		if err := (*c)[i].close(); err != nil && first == nil {
			first = fmt.Errorf("closing %s: %w", (*c)[i].name, err)
		}
	}
	*c = nil
	return first
}

// until runs fn in a goroutine and returns a function that ends and awaits it.
func until(fn func(context.Context)) func() error {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		fn(ctx)
	}()
	return func() error {
		cancel()
		<-done
		return nil
	}
}
