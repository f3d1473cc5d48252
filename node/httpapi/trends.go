package httpapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"grapevine/node/client"
	"grapevine/services/social"
	"grapevine/store"
)

// Trends finds the hashtags that trend, up to a limit, and says how many partitions
// answered.
type Trends interface {
	Tags(ctx context.Context, limit int) ([]social.TrendingTag, store.Coverage, error)
}

type trendsReply struct{ Body client.Trends }

func (a *api) trendRoutes() {
	register(a, visitor, huma.Operation{
		OperationID: "list-trending-tags", Method: http.MethodGet, Path: "/v1/trends/tags", Tags: []string{"search"},
		Summary: "List the hashtags that trend, those that trend most first",
		Description: "A hashtag trends when more accounts use it in public posts of the last 24 hours than is usual for it by the six days before; " +
			"one loud account makes no trend. Posts that were deleted, edited otherwise or imported do not count. " +
			"`shards` says how many partitions answered; when some did not, their posts are missing from the counts.",
	}, func(ctx context.Context, in *struct {
		Limit int `query:"limit" minimum:"1" maximum:"100" default:"10" doc:"How many hashtags to list."`
	}) (*trendsReply, error) {
		tags, shards, err := a.Trends.Tags(ctx, in.Limit)
		return &trendsReply{client.Trends{Items: tags, Shards: shards}}, err
	})
}
