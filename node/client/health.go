package client

import (
	"context"
	"time"

	"grapevine/store"
)

// Health is a node's judgement of itself and of what it sees of the cluster.
type Health struct {
	Status        string            `json:"status" enum:"ok,degraded,failing"`
	Node          string            `json:"node" doc:"The answering node's id."`
	Version       string            `json:"version"`
	Formats       Formats           `json:"formats" doc:"What the node's build stores and speaks. All 0 of a build that numbered none."`
	StartedAt     time.Time         `json:"started_at"`
	UptimeSeconds float64           `json:"uptime_s"`
	RingState     string            `json:"ring_state" doc:"joining, active, leaving or gone; empty when it is not in the ring."`
	Readiness     Readiness         `json:"readiness"`
	Problems      []HealthProblem   `json:"problems" nullable:"false" doc:"Empty when all is well."`
	Partitions    PartitionCounts   `json:"partitions"`
	Transfers     []Transfer        `json:"transfers" nullable:"false" doc:"Copies on their way to this node."`
	Kept          Kept              `json:"kept"`
	Stability     Stability         `json:"stability"`
	Engine        store.EngineStats `json:"engine"`
	Load          *LoadEstimate     `json:"load,omitempty" doc:"Absent in the first seconds of a node."`
}

// Formats are the numbers of what a build stores, speaks and derives. Each grows when a
// build with a lower one would misunderstand.
type Formats struct {
	Data  int `json:"data" doc:"Of data directories: a build starts on those of its own number and lower ones."`
	Wire  int `json:"wire" doc:"The highest version of any message between nodes."`
	Rules int `json:"rules" doc:"By which consequences follow from acts: notifications, home entries…"`
}

// The values of Health.Status.
const (
	HealthOK       = "ok"
	HealthDegraded = "degraded" // it serves, but something wants mending
	HealthFailing  = "failing"  // it cannot serve part of its duty
)

// LoadEstimate is how busy a node has been in the last seconds, and how much more it
// could do.
type LoadEstimate struct {
	Seconds        float64  `json:"seconds" doc:"Over how long it was measured."`
	Requests       float64  `json:"requests_per_s" doc:"Throughput: requests answered, probes included."`
	ResponseMillis float64  `json:"response_ms" doc:"Mean time of a request, in milliseconds; 0 without any."`
	QueueMillis    float64  `json:"queue_ms" doc:"Mean time that writes, of clients and of peers, waited for their turn to be applied, in milliseconds; 0 without any."`
	HeadRoom       HeadRoom `json:"head_room"`
}

// HeadRoom is the share of what a node can do that is left: 1 is all, 0 none.
type HeadRoom struct {
	Least    float64 `json:"least" doc:"The least of those below: what the node has left."`
	Limit    string  `json:"limit" enum:"cpu,requests,disk" doc:"Which of them that is."`
	CPU      float64 `json:"cpu" doc:"1 less the node's own CPU time as a share of the processors that it may use. What other programs take of them is not seen."`
	Requests float64 `json:"requests" doc:"1 less the requests at once as a share of how many are admitted, which follows from what they take: the mean of the time measured or what is inside now, whichever is more."`
	Disk     float64 `json:"disk" doc:"Of the space that data can take, the share that is free. The 256 MiB below which no writes are taken count as taken."`
}

// Readiness says whether a node serves and whether it can be spared.
type Readiness struct {
	Ready  bool   `json:"ready" doc:"The node serves its share."`
	Reason string `json:"reason,omitempty" doc:"Why it does not."`
	// SafeToRestartNext is what a rolling restart waits for.
	SafeToRestartNext bool     `json:"safe_to_restart_next" doc:"All owners of all that this node stores are up and caught up, so that one of them can be spared."`
	WhyNot            []string `json:"why_not" nullable:"false" doc:"Why that is not so."`
}

// HealthProblem is something that is not well.
type HealthProblem struct {
	What     string `json:"what" doc:"What is wrong."`
	Do       string `json:"do" doc:"What mends it."`
	Severity string `json:"severity,omitempty" enum:"degraded,failing" doc:"What it makes of the node's status."`
}

// PartitionCounts sums up the partitions of a node.
type PartitionCounts struct {
	Owned           int `json:"owned" doc:"Partitions the node owns."`
	CaughtUp        int `json:"caught_up" doc:"Of those, how many are caught up."`
	UnderReplicated int `json:"under_replicated" doc:"Of those, how many have an owner that is down."`
	Coming          int `json:"coming" doc:"Partitions the node is to own when it has copied them and the joins and leaves under way have ended."`
	ComingCaughtUp  int `json:"coming_caught_up" doc:"Of those, how many are copied."`
}

// Transfer is a copy of a partition on its way to the answering node.
type Transfer struct {
	Partition int       `json:"partition"`
	From      string    `json:"from" doc:"The node it comes from."`
	Snapshot  bool      `json:"snapshot" doc:"The whole partition comes, rather than what is missing of it."`
	Rows      int64     `json:"rows" doc:"Come so far."`
	Bytes     int64     `json:"bytes" doc:"Come so far."`
	StartedAt time.Time `json:"started_at"`
}

// Kept counts what a node holds for others.
type Kept struct {
	Hints      int   `json:"hints" doc:"Partitions of which it keeps writes that none of their owners could be reached for."`
	HintBytes  int64 `json:"hint_bytes"`
	Moved      int   `json:"moved" doc:"Partitions that have moved away, kept until their owners have proved that they hold them."`
	MovedBytes int64 `json:"moved_bytes" doc:"Of their rows."`
}

// Stability counts what a node keeps until all owners of a partition have
// confirmed that they have it.
type Stability struct {
	LogEntries int64      `json:"log_entries" doc:"Writes that some owner may still ask for."`
	Marks      int64      `json:"marks" doc:"Delete markers that some owner may still need."`
	WaitsFor   []WaitsFor `json:"waits_for" nullable:"false" doc:"Who has not confirmed. Those alive usually do within seconds."`
}

// WaitsFor is a member whose confirmation is missing.
type WaitsFor struct {
	Node       string `json:"node"`
	Alive      bool   `json:"alive"`
	Partitions int    `json:"partitions" doc:"For how many partitions."`
}

// Health gives the node's judgement of itself.
func (c *Client) Health(ctx context.Context) (out Health, err error) {
	return out, c.call(ctx, "GET", "/v1/cluster/health", nil, &out)
}

// Ready returns nil when the node serves, and a *Problem with the reason when it
// runs but does not serve yet or any more.
func (c *Client) Ready(ctx context.Context) error {
	return c.call(ctx, "GET", "/readyz", nil, nil)
}
