package httpapi

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"grapevine/node/client"
	"grapevine/services/social"
)

func (a *api) timelineRoutes() {
	tags := []string{"timelines"}
	register(a, account, replies[social.Page[social.Post]](a, huma.Operation{
		OperationID: "home-timeline", Method: http.MethodGet, Path: "/v1/timelines/home", Tags: tags,
		Summary: "List the posts of those you follow, newest first",
	}), func(ctx context.Context, in *struct{ Cut }) (*rawReply, error) {
		p, err := a.Timelines.Home(ctx, viewer(ctx), in.cut())
		return raw(encodePage(p, "")), err
	})
	register(a, visitor, replies[client.PublicPage](a, huma.Operation{
		OperationID: "public-timeline", Method: http.MethodGet, Path: "/v1/timelines/public", Tags: tags,
		Summary: "List all public posts, newest first",
	}), a.publicTimeline)
}

func (a *api) publicTimeline(ctx context.Context, in *struct{ Cut }) (*rawReply, error) {
	p, coverage, err := a.Timelines.Public(ctx, viewer(ctx), in.cut())
	if err != nil {
		return nil, err
	}
	c, err := json.Marshal(coverage)
	if err != nil {
		return nil, err
	}
	return raw(encodePage(p, `"coverage":`+string(c))), nil
}
