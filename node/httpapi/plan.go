package httpapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"grapevine/node/client"
)

type planReply struct{ Body client.Plan }

func (a *api) planRoutes() {
	register(a, anyone, huma.Operation{
		OperationID: "plan", Method: http.MethodGet, Path: "/v1/cluster/plan", Tags: []string{"cluster"},
		Summary:     "Show what would move if nodes came, went or changed; nothing is changed",
		Description: "Joins and leaves under way are taken to have ended. Each parameter can be given repeatedly.",
		Errors:      []int{http.StatusNotFound},
	}, func(ctx context.Context, in *struct {
		Add    []string `query:"add,explode" maxItems:"100" doc:"WEIGHT or WEIGHT:ZONE of a node to come; 100 is an ordinary weight." example:"100:rack1"`
		Remove []string `query:"remove,explode" maxItems:"100" doc:"Id or short id of a node to go."`
		Weight []string `query:"weight,explode" maxItems:"100" doc:"NODE:WEIGHT, a new weight."`
		Zone   []string `query:"zone,explode" maxItems:"100" doc:"NODE:ZONE, a new zone; none when empty."`
	}) (*planReply, error) {
		p, err := a.Cluster.Plan(ctx, client.Changes{Add: in.Add, Remove: in.Remove, Weight: in.Weight, Zone: in.Zone})
		return &planReply{p}, err
	})
}
