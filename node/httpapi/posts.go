package httpapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"grapevine/node/client"
	"grapevine/services/social"
)

// PostInput names a post, in the path.
type PostInput struct {
	ID string `path:"id" maxLength:"64" doc:"A post id."`
}

type postReply struct{ Body social.Post }

func (a *api) postRoutes() {
	tags := []string{"posts"}
	register(a, account, huma.Operation{
		OperationID: "create-post", Method: http.MethodPost, Path: "/v1/posts", Tags: tags,
		Summary: "Publish a post", DefaultStatus: http.StatusCreated,
	}, a.createPost)
	register(a, visitor, replies[social.Post](a, huma.Operation{
		OperationID: "get-post", Method: http.MethodGet, Path: "/v1/posts/{id}", Tags: tags,
		Summary: "Get a post",
	}), func(ctx context.Context, in *PostInput) (*rawReply, error) {
		post, err := a.Posts.EncodedOne(ctx, viewer(ctx), in.ID)
		return raw(post), err
	})
	register(a, account, huma.Operation{
		OperationID: "edit-post", Method: http.MethodPatch, Path: "/v1/posts/{id}", Tags: tags,
		Summary:     "Change the text of your post",
		Description: "Its hashtags and mentions follow the text: whom it names anew is told, and whom it no longer names is not. A direct post stays for those whom its first text named.",
	}, a.editPost)
	register(a, account, huma.Operation{
		OperationID: "delete-post", Method: http.MethodDelete, Path: "/v1/posts/{id}", Tags: tags,
		Summary: "Delete your post", DefaultStatus: http.StatusNoContent,
	}, func(ctx context.Context, in *PostInput) (*struct{}, error) {
		return nil, a.Posts.Delete(ctx, viewer(ctx), in.ID)
	})
	register(a, visitor, replies[social.Page[social.Post]](a, huma.Operation{
		OperationID: "list-user-posts", Method: http.MethodGet, Path: "/v1/users/{user}/posts", Tags: tags,
		Summary: "List an account's posts and reposts, newest first", Description: directions,
	}), func(ctx context.Context, in *struct {
		UserInput
		PostSpan
		TagFilter
	}) (*rawReply, error) {
		return pageOfPosts(a.Posts.ByAuthor(ctx, viewer(ctx), in.User, in.filter("", in.Tag), in.cut()))
	})
}

type createPostReply struct {
	Location string `header:"Location" doc:"The post's URL."`
	Body     social.Post
}

func (a *api) createPost(ctx context.Context, in *struct {
	Key  string `header:"Idempotency-Key" maxLength:"128" doc:"Of your choice: a second request with the same key answers with the post of the first, on any node, for two days at least."`
	Body client.NewPost
}) (*createPostReply, error) {
	post, err := a.Posts.Create(ctx, viewer(ctx), social.NewPost{
		Text: in.Body.Text, ReplyTo: in.Body.ReplyTo, Visibility: in.Body.Visibility, Key: in.Key,
	})
	return &createPostReply{"/v1/posts/" + post.ID, post}, err
}

func (a *api) editPost(ctx context.Context, in *struct {
	PostInput
	Body client.PostPatch
}) (*postReply, error) {
	post, err := a.Posts.Edit(ctx, viewer(ctx), in.ID, in.Body.Text)
	return &postReply{post}, err
}
