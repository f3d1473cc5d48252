package node

import (
	"maps"

	"github.com/prometheus/client_golang/prometheus"

	"grapevine/services/coherent"
)

// cacheFigures is the caches of the services as a Prometheus collector: what they
// count is read when metrics are.
type cacheFigures map[string]coherent.Measured

// measureCaches registers the caches of services, whose names are unique.
func measureCaches(metrics prometheus.Registerer, services ...interface {
	Caches() map[string]coherent.Measured
}) error {
	all := cacheFigures{}
	for _, s := range services {
		maps.Copy(all, s.Caches())
	}
	return metrics.Register(all)
}

var (
	cacheHits      = cacheDesc("hits_total", "Look-ups that found a value in a cache.")
	cacheMisses    = cacheDesc("misses_total", "Look-ups that found none.")
	cacheEvictions = cacheDesc("evictions_total", "Values that went from a cache for want of room.")
	cacheEntries   = cacheDesc("entries", "Values in a cache.")
	cacheBytes     = cacheDesc("bytes", "What the values in a cache weigh.")
)

func cacheDesc(name, help string) *prometheus.Desc {
	return prometheus.NewDesc("grapevine_cache_"+name, help, []string{"cache"}, nil)
}

// Describe implements prometheus.Collector.
func (c cacheFigures) Describe(descs chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{cacheHits, cacheMisses, cacheEvictions, cacheEntries, cacheBytes} {
		descs <- d
	}
}

// Collect implements prometheus.Collector.
func (c cacheFigures) Collect(metrics chan<- prometheus.Metric) {
	for name, cache := range c {
		f := cache.Figures()
		counter := func(d *prometheus.Desc, v uint64) {
			metrics <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), name)
		}
		counter(cacheHits, f.Hits)
		counter(cacheMisses, f.Misses)
		counter(cacheEvictions, f.Evictions)
		metrics <- prometheus.MustNewConstMetric(cacheEntries, prometheus.GaugeValue, float64(f.Entries), name)
		metrics <- prometheus.MustNewConstMetric(cacheBytes, prometheus.GaugeValue, float64(f.Bytes), name)
	}
}
