package live

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"grapevine/services/social"
)

type metrics struct {
	streams prometheus.Gauge
	events  *prometheus.CounterVec
	gaps    prometheus.Counter
	wakes   prometheus.Counter
	lag     prometheus.Histogram
}

func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{
		streams: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "grapevine_live_streams", Help: "Streams that are open on this node.",
		}),
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "grapevine_live_events_total", Help: "Events given to streams, by kind.",
		}, []string{"kind"}),
		gaps: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "grapevine_live_gaps_total", Help: "Times that a stream was too far behind to be given everything.",
		}),
		wakes: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "grapevine_live_wakes_total", Help: "Times that the change log led to a list of this node being read.",
		}),
		lag: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "grapevine_live_lag_seconds", Help: "Time from the making of an item, by its id, to its being given to a stream.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 16),
		}),
	}
	if r != nil {
		r.MustRegister(m.streams, m.events, m.gaps, m.wakes, m.lag)
	}
	return m
}

// gave counts an item.
func (m *metrics) gave(kind Kind, id string, now time.Time) {
	m.events.WithLabelValues(string(kind)).Inc()
	m.lag.Observe(max(0, now.Sub(social.TimeOf(id)).Seconds()))
}
