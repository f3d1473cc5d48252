package routing

import (
	"cmp"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"grapevine/p2p"
	"grapevine/store/replica"
)

// Peer is how a node, this one included, does one kind of operation as seen from
// here.
type Peer struct {
	Node     p2p.NodeID
	Op       replica.Op
	Alive    bool
	Latency  time.Duration // what a call is expected to take
	InFlight int
	Errors   float64 // share of calls that failed or were refused, smoothed
	// EjectedUntil is when it is tried again, zero while it is not ejected.
	EjectedUntil time.Time
	// Trial says that it is new or was ejected, and has not answered well since.
	Trial bool
}

// Snapshot gives what is known of all nodes that were asked, by name and operation.
func (r *Router) Snapshot() []Peer {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.cfg.Now()
	out := make([]Peer, 0, len(r.health))
	for k, h := range r.health {
		p := Peer{
			Node: k.node, Op: k.op, Alive: k.node == r.cfg.Self || r.cfg.Alive(k.node),
			Latency: h.delay(now), InFlight: h.calls.Len(), Errors: h.errors, Trial: h.trial,
		}
		if now.Before(h.until) {
			p.EjectedUntil = h.until
		}
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b Peer) int {
		return cmp.Or(cmp.Compare(a.Node, b.Node), cmp.Compare(a.Op, b.Op))
	})
	return out
}

var (
	descLatency = desc("expected_latency_seconds", "What a call to a node is expected to take.", "peer", "op")
	descFlight  = desc("calls_in_flight", "Calls to a node that have not ended.", "peer", "op")
	descErrors  = desc("error_ratio", "Share of the recent calls to a node that failed or were refused.", "peer", "op")
	descEjected = desc("ejected", "1 while a node is left out because it was slow or failed.", "peer", "op")
	descAgain   = desc("repetitions_total", "Retries and hedges, by whether the budget allowed them.", "granted")
	descHedge   = desc("hedge_delay_seconds", "After how long a second node is asked.", "op")
)

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(prometheus.BuildFQName("grapevine", "routing", name), help, labels, nil)
}

// Describe implements prometheus.Collector.
func (r *Router) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descLatency, descFlight, descErrors, descEjected, descAgain, descHedge} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (r *Router) Collect(out chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	for _, p := range r.Snapshot() {
		peer, op := string(p.Node), p.Op.String()
		ejected := 0.0
		if !p.EjectedUntil.IsZero() {
			ejected = 1
		}
		gauge(descLatency, p.Latency.Seconds(), peer, op)
		gauge(descFlight, float64(p.InFlight), peer, op)
		gauge(descErrors, p.Errors, peer, op)
		gauge(descEjected, ejected, peer, op)
	}
	for op := range replica.Ops {
		gauge(descHedge, r.HedgeAfter(op).Seconds(), op.String())
	}
	r.mu.Lock()
	again, refused := r.again, r.refused
	r.mu.Unlock()
	out <- prometheus.MustNewConstMetric(descAgain, prometheus.CounterValue, float64(again), "true")
	out <- prometheus.MustNewConstMetric(descAgain, prometheus.CounterValue, float64(refused), "false")
}
