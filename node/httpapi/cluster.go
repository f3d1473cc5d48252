package httpapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"grapevine/node/client"
	"grapevine/services/social"
)

type (
	ringReply   struct{ Body client.Ring }
	healthReply struct{ Body client.Health }
	locateReply struct{ Body client.Locate }
)

func (a *api) clusterRoutes() {
	tags := []string{"cluster"}
	register(a, anyone, huma.Operation{
		OperationID: "list-members", Method: http.MethodGet, Path: "/v1/cluster/members", Tags: tags,
		Summary: "List the nodes that this node has seen and not forgotten",
	}, func(ctx context.Context, _ *struct{}) (*pageReply[client.Member], error) {
		return page(social.Page[client.Member]{Items: a.Cluster.Members(ctx)}, nil)
	})
	register(a, anyone, huma.Operation{
		OperationID: "get-ring", Method: http.MethodGet, Path: "/v1/cluster/ring", Tags: tags,
		Summary: "Show who is in the ring",
	}, func(ctx context.Context, _ *struct{}) (*ringReply, error) {
		return &ringReply{a.Cluster.Ring(ctx)}, nil
	})
	register(a, anyone, huma.Operation{
		OperationID: "list-partitions", Method: http.MethodGet, Path: "/v1/cluster/partitions", Tags: tags,
		Summary: "List all partitions, with their owners and what this node holds of them",
	}, func(ctx context.Context, in *struct {
		Digest bool `query:"digest" doc:"Sum up the rows of each local partition, which reads them all."`
	}) (*pageReply[client.Partition], error) {
		ps, err := a.Cluster.Partitions(ctx, in.Digest)
		return page(social.Page[client.Partition]{Items: ps}, err)
	})
	register(a, anyone, huma.Operation{
		OperationID: "get-health", Method: http.MethodGet, Path: "/v1/cluster/health", Tags: tags,
		Summary: "Show what is not well on this node, and what mends it",
	}, func(ctx context.Context, _ *struct{}) (*healthReply, error) {
		return &healthReply{a.Cluster.Health(ctx)}, nil
	})
	register(a, anyone, huma.Operation{
		OperationID: "locate", Method: http.MethodGet, Path: "/v1/cluster/locate", Tags: tags,
		Summary: "Show where an id, an @name or a key lives",
	}, func(ctx context.Context, in *struct {
		Key string `query:"key" required:"true" minLength:"1" maxLength:"512" doc:"An id, an @name or any other key."`
	}) (*locateReply, error) {
		l, err := a.Cluster.Locate(ctx, in.Key)
		return &locateReply{l}, err
	})
}
