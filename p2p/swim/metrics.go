package swim

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// How members reach one another, and why they are refused, as metrics say it.
const (
	overPackets = "packets"
	overStreams = "streams"

	refusedStranger  = "stranger"  // does not hold the cluster's secret
	refusedMalformed = "malformed" // holds it, and sends what no member sends
	refusedCrowd     = "crowd"     // too many streams at the door
)

type metrics struct {
	claims         prometheus.Counter
	refused        *prometheus.CounterVec
	sent, received *prometheus.CounterVec
}

func newMetrics(reg prometheus.Registerer, count func(alive bool) float64) metrics {
	f := promauto.With(reg)
	for _, alive := range []bool{true, false} {
		f.NewGaugeFunc(prometheus.GaugeOpts{
			Name:        "grapevine_members",
			Help:        "Members known, this node included, by whether they are alive.",
			ConstLabels: prometheus.Labels{"alive": fmt.Sprint(alive)},
		}, func() float64 { return count(alive) })
	}
	return metrics{
		claims: f.NewCounter(prometheus.CounterOpts{
			Name: "grapevine_members_refused_total",
			Help: "Claims about a member that its identity had not signed.",
		}),
		refused: f.NewCounterVec(prometheus.CounterOpts{
			Name: "grapevine_swim_refused_total",
			Help: "Packets and streams of failure detection dropped, by reason: stranger (without the cluster's secret), malformed (with it), crowd (too many streams at once).",
		}, []string{"reason"}),
		sent: f.NewCounterVec(prometheus.CounterOpts{
			Name: "grapevine_swim_sent_bytes_total",
			Help: "Bytes sent for failure detection and membership, sealed, by over: packets or streams.",
		}, []string{"over"}),
		received: f.NewCounterVec(prometheus.CounterOpts{
			Name: "grapevine_swim_received_bytes_total",
			Help: "Bytes received from members for failure detection and membership, sealed, by over: packets or streams.",
		}, []string{"over"}),
	}
}
