package client

import (
	"context"
	"net/url"
)

// Changes are what a plan supposes, beside the joins and leaves under way, which
// every plan supposes to end.
type Changes struct {
	Add    []string // WEIGHT or WEIGHT:ZONE of each node to come
	Remove []string // ids or short ids of nodes to go
	Weight []string // NODE:WEIGHT
	Zone   []string // NODE:ZONE, with an empty ZONE for none
}

// Plan says what would move. Which partitions a new node takes follows from its
// id, which it draws when it starts; how many hardly does.
type Plan struct {
	Copies      int        `json:"copies" doc:"Copies of partitions that move, or are made anew."`
	Share       float64    `json:"share" doc:"Of all copies there are, how many move: 0 to 1."`
	Bytes       int64      `json:"bytes" doc:"Bytes of rows that move."`
	Estimated   bool       `json:"estimated" doc:"Some of the partitions are not on the answering node: their size is taken to be the mean of those that are."`
	Seconds     float64    `json:"seconds" doc:"How long it takes, by the node that takes most and the rate at which nodes copy."`
	Nodes       []PlanNode `json:"nodes" nullable:"false"`
	Notes       []string   `json:"notes" nullable:"false" doc:"What to think of before doing it."`
	BytesPerSec int64      `json:"bytes_per_s" doc:"The rate supposed."`
}

// PlanNode is one node's part of a plan.
type PlanNode struct {
	ID         string `json:"id" doc:"The node's id, or new-1, new-2… for one to come."`
	Weight     int    `json:"weight" doc:"Afterwards; 0 for a node that goes."`
	Zone       string `json:"zone,omitempty"`
	Before     int    `json:"before" doc:"Partitions that it owns now."`
	After      int    `json:"after" doc:"Partitions that it will own."`
	Takes      int    `json:"takes" doc:"Partitions that it takes over."`
	Gives      int    `json:"gives" doc:"Partitions that it gives up."`
	TakesBytes int64  `json:"takes_bytes"`
	GivesBytes int64  `json:"gives_bytes"`
}

// Plan says what would move if the ring changed so. Nothing is changed.
func (c *Client) Plan(ctx context.Context, ch Changes) (out Plan, err error) {
	q := url.Values{"add": ch.Add, "remove": ch.Remove, "weight": ch.Weight, "zone": ch.Zone}
	return out, c.call(ctx, "GET", "/v1/cluster/plan?"+q.Encode(), nil, &out)
}
