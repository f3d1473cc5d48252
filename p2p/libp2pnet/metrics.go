package libp2pnet

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type metrics struct {
	dials         *prometheus.CounterVec
	overloaded    prometheus.Counter
	badFrames     prometheus.Counter
	panics        prometheus.Counter
	gossipDropped *prometheus.CounterVec
}

func newMetrics(reg prometheus.Registerer) metrics {
	f := promauto.With(reg)
	return metrics{
		dials: f.NewCounterVec(prometheus.CounterOpts{
			Name: "grapevine_p2p_dials_total",
			Help: "Attempts to connect to a peer, by outcome (ok, failed).",
		}, []string{"outcome"}),
		overloaded: f.NewCounter(prometheus.CounterOpts{
			Name: "grapevine_p2p_overloaded_total",
			Help: "Calls and messages given up because the queue towards the peer was full.",
		}),
		badFrames: f.NewCounter(prometheus.CounterOpts{
			Name: "grapevine_p2p_bad_frames_total",
			Help: "Streams closed because of an oversized or malformed frame.",
		}),
		panics: f.NewCounter(prometheus.CounterOpts{
			Name: "grapevine_p2p_handler_panics_total",
			Help: "Panics recovered in handlers of requests and of gossip.",
		}),
		gossipDropped: f.NewCounterVec(prometheus.CounterOpts{
			Name: "grapevine_gossip_dropped_total",
			Help: "Gossip messages lost, by where: outbound (queue to a peer full), rejected (not accepted), undelivered (subscriber too slow).",
		}, []string{"where"}),
	}
}
