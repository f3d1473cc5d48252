package node

import (
	"context"
	"fmt"
	"runtime"

	dto "github.com/prometheus/client_model/go"

	"grapevine/node/client"
)

// Load implements httpapi.Inspector: it reads the figures that /metrics shows.
func (i *inspector) Load(context.Context) (client.Load, error) {
	f, err := i.measured()
	if err != nil {
		return client.Load{}, err
	}
	engine := i.deps.Engine.Stats()
	requests, failed := f.requests()
	syncs := f.histogram("grapevine_engine_sync_seconds")
	return client.Load{
		Node: string(i.ID()), At: i.deps.Now().UTC(), UptimeSeconds: i.deps.Now().Sub(i.started).Seconds(),
		Requests: client.Requests{
			Served: requests.count, Failed: failed, InFlight: f.sum("grapevine_http_requests_in_flight"),
			Seconds: requests.seconds, Buckets: requests.buckets,
		},
		Writes: f.sum("grapevine_replica_applied_writes_total"),
		Disk: client.Disk{
			Syncs: float64(engine.Syncs), SyncSeconds: syncs.seconds, Buckets: syncs.buckets,
			UsedBytes: float64(engine.DiskBytes), FreeBytes: float64(engine.FreeBytes),
		},
		Waiting: client.Waiting{
			Fanout: f.sum("grapevine_fanout_pending_changes"), Search: f.sum("grapevine_search_lag_changes"),
			Unacknowledged: f.sum("grapevine_replica_unacknowledged_bytes"),
			Log:            f.sum("grapevine_replica_log_entries"), Hints: f.sum("grapevine_replica_hint_bytes"),
		},
		Network: client.Network{SentBytes: f.sum("grapevine_p2p_sent_bytes_total"), ReceivedBytes: f.sum("grapevine_p2p_received_bytes_total")},
		Process: client.Process{
			CPUSeconds: f.sum("process_cpu_seconds_total"), MemoryBytes: f.sum("process_resident_memory_bytes"),
			Goroutines: float64(runtime.NumGoroutine()),
		},
		Hot: i.heat.told(),
	}, nil
}

// measured reads the metrics of the node.
func (i *inspector) measured() (figures, error) {
	gathered, err := i.figures.Gather()
	if err != nil {
		return nil, fmt.Errorf("gathering the figures of the node: %w", err)
	}
	f := figures{}
	for _, family := range gathered {
		f[family.GetName()] = family.GetMetric()
	}
	return f, nil
}

// figures are metrics by name. One that is not there counts as 0: a simulated node
// has no process of its own.
type figures map[string][]*dto.Metric

// sum adds up a counter or a gauge over its labels.
func (f figures) sum(name string) (total float64) {
	for _, m := range f[name] {
		total += m.GetCounter().GetValue() + m.GetGauge().GetValue()
	}
	return total
}

// times is a histogram of seconds.
type times struct {
	count, seconds float64
	buckets        []client.Bucket
}

func (t *times) add(h *dto.Histogram) {
	t.count += float64(h.GetSampleCount())
	t.seconds += h.GetSampleSum()
	for i, b := range h.GetBucket() {
		if i == len(t.buckets) {
			t.buckets = append(t.buckets, client.Bucket{Seconds: b.GetUpperBound()})
		}
		t.buckets[i].Count += float64(b.GetCumulativeCount())
	}
}

// histogram adds up a histogram over its labels.
func (f figures) histogram(name string) times {
	t := times{buckets: []client.Bucket{}}
	for _, m := range f[name] {
		t.add(m.GetHistogram())
	}
	return t
}

// requests adds up the requests of the API, and counts those that failed.
func (f figures) requests() (all times, failed float64) {
	const name = "grapevine_http_request_duration_seconds"
	for _, m := range f[name] {
		for _, label := range m.GetLabel() {
			if label.GetName() == "class" && label.GetValue() == "5xx" {
				failed += float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	return f.histogram(name), failed
}
