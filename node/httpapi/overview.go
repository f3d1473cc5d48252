package httpapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"grapevine/node/client"
)

type overviewReply struct{ Body client.Overview }

// overviewRoutes serve what the console shows to operators.
func (a *api) overviewRoutes() {
	register(a, operator, huma.Operation{
		OperationID: "get-overview", Method: http.MethodGet, Path: "/v1/cluster/overview", Tags: []string{"cluster"},
		Summary:     "Gather what all nodes say of themselves, and what is not well",
		Description: "The answering node asks the others for it; one that does not answer says why. Rates are the differences of two answers.",
	}, func(ctx context.Context, in *struct {
		Partitions bool `query:"partitions" doc:"Also what each node holds of each partition."`
		Digest     bool `query:"digest" doc:"With sums of all rows, which the nodes read for it. It includes partitions."`
	}) (*overviewReply, error) {
		o, err := a.Inspector.Overview(ctx, in.Partitions, in.Digest)
		return &overviewReply{o}, err
	})
}
