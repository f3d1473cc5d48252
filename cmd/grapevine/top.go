package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"grapevine/node/client"
)

type topVerb struct {
	operator `embed:""`

	Once  bool          `help:"Measure once and end."`
	Every time.Duration `default:"2s" help:"How long each measurement takes. (${default})"`
	Hot   int           `default:"5" help:"How many hot partitions and keys to show. (${default})"`
}

// Help implements kong.HelpProvider.
func (topVerb) Help() string {
	return `Throughput, latency, what waits and what is hot in the whole cluster, live until Ctrl-C. P50 and P99
are of requests in the time shown, to the accuracy of the histogram at /metrics. FANOUT and SEARCH
count changes whose consequences are not written yet, UNACKED bytes that some owner has not confirmed.
Hot keys are those that are written most; whose they are is shown to the operator alone.

  grapevine top
  grapevine top --secret-file secret
  grapevine top --once -o json | jq '.nodes[] | {id, requests_per_s, p99_ms}'`
}

func (v *topVerb) Run(c *console) error {
	every := max(v.Every, leastEvery)
	c, _, err := v.within(c)
	if err != nil {
		return err
	}
	before, err := loads(c, every)
	if err != nil {
		return c.asked(err)
	}
	measure := func(c *console) error {
		if !pause(c.ctx, every) {
			return nil
		}
		now, err := loads(c, every)
		if err != nil {
			return c.asked(err)
		}
		r := compare(before, now)
		before = now
		if c.json {
			return c.encode(r)
		}
		r.print(c, v.Hot)
		return nil
	}
	return watching{Watch: !v.Once, Every: leastEvery}.run(c, measure)
}

// leastWait bounds how long a node has to answer, however often it is asked.
const leastWait = 2 * time.Second

func loads(c *console, every time.Duration) ([]answer[client.Load], error) {
	question := func(ctx context.Context, c *client.Client) (client.Load, error) { return c.Load(ctx) }
	return everyone(c.ctx, c.client, max(every, leastWait), question, func(l client.Load) string { return l.Node })
}

// topReport is what top answers.
type topReport struct {
	Seconds    float64               `json:"seconds"` // between the two looks at the first node
	Requests   float64               `json:"requests_per_s"`
	Nodes      []topNode             `json:"nodes"`
	Partitions []client.HotPartition `json:"hot_partitions"`
	Keys       []client.HotKey       `json:"hot_keys"`
	HotSeconds float64               `json:"hot_seconds"` // over how long the hot ones were counted
}

// topNode is one node's rates and what waits there.
type topNode struct {
	ID       string  `json:"id"`
	Error    string  `json:"error,omitempty"` // why nothing is known of it
	Requests float64 `json:"requests_per_s"`
	Failed   float64 `json:"failed_per_s"`
	InFlight float64 `json:"in_flight"`
	P50      float64 `json:"p50_ms"`
	P99      float64 `json:"p99_ms"`
	Writes   float64 `json:"writes_per_s"` // applied, whoever coordinated them
	Syncs    float64 `json:"syncs_per_s"`
	SyncP99  float64 `json:"sync_p99_ms"`
	Fanout   float64 `json:"fanout_changes"`
	Search   float64 `json:"search_changes"`
	Unacked  float64 `json:"unacknowledged_bytes"`
	Sent     float64 `json:"sent_bytes_per_s"`
	Received float64 `json:"received_bytes_per_s"`
	CPU      float64 `json:"cpu_cores"`
	Memory   float64 `json:"memory_bytes"`
}

// compare makes rates of two looks at the cluster. It is pure.
func compare(before, now []answer[client.Load]) topReport {
	r := topReport{Nodes: []topNode{}, Partitions: []client.HotPartition{}, Keys: []client.HotKey{}}
	partitions, keys := map[int]int{}, map[client.HotKey]client.HotKey{}
	for _, a := range now {
		i := slices.IndexFunc(before, func(b answer[client.Load]) bool { return b.member.ID == a.member.ID && b.err == nil })
		switch {
		case a.err != nil:
			r.Nodes = append(r.Nodes, topNode{ID: a.member.ID, Error: a.err.Error()})
			continue
		case i < 0 || before[i].said.UptimeSeconds > a.said.UptimeSeconds:
			r.Nodes = append(r.Nodes, topNode{ID: a.member.ID, Error: "it has just started"})
			continue
		}
		n := rates(before[i].said, a.said)
		r.Nodes = append(r.Nodes, n)
		r.Requests += n.Requests
		r.Seconds = max(r.Seconds, a.said.UptimeSeconds-before[i].said.UptimeSeconds)
		r.HotSeconds = max(r.HotSeconds, a.said.Hot.Seconds)
		for _, p := range a.said.Hot.Partitions {
			partitions[p.Partition] += p.Writes
		}
		for _, k := range a.said.Hot.Keys {
			id := client.HotKey{Kind: k.Kind, Owner: k.Owner, Partition: k.Partition}
			sum := keys[id]
			id.Writes, id.Over = sum.Writes+k.Writes, sum.Over+k.Over
			keys[client.HotKey{Kind: k.Kind, Owner: k.Owner, Partition: k.Partition}] = id
		}
	}
	for p, n := range partitions {
		r.Partitions = append(r.Partitions, client.HotPartition{Partition: p, Writes: n})
	}
	for _, k := range keys {
		r.Keys = append(r.Keys, k)
	}
	slices.SortFunc(r.Partitions, func(a, b client.HotPartition) int { return cmp.Or(b.Writes-a.Writes, a.Partition-b.Partition) })
	slices.SortFunc(r.Keys, func(a, b client.HotKey) int {
		return cmp.Or(b.Writes-a.Writes, cmp.Compare(a.Owner, b.Owner), cmp.Compare(a.Kind, b.Kind))
	})
	return r
}

// rates makes rates of two looks at a node.
func rates(before, now client.Load) topNode {
	seconds := now.UptimeSeconds - before.UptimeSeconds
	per := func(before, now float64) float64 {
		if seconds <= 0 {
			return 0
		}
		return max(now-before, 0) / seconds
	}
	requests := since(before.Requests.Buckets, now.Requests.Buckets)
	syncs := since(before.Disk.Buckets, now.Disk.Buckets)
	return topNode{
		ID:       now.Node,
		Requests: per(before.Requests.Served, now.Requests.Served),
		Failed:   per(before.Requests.Failed, now.Requests.Failed),
		InFlight: now.Requests.InFlight,
		P50:      1000 * quantile(0.5, requests, now.Requests.Served-before.Requests.Served),
		P99:      1000 * quantile(0.99, requests, now.Requests.Served-before.Requests.Served),
		Writes:   per(before.Writes, now.Writes),
		Syncs:    per(before.Disk.Syncs, now.Disk.Syncs),
		SyncP99:  1000 * quantile(0.99, syncs, now.Disk.Syncs-before.Disk.Syncs),
		Fanout:   now.Waiting.Fanout, Search: now.Waiting.Search, Unacked: now.Waiting.Unacknowledged,
		Sent:     per(before.Network.SentBytes, now.Network.SentBytes),
		Received: per(before.Network.ReceivedBytes, now.Network.ReceivedBytes),
		CPU:      per(before.Process.CPUSeconds, now.Process.CPUSeconds),
		Memory:   now.Process.MemoryBytes,
	}
}

// since gives what has come into a histogram.
func since(before, now []client.Bucket) []client.Bucket {
	out := slices.Clone(now)
	for i := range out {
		if i < len(before) && before[i].Seconds == out[i].Seconds {
			out[i].Count -= before[i].Count
		}
	}
	return out
}

// quantile estimates a quantile of a cumulative histogram by linear interpolation
// within a bucket, as histogram_quantile of Prometheus does. What lies beyond the
// last bucket counts as its bound; total may be 0.
func quantile(q float64, buckets []client.Bucket, total float64) float64 {
	rank := q * total
	if total <= 0 || len(buckets) == 0 {
		return 0
	}
	var low, below float64
	for _, b := range buckets {
		if b.Count >= rank {
			if b.Count == below {
				return b.Seconds
			}
			return low + (b.Seconds-low)*(rank-below)/(b.Count-below)
		}
		low, below = b.Seconds, b.Count
	}
	return low
}

func (r topReport) print(c *console, hot int) {
	fmt.Fprintf(c.out, "%.0f requests/s on %s, measured over %.1f s\n\n", r.Requests, count(len(r.Nodes), "node"), r.Seconds)
	t := head("node", "req/s", "5xx/s", "in flight", "p50 ms", "p99 ms", "writes/s", "syncs/s", "sync p99 ms",
		"fanout", "search", "unacked", "sent/s", "received/s", "cpu", "memory")
	for _, n := range r.Nodes {
		if n.Error != "" {
			t.add(slices.Concat([]any{short(n.ID)}, slices.Repeat([]any{"-"}, 15))...)
			continue
		}
		t.add(short(n.ID), rounded(n.Requests), rounded(n.Failed), n.InFlight, rounded(n.P50), rounded(n.P99),
			rounded(n.Writes), rounded(n.Syncs), rounded(n.SyncP99), n.Fanout, n.Search, size(int64(n.Unacked)),
			size(int64(n.Sent)), size(int64(n.Received)), fmt.Sprintf("%.2f", n.CPU), size(int64(n.Memory)))
	}
	c.table(t)
	for _, n := range r.Nodes {
		if n.Error != "" {
			fmt.Fprintf(c.out, "\n- node %s: %s\n", short(n.ID), n.Error)
		}
	}
	if len(r.Partitions) == 0 {
		return
	}
	fmt.Fprintf(c.out, "\nWritten most in the last %.0f s:\n\n", r.HotSeconds)
	h := head("partition", "writes", "", "key", "of", "partition", "writes")
	for i := range min(hot, max(len(r.Partitions), len(r.Keys))) {
		row := []any{"", "", "", "", "", "", ""}
		if i < len(r.Partitions) {
			row[0], row[1] = r.Partitions[i].Partition, r.Partitions[i].Writes
		}
		if i < len(r.Keys) {
			k := r.Keys[i]
			row[3], row[4], row[5], row[6] = k.Kind, k.Owner, k.Partition, k.Writes
		}
		h.add(row...)
	}
	c.table(h)
}

// rounded keeps a table narrow.
func rounded(v float64) string {
	switch {
	case v == 0:
		return "0"
	case v < 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.0f", v)
}
