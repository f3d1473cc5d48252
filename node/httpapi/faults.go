package httpapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"grapevine/node/client"
)

// faultRoutes mounts what tests break clusters with. It is not documented, since
// a node has it only when started so.
func (a *api) faultRoutes() {
	register(a, operator, huma.Operation{
		OperationID: "set-faults", Method: http.MethodPost, Path: "/v1/unsafe/faults",
		Summary: "Cut this node off from peers", DefaultStatus: http.StatusNoContent, Hidden: true,
	}, func(_ context.Context, in *struct{ Body client.Faults }) (*struct{}, error) {
		a.Faults.Block(in.Body.Block)
		return nil, nil
	})
}
