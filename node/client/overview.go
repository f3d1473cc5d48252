package client

import (
	"context"
	"net/url"
	"time"
)

// Overview is what all nodes say at about one time, gathered by the answering node.
type Overview struct {
	Node   string       `json:"node" doc:"The answering node's id."`
	At     time.Time    `json:"at" doc:"By the answering node's clock."`
	Ring   Ring         `json:"ring" doc:"As the answering node sees it."`
	Owners [][]int      `json:"owners" nullable:"false" doc:"For each partition the places of its owners in nodes, first owner first."`
	Nodes  []NodeReport `json:"nodes" nullable:"false" doc:"By id."`
	Verdict
}

// NodeReport is what one node says of itself. A node that does not answer has an error
// and nothing else.
type NodeReport struct {
	Member Member          `json:"member" doc:"As the answering node sees it."`
	Error  string          `json:"error,omitempty" doc:"Why it does not answer."`
	Health *Health         `json:"health,omitempty"`
	Load   *Load           `json:"load,omitempty"`
	Links  *Links          `json:"links,omitempty"`
	Held   []HeldPartition `json:"held,omitempty" doc:"With ?partitions=true: what it holds."`
}

// HeldPartition is a node's copy of a partition.
type HeldPartition struct {
	ID       int    `json:"id"`
	CaughtUp bool   `json:"caught_up,omitempty"`
	Rows     int    `json:"rows"`
	Bytes    int64  `json:"bytes"`
	Log      int    `json:"log" doc:"Writes that some owner may still ask for."`
	Vector   string `json:"vector,omitempty" doc:"Digest of its version vector: equal on owners that hold the same writes."`
	Digest   string `json:"digest,omitempty" doc:"With ?digest=true: of its rows."`
}

// Overview has the node gather what all nodes say. With partitions, each tells what it
// holds; with digest it reads all its rows to sum them up. It needs the operator token.
func (c *Client) Overview(ctx context.Context, partitions, digest bool) (out Overview, err error) {
	q := url.Values{}
	if partitions || digest {
		q.Set("partitions", "true")
	}
	if digest {
		q.Set("digest", "true")
	}
	return out, c.call(ctx, "GET", "/v1/cluster/overview?"+q.Encode(), nil, &out)
}
