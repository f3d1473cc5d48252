package node

import (
	"context"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"grapevine/crdt/causal"
	"grapevine/p2p"
	"grapevine/services/search"
	"grapevine/services/search/text"
	"grapevine/store"
)

// protoSearch asks a node to search some partitions: the messages are those of
// services/search.
const protoSearch = "node/search"

// startSearch starts the index and gives the search over all nodes.
func (n *Node) startSearch(metrics prometheus.Registerer, posts search.Posts, users search.Users, relations search.Relations) *search.Service {
	engine := n.deps.Index
	if engine == nil {
		engine = new(text.Memory)
	}
	indexer := search.NewIndexer(search.IndexerConfig{
		Engine: engine, Log: n.store, Rows: n.store, Scan: n.scanPartition,
		Partitions:  n.partitions,
		PartitionOf: func(slot store.Slot) store.Partition { return n.store.Ring().PartitionOf(slot) },
		Owns:        n.owns,
		Serves:      func(p store.Partition) bool { return n.owns(p) && !n.store.Lags(p) },
		Logger:      n.log, Metrics: metrics,
	})
	n.deps.Transport.Handle(protoSearch, func(ctx context.Context, _ p2p.NodeID, request []byte) ([]byte, error) {
		return indexer.Answer(ctx, request)
	})
	n.parts.add("the search index", until(func(ctx context.Context) {
		select {
		case <-n.store.Serving():
			indexer.Run(ctx)
		case <-ctx.Done():
		}
	}))
	return search.New(search.ServiceConfig{Posts: posts, Users: users, Relations: relations, Nodes: (*searched)(n), Metrics: metrics})
}

func (n *Node) partitions() int {
	if ring := n.store.Ring(); ring != nil {
		return ring.Partitions()
	}
	return 0
}

func (n *Node) owns(p store.Partition) bool {
	ring := n.store.Ring()
	return ring != nil && slices.Contains(ring.Owners(p), n.ID())
}

// scanPartition visits the rows of a partition as this node holds them.
func (n *Node) scanPartition(ctx context.Context, p store.Partition, visit func(store.Entry) error) error {
	return n.store.Export(ctx, p, true, func(*causal.Vector) error { return nil }, visit)
}

// searched is the node as the search wants the cluster.
type searched Node

// Partitions implements search.Nodes.
func (s *searched) Partitions() int { return (*Node)(s).partitions() }

// Deal implements search.Nodes.
func (s *searched) Deal(partitions []store.Partition, tried func(node string, p store.Partition) bool) map[string][]store.Partition {
	deal := map[string][]store.Partition{}
	ring, self := s.store.Ring(), s.deps.Transport.Self()
	if ring == nil {
		return deal
	}
	for _, p := range partitions {
		owners := slices.DeleteFunc(slices.Clone(ring.Owners(p)), func(id p2p.NodeID) bool {
			return tried(string(id), p) || !s.deps.Members.Alive(id)
		})
		if len(owners) == 0 {
			continue
		}
		best := 0
		if at := slices.Index(owners, self); at >= 0 && !s.store.Lags(p) {
			best = at
		} else if at := slices.IndexFunc(owners, func(id p2p.NodeID) bool { return deal[string(id)] != nil }); at >= 0 {
			best = at
		}
		deal[string(owners[best])] = append(deal[string(owners[best])], p)
	}
	return deal
}

// Ask implements search.Nodes.
func (s *searched) Ask(ctx context.Context, node string, request []byte) ([]byte, error) {
	return s.deps.Transport.Call(ctx, p2p.NodeID(node), protoSearch, request)
}
