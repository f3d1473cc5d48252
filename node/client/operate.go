package client

import (
	"context"
	"net/url"
)

// Departure answers POST /v1/cluster/leave and /v1/cluster/forget/{node}.
type Departure struct {
	Node  string `json:"node" doc:"The id of the node that goes."`
	State string `json:"state" doc:"Its state in the ring now: leaving or gone."`
}

// Leave has the node give its data to the others and leave the ring; its process
// ends by itself when they have it. It needs the operator token.
func (c *Client) Leave(ctx context.Context) (out Departure, err error) {
	return out, c.call(ctx, "POST", "/v1/cluster/leave", nil, &out)
}

// Forget gives up a node that will not return, named by its id or its short id.
// Its share is copied anew from the other owners. What nobody but that node had is
// lost, unless it returns nevertheless. It needs the operator token; a node that is
// alive is not forgotten: 409.
func (c *Client) Forget(ctx context.Context, node string) (out Departure, err error) {
	return out, c.call(ctx, "POST", "/v1/cluster/forget/"+url.PathEscape(node), nil, &out)
}

// Repair has the node compare all it has with every other node at once, rather
// than in turn. It needs the operator token.
func (c *Client) Repair(ctx context.Context) error {
	return c.call(ctx, "POST", "/v1/cluster/repair", nil, nil)
}
