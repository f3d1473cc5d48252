package node

import (
	"context"
	"net/netip"

	"github.com/prometheus/client_golang/prometheus"

	"grapevine/node/outbound"
	"grapevine/services/schema"
	"grapevine/services/webhooks"
	"grapevine/store"
)

// startWebhooks starts to send to webhooks and gives the service that keeps them.
func (n *Node) startWebhooks(metrics prometheus.Registerer, content webhooks.Content) *webhooks.Service {
	permitted := outbound.Public
	if n.cfg.WebhookAllowPrivate {
		permitted = func(netip.Addr) bool { return true }
	}
	sender := n.deps.Webhooks
	if sender == nil {
		poster := outbound.NewPoster(permitted)
		n.parts.add("the connections to webhooks", poster.Close)
		sender = poster
	}
	key := n.deps.Secret.Key("signatures of webhooks")
	worker := webhooks.NewWorker(webhooks.WorkerConfig{
		Log: n.store, Rows: n.store, Leads: n.store.Leads, Lags: n.store.Lags,
		Partitions:  n.partitions,
		PartitionOf: func(slot store.Slot) store.Partition { return n.store.Ring().PartitionOf(slot) },
		Hooks: func(wanted []store.Partition, after string, limit int) ([]store.Entry, error) {
			return n.store.ScanIndexHere(store.IndexRange{Family: schema.FamilyWebhook, After: after, Limit: limit}, wanted)
		},
		Content: content, Sender: sender, Key: key,
		Now: n.deps.Now, Logger: n.log, Metrics: metrics,
	})
	n.parts.add("the delivery to webhooks", until(func(ctx context.Context) {
		select {
		case <-n.store.Serving():
			worker.Run(ctx)
		case <-ctx.Done():
		}
	}))
	return webhooks.New(webhooks.Config{Rows: n.store, Key: key, Permitted: permitted, Now: n.deps.Now})
}
