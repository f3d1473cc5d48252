package badgerdb

import (
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"grapevine/store"
)

// metrics counts commits, and collects the engine's figures when asked.
type metrics struct {
	db             *DB
	registerer     prometheus.Registerer
	commits, syncs atomic.Uint64
	latency        prometheus.Histogram
	group          prometheus.Histogram
}

var _ prometheus.Collector = (*metrics)(nil)

var (
	commitsDesc  = describe("commits_total", "Batches committed.")
	syncsDesc    = describe("syncs_total", "Synced transactions that the commits took.")
	diskDesc     = describe("disk_bytes", "Bytes of the file system that the engine takes.")
	freeDesc     = describe("free_bytes", "Bytes that the file system has left.")
	readOnlyDesc = describe("read_only", "1 when too little space is left for writes.")
	tablesDesc   = describe("level_tables", "Tables in a level of the LSM tree.", "level")
	sizeDesc     = describe("level_bytes", "Bytes in a level of the LSM tree.", "level")
	cacheDesc    = describe("cache_hit_ratio", "Part of look-ups that a cache answered.", "cache")
)

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("grapevine_engine_"+name, help, labels, nil)
}

func newMetrics(db *DB) *metrics {
	return &metrics{
		db: db,
		latency: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "grapevine_engine_sync_seconds",
			Help:    "Time to write and sync a group of batches.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 2, 16),
		}),
		group: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "grapevine_engine_sync_batches",
			Help:    "Batches that shared a sync.",
			Buckets: prometheus.ExponentialBuckets(1, 2, 12),
		}),
	}
}

func (m *metrics) register(r prometheus.Registerer) error {
	if r == nil {
		return nil
	}
	m.registerer = r
	return r.Register(m)
}

func (m *metrics) unregister() {
	if m.registerer != nil {
		m.registerer.Unregister(m)
	}
}

// synced counts a group that was made durable.
func (m *metrics) synced(group []*store.Batch, took time.Duration) {
	m.commits.Add(uint64(len(group)))
	m.syncs.Add(1)
	m.latency.Observe(took.Seconds())
	m.group.Observe(float64(len(group)))
}

// Describe implements prometheus.Collector.
func (m *metrics) Describe(out chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{
		commitsDesc, syncsDesc, diskDesc, freeDesc, readOnlyDesc, tablesDesc, sizeDesc, cacheDesc,
	} {
		out <- desc
	}
	m.latency.Describe(out)
	m.group.Describe(out)
}

// Collect implements prometheus.Collector.
func (m *metrics) Collect(out chan<- prometheus.Metric) {
	gauge := func(desc *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, v, labels...)
	}
	stats := m.db.Stats()
	out <- prometheus.MustNewConstMetric(commitsDesc, prometheus.CounterValue, float64(stats.Commits))
	out <- prometheus.MustNewConstMetric(syncsDesc, prometheus.CounterValue, float64(stats.Syncs))
	gauge(diskDesc, float64(stats.DiskBytes))
	gauge(freeDesc, float64(stats.FreeBytes))
	readOnly := 0.0
	if stats.ReadOnly {
		readOnly = 1
	}
	gauge(readOnlyDesc, readOnly)
	m.latency.Collect(out)
	m.group.Collect(out)

	// As a view, so that the tree is not closed meanwhile.
	version, ok := m.db.views.enter()
	if !ok {
		return
	}
	defer m.db.views.leave(version)
	for _, level := range m.db.badger.Levels() {
		label := strconv.Itoa(level.Level)
		gauge(tablesDesc, float64(level.NumTables), label)
		gauge(sizeDesc, float64(level.Size), label)
	}
	gauge(cacheDesc, m.db.badger.BlockCacheMetrics().Ratio(), "block")
	gauge(cacheDesc, m.db.badger.IndexCacheMetrics().Ratio(), "index")
}
