package node

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"

	"grapevine/p2p"
	"grapevine/services/schema"
	"grapevine/services/trends"
	"grapevine/store"
)

// protoTrends asks a node for the hashtags of some partitions: the messages are
// those of services/trends.
const protoTrends = "node/trends"

// startTrends starts the count of hashtags and gives the trends of all nodes.
func (n *Node) startTrends(metrics prometheus.Registerer) *trends.Service {
	counter := trends.NewCounter(trends.CounterConfig{
		Log: n.store, Rows: n.store, Partitions: n.partitions,
		Posts: func(wanted []store.Partition, before string, limit int) ([]store.Entry, error) {
			return n.store.ScanIndexHere(store.IndexRange{Family: schema.FamilyPost, After: before, Reverse: true, Limit: limit}, wanted)
		},
		PartitionOf: func(slot store.Slot) store.Partition { return n.store.Ring().PartitionOf(slot) },
		Serves:      func(p store.Partition) bool { return n.owns(p) && !n.store.Lags(p) },
		Now:         n.deps.Now, Logger: n.log, Metrics: metrics,
	})
	n.deps.Transport.Handle(protoTrends, func(ctx context.Context, _ p2p.NodeID, request []byte) ([]byte, error) {
		return counter.Answer(ctx, request)
	})
	n.parts.add("the count of trends", until(func(ctx context.Context) {
		select {
		case <-n.store.Serving():
			counter.Run(ctx)
		case <-ctx.Done():
		}
	}))
	return trends.New(counted{(*searched)(n)})
}

// counted is the node as the trends want the cluster: dealt out as for a search.
type counted struct{ *searched }

// Ask implements trends.Nodes.
func (c counted) Ask(ctx context.Context, node string, request []byte) ([]byte, error) {
	return c.deps.Transport.Call(ctx, p2p.NodeID(node), protoTrends, request)
}
