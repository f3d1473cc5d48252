package node

import (
	"github.com/prometheus/client_golang/prometheus"

	"grapevine/crdt/causal"
	"grapevine/store"
)

// inspector looks into the node for its operators.
type inspector struct {
	*Node
	figures prometheus.Gatherer
	links   *links
}

// inspect begins to answer the questions of the other nodes' inspectors.
func (n *Node) inspect(figures prometheus.Gatherer) *inspector {
	i := &inspector{Node: n, figures: figures, links: newLinks(n.deps.Transport, n.deps.Now)}
	n.inspector = i
	n.deps.Transport.Handle(protoClock, i.answerClock)
	n.deps.Transport.Handle(protoHeld, i.answerHeld)
	n.deps.Transport.Handle(protoReport, i.answerReport)
	return i
}

// coordinated counts what is hot, and passes on to who compares.
func (n *Node) coordinated(p store.Partition, dot causal.Dot, rows []store.Entry) {
	n.heat.note(p, rows)
	if n.deps.Coordinated != nil {
		n.deps.Coordinated(p, dot, rows)
	}
}
