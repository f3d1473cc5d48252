package httpapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"grapevine/node/client"
)

// Inspector looks into the node and, through it, into the others. Its errors are
// social.Errors.
type Inspector interface {
	// Links measures the way to every other node.
	Links(ctx context.Context) client.Links
	// Load gives the node's figures.
	Load(ctx context.Context) (client.Load, error)
	// Explain asks every owner of a thing what it has of it.
	Explain(ctx context.Context, id string) (client.Explanation, error)
	// Overview gathers what all nodes say, with what they hold of partitions and sums
	// of rows when asked.
	Overview(ctx context.Context, partitions, digest bool) (client.Overview, error)
}

type (
	linksReply   struct{ Body client.Links }
	loadReply    struct{ Body client.Load }
	explainReply struct{ Body client.Explanation }
)

func (a *api) inspectRoutes() {
	tags := []string{"cluster"}
	register(a, operator, huma.Operation{
		OperationID: "get-links", Method: http.MethodGet, Path: "/v1/cluster/links", Tags: tags,
		Summary: "Measure the round trip to every other node, and how far its clock is off",
	}, func(ctx context.Context, _ *struct{}) (*linksReply, error) {
		return &linksReply{a.Inspector.Links(ctx)}, nil
	})
	register(a, anyone, huma.Operation{
		OperationID: "get-load", Method: http.MethodGet, Path: "/v1/cluster/load", Tags: tags,
		Summary:     "Show what this node has done since it started, what waits, and what is hot",
		Description: "Rates are the differences of two answers. The same figures and more are at /metrics. Which keys are hot, and whose they are, is shown to the operator alone.",
		Security:    []map[string][]string{{}, {"operator": {}}},
	}, func(ctx context.Context, _ *struct{}) (*loadReply, error) {
		l, err := a.Inspector.Load(ctx)
		if x := exchangeOf(ctx); !x.isOperator(x.r.Header.Get("Authorization")) {
			l.Hot.Keys = []client.HotKey{}
		}
		return &loadReply{l}, err
	})
	register(a, anyone, huma.Operation{
		OperationID: "explain", Method: http.MethodGet, Path: "/v1/cluster/explain/{id}", Tags: tags,
		Summary: "Ask every owner what it has of a thing: which writes, which of them win, and why something is not seen yet",
		Description: "Of texts and passwords nothing is told but size and digest. " +
			"`POST:READER` explains a post's entry in a reader's home timeline, `FOLLOWER:FOLLOWEE` a follow.",
	}, func(ctx context.Context, in *struct {
		ID string `path:"id" maxLength:"128" doc:"The id of a user or a post, an @name, or two of them with a colon between: POST:READER, FOLLOWER:FOLLOWEE."`
	}) (*explainReply, error) {
		e, err := a.Inspector.Explain(ctx, in.ID)
		return &explainReply{e}, err
	})
}
