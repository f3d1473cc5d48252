package httpapi

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"grapevine/services/social"
)

// PartsInput asks for a page of what belongs to a post.
type PartsInput struct {
	PostInput
	Cut
}

const onReposts = "Of a repost, this is about the post that it passes on."

func (a *api) markRoutes() {
	a.mark(http.MethodPut, "like", "Like a post", a.Posts.Like)
	a.mark(http.MethodDelete, "like", "Take your like of a post back", a.Posts.Unlike)
	a.mark(http.MethodPut, "repost", "Pass a public post on to your followers, as a post of your own", a.Posts.Repost)
	a.mark(http.MethodDelete, "repost", "Take your repost of a post back", a.Posts.Unrepost)
	a.markers("likes", "List who likes a post", a.Posts.Likes)
	a.markers("reposts", "List who reposted a post", a.Posts.Reposts)
	register(a, visitor, replies[social.Thread[social.Post]](a, huma.Operation{
		OperationID: "get-thread", Method: http.MethodGet, Path: "/v1/posts/{id}/thread", Tags: []string{"posts"},
		Summary: "Get a post among those it answers and those that answer it",
		Description: "Up to 40 ancestors, the farthest first. Descendants to a depth of 20, each after what it answers, " +
			"those of one post in the order in which they were made; limit and cursor are of them. " +
			"What answers a post that you may not see is not shown.",
	}), a.thread)
	register(a, visitor, huma.Operation{
		OperationID: "get-post-history", Method: http.MethodGet, Path: "/v1/posts/{id}/history", Tags: []string{"posts"},
		Summary: "List the texts that a post was given, newest first; the last is the one it was made with",
	}, func(ctx context.Context, in *PartsInput) (*pageReply[social.PostVersion], error) {
		return page(a.Posts.History(ctx, viewer(ctx), in.ID, in.cut()))
	})
}

// mark registers an act with a post.
func (a *api) mark(method, name, summary string, act func(ctx context.Context, who social.Identity, id string) error) {
	id := name + "-post"
	if method == http.MethodDelete {
		id = "un" + id
	}
	register(a, account, huma.Operation{
		OperationID: id, Method: method, Path: "/v1/posts/{id}/" + name, Tags: []string{"posts"},
		Summary: summary, Description: onReposts, DefaultStatus: http.StatusNoContent,
	}, func(ctx context.Context, in *PostInput) (*struct{}, error) {
		return nil, act(ctx, viewer(ctx), in.ID)
	})
}

// markers registers a list of who did something with a post.
func (a *api) markers(name, summary string, list func(context.Context, social.Identity, string, social.Cut) (social.Page[social.User], error)) {
	register(a, visitor, huma.Operation{
		OperationID: "list-" + name, Method: http.MethodGet, Path: "/v1/posts/{id}/" + name, Tags: []string{"posts"},
		Summary: summary, Description: onReposts,
	}, func(ctx context.Context, in *PartsInput) (*pageReply[social.User], error) {
		return page(list(ctx, viewer(ctx), in.ID, in.cut()))
	})
}

func (a *api) thread(ctx context.Context, in *PartsInput) (*rawReply, error) {
	t, err := a.Posts.Thread(ctx, viewer(ctx), in.ID, in.cut())
	if err != nil {
		return nil, err
	}
	return raw(encodeThread(t)), nil
}

// encodeThread joins encoded posts.
func encodeThread(t social.Thread[json.RawMessage]) []byte {
	b := appendItems([]byte(`{"ancestors":[`), t.Ancestors)
	b = append(append(b, `],"post":`...), t.Post...)
	b = appendItems(append(b, `,"descendants":[`...), t.Descendants)
	b = appendText(append(b, ']'), "next", t.Next)
	return append(b, '}', '\n')
}
