package client

import (
	"context"
	"io"
	"net/url"
	"time"
)

// Links says how a node reaches every other, as it has measured just now.
type Links struct {
	Node       string    `json:"node" doc:"The answering node's id."`
	Version    string    `json:"version" doc:"Of the answering node's build."`
	MeasuredAt time.Time `json:"measured_at" doc:"By the answering node's clock. A measurement is used for a second."`
	Links      []Link    `json:"links" nullable:"false" doc:"One for each other member that is not gone."`
}

// Link is the way from one node to another and back.
type Link struct {
	To           string  `json:"to" doc:"Id of the other node."`
	Alive        bool    `json:"alive" doc:"It answers the failure detector."`
	Answers      bool    `json:"answers" doc:"It answered over the streams that data goes over."`
	RTTMillis    float64 `json:"rtt_ms" doc:"The shortest round trip of three, in milliseconds; 0 without an answer."`
	OffsetMillis float64 `json:"clock_offset_ms" doc:"How far its clock is ahead of the answering node's, in milliseconds; exact to half the round trip."`
	Version      string  `json:"version,omitempty" doc:"Of its build."`
	Error        string  `json:"error,omitempty" doc:"Why it did not answer."`
}

// Load is what a node has done since it started, and what waits. Rates are the
// differences of two answers.
type Load struct {
	Node          string    `json:"node" doc:"The answering node's id."`
	At            time.Time `json:"at" doc:"By the answering node's clock."`
	UptimeSeconds float64   `json:"uptime_s"`
	Requests      Requests  `json:"requests" doc:"Requests of the API, probes included."`
	Writes        float64   `json:"writes" doc:"Writes applied, whoever coordinated them."`
	Disk          Disk      `json:"disk"`
	Waiting       Waiting   `json:"waiting"`
	Network       Network   `json:"network"`
	Process       Process   `json:"process"`
	Hot           Hot       `json:"hot"`
}

// Requests counts requests since the start.
type Requests struct {
	Served   float64  `json:"served"`
	Failed   float64  `json:"failed" doc:"Of those, answered with 5xx."`
	InFlight float64  `json:"in_flight"`
	Seconds  float64  `json:"seconds" doc:"The sum of their times."`
	Buckets  []Bucket `json:"buckets" nullable:"false" doc:"Their times, cumulative."`
}

// Bucket counts what took at most Seconds.
type Bucket struct {
	Seconds float64 `json:"le_s" doc:"Upper bound; what is in no bucket took longer than the last."`
	Count   float64 `json:"count"`
}

// Disk counts what was made durable since the start.
type Disk struct {
	Syncs       float64  `json:"syncs"`
	SyncSeconds float64  `json:"sync_s" doc:"The sum of their times."`
	Buckets     []Bucket `json:"buckets" nullable:"false" doc:"Times of syncs, cumulative."`
	UsedBytes   float64  `json:"used_bytes"`
	FreeBytes   float64  `json:"free_bytes"`
}

// Waiting is what is behind.
type Waiting struct {
	Fanout         float64 `json:"fanout_changes" doc:"Changes whose consequences are not known to be written."`
	Search         float64 `json:"search_changes" doc:"Changes that the search index does not have yet."`
	Unacknowledged float64 `json:"unacknowledged_bytes" doc:"Bytes of writes that some reachable owner has not acknowledged."`
	Log            float64 `json:"log_entries" doc:"Writes logged until every owner is known to have them."`
	Hints          float64 `json:"hint_bytes" doc:"Bytes kept for owners that could not be reached."`
}

// Network counts bytes exchanged with peers since the start.
type Network struct {
	SentBytes     float64 `json:"sent_bytes"`
	ReceivedBytes float64 `json:"received_bytes"`
}

// Process is what the node takes of its machine.
type Process struct {
	CPUSeconds  float64 `json:"cpu_s" doc:"Since the start; 0 where it is not known."`
	MemoryBytes float64 `json:"memory_bytes"`
	Goroutines  float64 `json:"goroutines"`
}

// Hot is where writes go that the answering node coordinates. Keys are counted
// approximately, by the Space-Saving algorithm (Metwally et al. 2005): one that is
// truly hot is listed, and Writes is at most Over too high.
type Hot struct {
	Seconds    float64        `json:"seconds" doc:"Over how long it was counted, at most 60."`
	Partitions []HotPartition `json:"partitions" nullable:"false" doc:"Hottest first, at most 10."`
	Keys       []HotKey       `json:"keys" nullable:"false" doc:"Hottest first, at most 10; none without the operator token."`
}

// HotPartition counts the writes of a partition.
type HotPartition struct {
	Partition int `json:"partition"`
	Writes    int `json:"writes"`
}

// HotKey counts the rows written of one owner and kind.
type HotKey struct {
	Kind      string `json:"kind" doc:"What the rows are: posts, home entries, followers…"`
	Owner     string `json:"owner" doc:"The user, post, name or tag that they belong to."`
	Partition int    `json:"partition"`
	Writes    int    `json:"writes"`
	Over      int    `json:"over" doc:"By how much writes may be too high."`
}

// Links has the node measure the way to every other. It needs the operator token.
func (c *Client) Links(ctx context.Context) (out Links, err error) {
	return out, c.call(ctx, "GET", "/v1/cluster/links", nil, &out)
}

// Load gives the node's figures, with the operator token those of hot keys too.
func (c *Client) Load(ctx context.Context) (out Load, err error) {
	return out, c.call(ctx, "GET", "/v1/cluster/load", nil, &out)
}

// Explain asks every owner what it has of a user, a post or a name, or of what one
// has to do with another: FOLLOWER:FOLLOWEE, POST:READER.
func (c *Client) Explain(ctx context.Context, id string) (out Explanation, err error) {
	return out, c.call(ctx, "GET", "/v1/cluster/explain/"+url.PathEscape(id), nil, &out)
}

// Metrics gives the node's metrics in the text format of Prometheus. The caller
// closes them.
func (c *Client) Metrics(ctx context.Context) (io.ReadCloser, error) {
	resp, err := c.open(ctx, "GET", "/metrics", nil)
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}
