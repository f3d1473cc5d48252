package client

import (
	"context"
	"net/url"

	"grapevine/services/social"
)

// Member is a node as the answering node sees it.
type Member struct {
	ID        string  `json:"id" doc:"The node's lasting identity: its libp2p peer id."`
	Short     string  `json:"short" doc:"The last eight characters of the id, for people."`
	HTTP      string  `json:"http" doc:"HOST:PORT of its API."`
	P2P       string  `json:"p2p" doc:"HOST:PORT of its streams."`
	Gossip    string  `json:"gossip" doc:"HOST:PORT of its failure detector, for --join."`
	Alive     bool    `json:"alive" doc:"It answers failure-detection probes."`
	RingState string  `json:"ring_state" doc:"joining, active, leaving or gone; empty when it is not in the ring."`
	Weight    int     `json:"weight" doc:"Its share of the data: 100 is one ordinary node, 0 owns nothing."`
	Zone      string  `json:"zone,omitempty"`
	Replica   string  `json:"replica,omitempty" doc:"The present incarnation of its disk, 16 hex digits."`
	Self      bool    `json:"self" doc:"It is the answering node."`
	Reachable bool    `json:"reachable" doc:"The answering node has it for reachable over streams."`
	RTTMillis float64 `json:"rtt_ms,omitempty" doc:"Smoothed round-trip time in milliseconds; absent when not measured."`
}

// Ring says who owns what, as the answering node sees it. Nodes with equal
// digests have equal owners for every partition.
type Ring struct {
	Cluster    string       `json:"cluster" doc:"The cluster's identity."`
	Partitions int          `json:"partitions" doc:"How many partitions the ring is cut into, fixed when the cluster was made."`
	Copies     int          `json:"copies" doc:"How many nodes own each partition, when there are so many."`
	Digest     string       `json:"digest" doc:"Equal on nodes with an equal view."`
	Members    []RingMember `json:"members" nullable:"false"`
}

// RingMember is a node's place in the ring.
type RingMember struct {
	ID      string `json:"id"`
	State   string `json:"state" doc:"joining, active, leaving or gone."`
	Weight  int    `json:"weight"`
	Zone    string `json:"zone,omitempty"`
	Epoch   uint64 `json:"epoch" doc:"Counts the changes of this member's place."`
	Owned   int    `json:"owned" doc:"Partitions it owns."`
	Primary int    `json:"primary" doc:"Partitions of which it is the first owner."`
}

// Partition is an arc of the ring, as the answering node sees it.
type Partition struct {
	ID        int      `json:"id"`
	FirstSlot int      `json:"first_slot"`
	LastSlot  int      `json:"last_slot" doc:"Inclusive."`
	Owners    []string `json:"owners" nullable:"false" doc:"Node ids, first owner first."`
	Leader    string   `json:"leader,omitempty" doc:"The first healthy owner, which serialises claims and drives fan-out."`
	Local     bool     `json:"local" doc:"The answering node owns it."`
	CaughtUp  bool     `json:"caught_up" doc:"The answering node holds all it has to, as far as it can know."`
	Vector    string   `json:"vector,omitempty" doc:"Digest of the local version vector: which writes are held."`
	Rows      int      `json:"rows" doc:"Rows held locally."`
	Bytes     int64    `json:"bytes" doc:"Bytes of the rows held locally."`
	Digest    string   `json:"digest,omitempty" doc:"Digest of the local rows, with ?digest=true: equal on converged owners."`

	Hint     bool      `json:"hint,omitempty" doc:"The answering node keeps writes for the owners, none of whom could be reached."`
	Moved    bool      `json:"moved,omitempty" doc:"It has moved away; the answering node keeps its copy until the owners have proved that they hold theirs."`
	Transfer *Transfer `json:"transfer,omitempty" doc:"What is on its way to the answering node."`
	Log      int       `json:"log" doc:"Writes that some owner may still ask for."`
	WaitsFor []string  `json:"waits_for" nullable:"false" doc:"Members that have not confirmed all of those."`
}

// Locate says where something lives.
type Locate struct {
	Key       string  `json:"key" doc:"What was asked for."`
	Kind      string  `json:"kind" doc:"How it was understood: id, name or key."`
	Slot      int     `json:"slot"`
	Partition int     `json:"partition"`
	Owners    []Owner `json:"owners" nullable:"false" doc:"First owner first."`
}

// Owner is a node that owns a partition.
type Owner struct {
	ID    string `json:"id"`
	HTTP  string `json:"http"`
	Alive bool   `json:"alive"`
}

// Faults is the body of POST /v1/unsafe/faults.
type Faults struct {
	Block []string `json:"block" nullable:"false" maxItems:"1024" doc:"Ids of the peers this node is cut off from; replaces the former set."`
}

// Members lists the nodes that the node has seen and not forgotten.
func (c *Client) Members(ctx context.Context) ([]Member, error) {
	page, err := list[Member](ctx, c, "/v1/cluster/members", social.Cut{})
	return page.Items, err
}

// Ring gives the node's ring view.
func (c *Client) Ring(ctx context.Context) (out Ring, err error) {
	return out, c.call(ctx, "GET", "/v1/cluster/ring", nil, &out)
}

// Partitions lists all partitions. With digest, the node reads all its rows to
// sum them up.
func (c *Client) Partitions(ctx context.Context, digest bool) ([]Partition, error) {
	path := "/v1/cluster/partitions"
	if digest {
		path += "?digest=true"
	}
	page, err := list[Partition](ctx, c, path, social.Cut{})
	return page.Items, err
}

// Locate says where an id, an @name or a key lives.
func (c *Client) Locate(ctx context.Context, key string) (out Locate, err error) {
	return out, c.call(ctx, "GET", "/v1/cluster/locate?key="+url.QueryEscape(key), nil, &out)
}

// Block cuts the node off from the given peers and from no others. It needs the
// operator token and a node that runs with --unsafe-faults.
func (c *Client) Block(ctx context.Context, ids ...string) error {
	return c.call(ctx, "POST", "/v1/unsafe/faults", Faults{Block: append([]string{}, ids...)}, nil)
}
