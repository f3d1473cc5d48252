package node

import (
	"runtime"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"grapevine/node/client"
)

// newMetrics makes a registry with the figures of the process itself.
func newMetrics() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// nodeMetrics tells at each scrape what Health would judge by. It asks no peer.
type nodeMetrics struct{ *cluster }

var (
	buildDesc = prometheus.NewDesc("grapevine_build_info",
		"Always 1, with the version of the build.", []string{"version", "goversion"}, nil)
	readyDesc = prometheus.NewDesc("grapevine_ready",
		"1 while the node serves its share.", nil, nil)
	partitionsDesc = prometheus.NewDesc("grapevine_partitions",
		"Partitions of this node: owned, and of those caught_up, under_replicated (an owner is down) and held_back (the log waits for a member's word); coming, which it is to own; hinted, kept for owners out of reach; moved, kept until others have proved their copies.", []string{"state"}, nil)
	transfersDesc = prometheus.NewDesc("grapevine_transfers_running",
		"Copies of partitions on their way to this node.", nil, nil)
)

// Describe implements prometheus.Collector.
func (nodeMetrics) Describe(out chan<- *prometheus.Desc) {
	out <- buildDesc
	out <- readyDesc
	out <- partitionsDesc
	out <- transfersDesc
}

// Collect implements prometheus.Collector.
func (m nodeMetrics) Collect(out chan<- prometheus.Metric) {
	gauge := func(desc *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, v, labels...)
	}
	gauge(buildDesc, 1, version(), runtime.Version())
	ready := 0.0
	if ok, _ := m.ready(); ok {
		ready = 1
	}
	gauge(readyDesc, ready)
	var h client.Health
	held := 0
	for _, p := range m.store.Status() {
		m.count(&h, p)
		if slices.Contains(p.Owners, m.deps.Transport.Self()) && len(p.HeldBack) > 0 {
			held++
		}
	}
	for state, n := range map[string]int{
		"owned": h.Partitions.Owned, "caught_up": h.Partitions.CaughtUp,
		"under_replicated": h.Partitions.UnderReplicated, "held_back": held,
		"coming": h.Partitions.Coming, "hinted": h.Kept.Hints, "moved": h.Kept.Moved,
	} {
		gauge(partitionsDesc, float64(n), state)
	}
	gauge(transfersDesc, float64(len(h.Transfers)))
}

// loadMetrics tells the head-room as it was last estimated. Throughput, response time
// and queue latency are rates of the histograms that are served beside it.
type loadMetrics struct{ *Node }

var headRoomDesc = prometheus.NewDesc("grapevine_head_room_ratio",
	"Share of what the node can do that is left: of its processors (cpu), of the requests admitted at once (requests), of the space for data (disk).", []string{"resource"}, nil)

// Describe implements prometheus.Collector.
func (loadMetrics) Describe(out chan<- *prometheus.Desc) { out <- headRoomDesc }

// Collect implements prometheus.Collector.
func (m loadMetrics) Collect(out chan<- prometheus.Metric) {
	e := m.load.Load()
	if e == nil {
		return
	}
	for resource, v := range map[string]float64{"cpu": e.HeadRoom.CPU, "requests": e.HeadRoom.Requests, "disk": e.HeadRoom.Disk} {
		out <- prometheus.MustNewConstMetric(headRoomDesc, prometheus.GaugeValue, v, resource)
	}
}
