package search

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"grapevine/services/social"
)

type indexMetrics struct{ lag prometheus.Gauge }

func newIndexMetrics(r prometheus.Registerer, documents func() float64) *indexMetrics {
	m := &indexMetrics{lag: prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "grapevine_search_lag_changes",
		Help: "Changes that were read from the change log and are not in the search index yet.",
	})}
	if r != nil {
		r.MustRegister(m.lag, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "grapevine_search_documents", Help: "Posts and users in this node's search index.",
		}, documents))
	}
	return m
}

type queryMetrics struct {
	seconds    *prometheus.HistogramVec
	unanswered prometheus.Counter
}

func newQueryMetrics(r prometheus.Registerer) *queryMetrics {
	m := &queryMetrics{
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "grapevine_search_seconds", Help: "Time of a search, by what was searched.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 14),
		}, []string{"type"}),
		unanswered: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "grapevine_search_unanswered_total", Help: "Partitions that no node answered for, summed over searches.",
		}),
	}
	if r != nil {
		r.MustRegister(m.seconds, m.unanswered)
	}
	return m
}

// time begins to measure a search and gives what ends it.
func (m *queryMetrics) time(kind social.SearchType) func() {
	begun := time.Now()
	return func() { m.seconds.WithLabelValues(string(kind)).Observe(time.Since(begun).Seconds()) }
}
