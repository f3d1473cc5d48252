package node

import (
	"context"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"grapevine/node/httpapi"
	"grapevine/p2p"
	"grapevine/services/live"
	"grapevine/services/social"
	"grapevine/store"
)

// protoLive follows lists at a node that owns them: the messages are those of
// services/live.
const protoLive = "node/live"

// startLive starts what streams are told by.
func (n *Node) startLive(metrics prometheus.Registerer, posts live.Posts, inbox live.Inbox) streams {
	n.live = live.New(live.Config{
		Store: n.store, Nodes: (*hosts)(n), Posts: posts, Inbox: inbox,
		Now: n.deps.Now, MaxStreams: n.cfg.MaxStreams, Logger: n.log, Metrics: metrics,
	})
	n.deps.Transport.Handle(protoLive, func(ctx context.Context, from p2p.NodeID, request []byte) ([]byte, error) {
		return n.live.Answer(ctx, string(from), request)
	})
	n.parts.add("live streams", until(func(ctx context.Context) {
		select {
		case <-n.store.Serving():
			n.live.Run(ctx)
		case <-ctx.Done():
			n.live.Drain()
		}
	}))
	return streams{n.live}
}

// streams is the live service as the API wants it.
type streams struct{ service *live.Service }

// Open implements httpapi.Live.
func (s streams) Open(ctx context.Context, who social.Identity, channels []string, after string) (httpapi.Stream, error) {
	opened, err := s.service.Open(ctx, who, channels, after)
	if err != nil {
		return nil, err
	}
	return opened, nil
}

// hosts is the node as the streams want the cluster.
type hosts Node

// Partitions implements live.Nodes.
func (h *hosts) Partitions() int { return (*Node)(h).partitions() }

// PartitionOf implements live.Nodes.
func (h *hosts) PartitionOf(slot store.Slot) store.Partition { return h.store.Ring().PartitionOf(slot) }

// Hosts implements live.Nodes.
func (h *hosts) Hosts(p store.Partition) []string {
	ring, self := h.store.Ring(), h.deps.Transport.Self()
	if ring == nil {
		return nil
	}
	owners := ring.Owners(p)
	if slices.Contains(owners, self) && !h.store.Lags(p) {
		return []string{""}
	}
	var found []string
	for _, id := range owners {
		if id != self && h.deps.Members.Alive(id) {
			found = append(found, string(id))
		}
	}
	return found
}

// Ask implements live.Nodes.
func (h *hosts) Ask(ctx context.Context, node string, request []byte) ([]byte, error) {
	return h.deps.Transport.Call(ctx, p2p.NodeID(node), protoLive, request)
}
