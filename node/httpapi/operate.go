package httpapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"grapevine/node/client"
)

type departureReply struct{ Body client.Departure }

// operateRoutes are what an operator does to the cluster.
func (a *api) operateRoutes() {
	tags := []string{"cluster"}
	register(a, operator, huma.Operation{
		OperationID: "leave", Method: http.MethodPost, Path: "/v1/cluster/leave", Tags: tags,
		Summary:     "Have this node give its data to the others, leave the ring and end",
		Description: "The node serves until the others hold what it held. Its health shows how far it is. 409 when no other node could hold the data.",

		DefaultStatus: http.StatusAccepted, Errors: []int{http.StatusConflict},
	}, func(ctx context.Context, _ *struct{}) (*departureReply, error) {
		d, err := a.Cluster.Leave(ctx)
		return &departureReply{d}, err
	})
	register(a, operator, huma.Operation{
		OperationID: "forget", Method: http.MethodPost, Path: "/v1/cluster/forget/{node}", Tags: tags,
		Summary:     "Give up a node that will not return, so that its share is copied anew",
		Description: "409 when the node is alive: it can leave. A node that returns after it was forgotten joins anew.",

		DefaultStatus: http.StatusAccepted, Errors: []int{http.StatusConflict},
	}, func(ctx context.Context, in *struct {
		Node string `path:"node" maxLength:"128" doc:"The node's id, or its short id when that is unique."`
	}) (*departureReply, error) {
		d, err := a.Cluster.Forget(ctx, in.Node)
		return &departureReply{d}, err
	})
	register(a, operator, huma.Operation{
		OperationID: "repair", Method: http.MethodPost, Path: "/v1/cluster/repair", Tags: tags,
		Summary:       "Compare what this node has with every other node at once, and copy what differs",
		DefaultStatus: http.StatusAccepted,
	}, func(ctx context.Context, _ *struct{}) (*struct{}, error) {
		return nil, a.Cluster.Repair(ctx)
	})
}
