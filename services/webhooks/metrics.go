package webhooks

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type metrics struct {
	attempts *prometheus.CounterVec
	dead     prometheus.Counter
}

func newMetrics(r prometheus.Registerer, w *Worker) *metrics {
	factory := promauto.With(r)
	gauge := func(name, help string, value func() float64) {
		factory.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "grapevine", Subsystem: "webhooks", Name: name, Help: help}, func() float64 {
			w.mu.Lock()
			defer w.mu.Unlock()
			return value()
		})
	}
	gauge("pending_deliveries", "Deliveries that wait, of the partitions that this node leads.",
		func() float64 { return float64(w.size) })
	gauge("active_attempts", "Attempts under way.",
		func() float64 { return float64(w.active) })
	gauge("oldest_pending_seconds", "How long ago that was told which has waited longest, 0 when nothing waits.", func() float64 {
		at, waits := w.oldest()
		if !waits {
			return 0
		}
		return w.cfg.Now().Sub(at).Seconds()
	})
	m := &metrics{
		attempts: factory.NewCounterVec(prometheus.CounterOpts{Namespace: "grapevine", Subsystem: "webhooks", Name: "attempts_total",
			Help: "Attempts by outcome: accepted (2xx), refused (any other reply), unreachable (no reply), withdrawn (nothing left to send)."},
			[]string{"outcome"}),
		dead: factory.NewCounter(prometheus.CounterOpts{Namespace: "grapevine", Subsystem: "webhooks", Name: "dead_total",
			Help: "Deliveries that were given up."}),
	}
	// A series must be there at 0: of one that begins with its first event, rates and
	// alerts miss that event.
	for _, outcome := range []string{"accepted", "refused", "unreachable", "withdrawn"} {
		m.attempts.WithLabelValues(outcome)
	}
	return m
}
