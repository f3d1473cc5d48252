package replica

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	applied    prometheus.Counter
	published  prometheus.Counter
	pushed     prometheus.Counter
	rounds     prometheus.Counter
	fetched    prometheus.Counter
	malformed  prometheus.Counter
	clockAhead prometheus.Counter

	fetchedBytes prometheus.Counter
	snapshots    prometheus.Counter
	hints        prometheus.Counter
	dropped      prometheus.Counter
	incarnations prometheus.Counter
	shunned      prometheus.Counter
	repairs      prometheus.Counter
	waited       prometheus.Histogram
}

func newMetrics(r prometheus.Registerer, s *Store) *metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: "grapevine", Subsystem: "replica", Name: name, Help: help})
	}
	m := &metrics{
		applied:    counter("applied_writes_total", "Writes applied on this node, whoever coordinated them."),
		published:  counter("published_bytes_total", "Bytes of batches published to owners."),
		pushed:     counter("pushed_batches_total", "Batches sent directly because no acknowledgement came in time."),
		rounds:     counter("sync_rounds_total", "Rounds of anti-entropy begun by this node."),
		fetched:    counter("fetched_writes_total", "Writes that anti-entropy brought here."),
		malformed:  counter("malformed_messages_total", "Messages of peers refused because they could not be read."),
		clockAhead: counter("clock_ahead_total", "Writes stored whose timestamp lies over 60 s ahead of this clock."),
	}
	m.fetchedBytes = counter("fetched_bytes_total", "Bytes of rows and dots that anti-entropy brought here.")
	m.snapshots = counter("snapshots_total", "Snapshots begun because what was missing here is no longer logged elsewhere.")
	m.hints = counter("hints_total", "Writes taken as a stand-in because no owner could be reached.")
	m.dropped = counter("dropped_copies_total", "Copies of partitions dropped after every owner had proved to have them.")
	m.incarnations = counter("incarnations_total", "New incarnations of this node, because its disk was not proved to be the newest.")
	m.shunned = counter("shunned_messages_total", "Messages left unread because their sender sent too many malformed ones.")
	m.repairs = counter("repaired_partitions_total", "Partitions whose rows differed from another owner's although the vectors did not.")
	m.waited = prometheus.NewHistogram(prometheus.HistogramOpts{
		Namespace: "grapevine", Subsystem: "replica", Name: "queue_seconds",
		Help:    "Time that writes, of clients and of peers, waited for their turn to be applied.",
		Buckets: prometheus.ExponentialBuckets(0.0001, 2.5, 13),
	})
	if r == nil {
		return m
	}
	unacked := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: "grapevine", Subsystem: "replica", Name: "unacknowledged_bytes",
		Help: "Bytes of batches that some reachable owner has not acknowledged.",
	}, func() float64 {
		s.outbox.mu.Lock()
		defer s.outbox.mu.Unlock()
		return float64(s.outbox.bytes)
	})
	r.MustRegister(m.applied, m.published, m.pushed, m.rounds, m.fetched, m.malformed, m.clockAhead, unacked,
		m.fetchedBytes, m.snapshots, m.hints, m.dropped, m.incarnations, m.shunned, m.repairs, m.waited)
	total := func(name, help string, of func(Totals) int64) {
		r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "grapevine", Subsystem: "replica", Name: name, Help: help},
			func() float64 { return float64(of(s.Totals())) }))
	}
	total("log_entries", "Writes logged until every owner is known to have them.", func(t Totals) int64 { return t.LogEntries })
	total("marked_rows", "Rows that remember a removal until what it removed has come.", func(t Totals) int64 { return t.Marks })
	total("hint_bytes", "Bytes kept for owners that could not be reached.", func(t Totals) int64 { return t.HintBytes })
	total("moved_bytes", "Bytes of copies that moved away, kept until every owner has proved its own.", func(t Totals) int64 { return t.MovedBytes })
	return m
}
