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
	r.MustRegister(m.applied, m.published, m.pushed, m.rounds, m.fetched, m.malformed, m.clockAhead, unacked)
	return m
}
