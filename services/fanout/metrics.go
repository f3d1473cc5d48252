package fanout

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type metrics struct {
	pending   prometheus.Gauge
	writes    prometheus.Counter
	mutations prometheus.Counter
	errors    prometheus.Counter
	passed    prometheus.Counter
	takenOver prometheus.Counter
	mended    prometheus.Counter
	delay     prometheus.Histogram
}

func newMetrics(r prometheus.Registerer) *metrics {
	factory := promauto.With(r)
	counter := func(name, help string) prometheus.Counter {
		return factory.NewCounter(prometheus.CounterOpts{Namespace: "grapevine", Subsystem: "fanout", Name: name, Help: help})
	}
	return &metrics{
		pending: factory.NewGauge(prometheus.GaugeOpts{Namespace: "grapevine", Subsystem: "fanout", Name: "pending_changes",
			Help: "Changes of the log whose consequences are not known to be written, by this node or another."}),
		writes:    counter("writes_total", "Writes of consequences that were acknowledged."),
		mutations: counter("mutations_total", "Rows that these writes put or removed."),
		errors:    counter("errors_total", "Attempts that failed and are made again."),
		passed:    counter("passed_total", "Changes given up because they cannot be acted on; see the log."),
		takenOver: counter("taken_over_total", "Changes of partitions that another node led when they came."),
		mended:    counter("mended_total", "Mirrors of acts that differed from these when both were looked at once more, and were put or removed."),
		delay: factory.NewHistogram(prometheus.HistogramOpts{Namespace: "grapevine", Subsystem: "fanout", Name: "delay_seconds",
			Help:    "Time from reading a change to the acknowledgement of its consequences.",
			Buckets: prometheus.ExponentialBuckets(0.001, 4, 8)}),
	}
}
