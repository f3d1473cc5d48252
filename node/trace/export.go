package trace

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

const (
	// maxQueue bounds the spans that wait; more are dropped and counted.
	maxQueue = 4096
	// maxBatch bounds the spans of a request to the collector.
	maxBatch = 512
	// batchTime is how long a span waits for others.
	batchTime = time.Second
	// exportTimeout bounds a request to the collector. What it does not take then is
	// lost: traces are not worth the memory that would keep them.
	exportTimeout = 5 * time.Second
	// complaintPace bounds what is logged of a collector that does not answer.
	complaintPace = time.Minute
)

// record is a span that has ended.
type record struct {
	span       *Span
	name       string
	end        time.Time
	failure    string
	attributes []Attribute
}

// Exporter sends spans to a collector.
type Exporter struct {
	url, node string
	log       *slog.Logger
	http      *http.Client
	queue     chan record
	spans     *prometheus.CounterVec
	complain  time.Time // not again before, used by Run alone
}

// NewExporter makes an Exporter to the collector at an OTLP/HTTP endpoint such as
// http://127.0.0.1:4318, in the name of a node. Run does the sending.
func NewExporter(endpoint, node string, log *slog.Logger, metrics prometheus.Registerer) *Exporter {
	e := &Exporter{
		url: strings.TrimRight(endpoint, "/") + "/v1/traces", node: node, log: log,
		http: &http.Client{Timeout: exportTimeout}, queue: make(chan record, maxQueue),
		spans: promauto.With(metrics).NewCounterVec(prometheus.CounterOpts{
			Name: "grapevine_trace_spans_total",
			Help: "Spans made, by what became of them: exported, dropped (too many waited) or refused (the collector did not take them).",
		}, []string{"outcome"}),
	}
	for _, outcome := range []string{"exported", "dropped", "refused"} {
		e.spans.WithLabelValues(outcome) // shown before the first
	}
	return e
}

func (e *Exporter) add(r record) {
	select {
	case e.queue <- r:
	default:
		e.spans.WithLabelValues("dropped").Inc()
	}
}

// Run sends what is added until ctx ends, and then what waits.
func (e *Exporter) Run(ctx context.Context) {
	defer e.http.CloseIdleConnections()
	for {
		select {
		case first := <-e.queue:
			e.send(e.batch(ctx, first))
		case <-ctx.Done():
			for len(e.queue) > 0 {
				e.send(e.batch(ctx, <-e.queue))
			}
			return
		}
	}
}

// batch collects the spans of one request.
func (e *Exporter) batch(ctx context.Context, first record) []record {
	out := []record{first}
	patience := time.NewTimer(batchTime)
	defer patience.Stop()
	for len(out) < maxBatch {
		select {
		case r := <-e.queue:
			out = append(out, r)
			continue
		default:
		}
		select {
		case r := <-e.queue:
			out = append(out, r)
		case <-patience.C:
			return out
		case <-ctx.Done():
			return out
		}
	}
	return out
}

// send is given no context of its caller: a node that stops still tells what it did.
func (e *Exporter) send(batch []record) {
	outcome := "exported"
	if err := e.post(encode(e.node, batch)); err != nil {
		outcome = "refused"
		if now := time.Now(); now.After(e.complain) {
			e.complain = now.Add(complaintPace)
			e.log.Warn("traces are lost: see that the collector of --otlp-endpoint runs", "error", err, "spans", len(batch))
		}
	}
	e.spans.WithLabelValues(outcome).Add(float64(len(batch)))
}

func (e *Exporter) post(body []byte) error {
	reply, err := e.http.Post(e.url, "application/json", bytes.NewReader(body))
	if err != nil {
		return err
	}
	defer reply.Body.Close()
	_, _ = io.CopyN(io.Discard, reply.Body, 64<<10) // so that the connection is used again
	if reply.StatusCode/100 != 2 {
		return fmt.Errorf("the collector answers %s", reply.Status)
	}
	return nil
}
