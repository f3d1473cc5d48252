package httpapi

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"grapevine/node/client"
	"grapevine/services/social"
)

// PostSpan is the input of every list of posts.
type PostSpan struct {
	Cut
	Since   time.Time `query:"since" doc:"Only posts of this time or later."`
	Until   time.Time `query:"until" doc:"Only posts before this time."`
	Replies string    `query:"replies" enum:"true,false" doc:"Only posts that answer another, or none that do."`
}

// AuthorFilter is for lists of posts of many authors, and TagFilter for those of
// many hashtags.
type AuthorFilter struct {
	Author string `query:"author" maxLength:"64" doc:"Only posts of this user: an id or @name."`
}

// TagFilter is described with AuthorFilter.
type TagFilter struct {
	Tag string `query:"tag" maxLength:"65" doc:"Only posts with this hashtag."`
}

// PostFilter is the input of lists that mix authors and hashtags.
type PostFilter struct {
	PostSpan
	AuthorFilter
	TagFilter
}

func (s PostSpan) filter(author, tag string) social.PostFilter {
	f := social.PostFilter{Author: author, Tag: tag, Since: s.Since, Until: s.Until}
	if s.Replies != "" {
		replies := s.Replies == "true"
		f.Replies = &replies
	}
	return f
}

func (f PostFilter) filter() social.PostFilter { return f.PostSpan.filter(f.Author, f.Tag) }

const directions = "Posts are in the order of their ids, which is that of their times. `next` is the cursor of older posts. " +
	"`prev` is that of newer ones: first those that follow directly on this page, in the same order; " +
	"a page that has none repeats it, so that a client can ask again with it."

// pageOfPosts is a page of posts as a service encoded it.
func pageOfPosts(p social.Page[json.RawMessage], err error) (*rawReply, error) {
	return raw(encodePage(p, "")), err
}

func (a *api) timelineRoutes() {
	tags := []string{"timelines"}
	register(a, account, replies[social.Page[social.Post]](a, huma.Operation{
		OperationID: "home-timeline", Method: http.MethodGet, Path: "/v1/timelines/home", Tags: tags,
		Summary: "List the posts of those you follow, newest first", Description: directions,
	}), func(ctx context.Context, in *PostFilter) (*rawReply, error) {
		return pageOfPosts(a.Timelines.Home(ctx, viewer(ctx), in.filter(), in.cut()))
	})
	register(a, account, replies[social.Page[social.Post]](a, huma.Operation{
		OperationID: "mentions-timeline", Method: http.MethodGet, Path: "/v1/timelines/mentions", Tags: tags,
		Summary: "List the posts that mention you, newest first", Description: directions,
	}), func(ctx context.Context, in *PostFilter) (*rawReply, error) {
		return pageOfPosts(a.Timelines.Mentions(ctx, viewer(ctx), in.filter(), in.cut()))
	})
	register(a, visitor, replies[social.Page[social.Post]](a, huma.Operation{
		OperationID: "tag-timeline", Method: http.MethodGet, Path: "/v1/timelines/tags/{tag}", Tags: tags,
		Summary: "List the public posts with a hashtag, newest first", Description: directions,
	}), func(ctx context.Context, in *struct {
		Of string `path:"tag" maxLength:"65" doc:"A hashtag, with or without the #."`
		PostSpan
		AuthorFilter
	}) (*rawReply, error) {
		return pageOfPosts(a.Timelines.Tagged(ctx, viewer(ctx), in.Of, in.filter(in.Author, ""), in.cut()))
	})
	register(a, visitor, replies[client.PublicPage](a, huma.Operation{
		OperationID: "public-timeline", Method: http.MethodGet, Path: "/v1/timelines/public", Tags: tags,
		Summary: "List all public posts but reposts, newest first", Description: directions,
	}), a.publicTimeline)
}

func (a *api) publicTimeline(ctx context.Context, in *PostFilter) (*rawReply, error) {
	p, coverage, err := a.Timelines.Public(ctx, viewer(ctx), in.filter(), in.cut())
	if err != nil {
		return nil, err
	}
	c, err := json.Marshal(coverage)
	if err != nil {
		return nil, err
	}
	return raw(encodePage(p, `"coverage":`+string(c))), nil
}
