package httpapi

import (
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the rate, the errors and the duration of requests by route: 17 series
// for each route, method and class of replies that has occurred, so some 350 on a busy
// node, and 8 000 should all of a hundred routes have replied in all five classes.
type metrics struct {
	duration *prometheus.HistogramVec
}

func newMetrics(reg *prometheus.Registry, door *admission) (*metrics, error) {
	m := &metrics{duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "grapevine_http_request_duration_seconds",
		Help:    "Time from a request's header to the end of its handler.",
		Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
	}, []string{"route", "method", "class"})}
	gauge := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "grapevine_http_requests_in_flight",
		Help: "Requests being served, probes and the operator's aside.",
	}, func() float64 { inside, _, _ := door.state(); return float64(inside) })
	for _, c := range []prometheus.Collector{m.duration, gauge, door} {
		if err := reg.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *metrics) observe(r *http.Request, status int, took time.Duration) {
	m.duration.WithLabelValues(route(r), method(r), statusClass(status)).Observe(took.Seconds())
}

// route gives the pattern that a request matched, never its path: labels are
// bounded.
func route(r *http.Request) string {
	_, pattern, ok := strings.Cut(r.Pattern, " ")
	if !ok {
		return "none"
	}
	return pattern
}

func method(r *http.Request) string {
	switch r.Method {
	case "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE":
		return r.Method
	}
	return "other"
}

func statusClass(status int) string {
	switch status / 100 {
	case 1:
		return "1xx"
	case 2:
		return "2xx"
	case 3:
		return "3xx"
	case 4:
		return "4xx"
	default:
		return "5xx"
	}
}
