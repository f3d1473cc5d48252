package node

import (
	"github.com/prometheus/client_golang/prometheus"

	"grapevine/node/trace"
)

// startTracing has requests followed from node to node: in the logs, and to a
// collector where there is one.
func (n *Node) startTracing(metrics prometheus.Registerer) {
	var exporter *trace.Exporter
	if n.cfg.OTLPEndpoint != "" {
		exporter = trace.NewExporter(n.cfg.OTLPEndpoint, n.deps.Transport.Self().Short(), n.log, metrics)
		n.parts.add("the traces", until(exporter.Run))
	}
	n.tracer = trace.New(n.log, exporter)
	n.deps.Transport = trace.Wrap(n.deps.Transport, n.tracer)
}
