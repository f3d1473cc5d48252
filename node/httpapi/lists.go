package httpapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"grapevine/node/client"
	"grapevine/services/social"
)

// Lists keeps lists of accounts, of which only their owners know.
type Lists interface {
	Create(ctx context.Context, who social.Identity, in social.NewList) (social.List, error)
	Get(ctx context.Context, who social.Identity, id string) (social.List, error)
	Rename(ctx context.Context, who social.Identity, id, title string) (social.List, error)
	Delete(ctx context.Context, who social.Identity, id string) error
	List(ctx context.Context, who social.Identity, cut social.Cut) (social.Page[social.List], error)
	Members(ctx context.Context, who social.Identity, id string, cut social.Cut) (social.Page[social.User], error)
	Add(ctx context.Context, who social.Identity, id, ref string) error
	Remove(ctx context.Context, who social.Identity, id, ref string) error
}

// ListInput names a list, in the path.
type ListInput struct {
	ID string `path:"id" maxLength:"64" doc:"The id of a list of yours."`
}

// ListMemberInput names a member of a list, in the path.
type ListMemberInput struct {
	ListInput
	User string `path:"user" maxLength:"64" doc:"A user id or @name."`
}

type (
	listReply       struct{ Body social.List }
	createListReply struct {
		Location string `header:"Location" doc:"The list's URL."`
		Body     social.List
	}
)

func (a *api) listRoutes() {
	tags := []string{"lists"}
	register(a, account, huma.Operation{
		OperationID: "create-list", Method: http.MethodPost, Path: "/v1/lists", Tags: tags,
		Summary: "Make a list of accounts, of which only you know", DefaultStatus: http.StatusCreated,
		Description: "An account keeps at most 100 lists. 409 says that there are as many.",
	}, func(ctx context.Context, in *struct {
		Key  string `header:"Idempotency-Key" maxLength:"128" doc:"Of your choice: a second request with the same key answers with the list of the first, on any node, for two days at least."`
		Body client.NewList
	}) (*createListReply, error) {
		l, err := a.Lists.Create(ctx, viewer(ctx), social.NewList{Title: in.Body.Title, Key: in.Key})
		return &createListReply{"/v1/lists/" + l.ID, l}, err
	})
	register(a, account, huma.Operation{
		OperationID: "list-lists", Method: http.MethodGet, Path: "/v1/lists", Tags: tags,
		Summary: "List your lists, oldest first",
	}, func(ctx context.Context, in *Cut) (*pageReply[social.List], error) {
		return page(a.Lists.List(ctx, viewer(ctx), in.cut()))
	})
	register(a, account, huma.Operation{
		OperationID: "get-list", Method: http.MethodGet, Path: "/v1/lists/{id}", Tags: tags,
		Summary: "Get a list of yours",
	}, func(ctx context.Context, in *ListInput) (*listReply, error) {
		l, err := a.Lists.Get(ctx, viewer(ctx), in.ID)
		return &listReply{l}, err
	})
	register(a, account, huma.Operation{
		OperationID: "rename-list", Method: http.MethodPatch, Path: "/v1/lists/{id}", Tags: tags,
		Summary: "Change the title of a list of yours",
	}, func(ctx context.Context, in *struct {
		ListInput
		Body client.NewList
	}) (*listReply, error) {
		l, err := a.Lists.Rename(ctx, viewer(ctx), in.ID, in.Body.Title)
		return &listReply{l}, err
	})
	register(a, account, huma.Operation{
		OperationID: "delete-list", Method: http.MethodDelete, Path: "/v1/lists/{id}", Tags: tags,
		Summary: "Delete a list of yours", DefaultStatus: http.StatusNoContent,
	}, func(ctx context.Context, in *ListInput) (*struct{}, error) {
		return nil, a.Lists.Delete(ctx, viewer(ctx), in.ID)
	})
	a.listMemberRoutes(tags)
}

func (a *api) listMemberRoutes(tags []string) {
	register(a, account, huma.Operation{
		OperationID: "list-list-members", Method: http.MethodGet, Path: "/v1/lists/{id}/members", Tags: tags,
		Summary: "List the accounts in a list of yours",
	}, func(ctx context.Context, in *struct {
		ListInput
		Cut
	}) (*pageReply[social.User], error) {
		return page(a.Lists.Members(ctx, viewer(ctx), in.ID, in.cut()))
	})
	for _, act := range []struct {
		method, id, summary string
		do                  func(ctx context.Context, who social.Identity, id, ref string) error
	}{
		{http.MethodPut, "add-to-list", "Put an account into a list of yours", a.Lists.Add},
		{http.MethodDelete, "remove-from-list", "Take an account out of a list of yours", a.Lists.Remove},
	} {
		register(a, account, huma.Operation{
			OperationID: act.id, Method: act.method, Path: "/v1/lists/{id}/members/{user}", Tags: tags,
			Summary: act.summary, DefaultStatus: http.StatusNoContent,
			Description: "A list has at most 200 members. 409 says that it has as many. The account is not told.",
		}, func(ctx context.Context, in *ListMemberInput) (*struct{}, error) {
			return nil, act.do(ctx, viewer(ctx), in.ID, in.User)
		})
	}
	register(a, account, replies[social.Page[social.Post]](a, huma.Operation{
		OperationID: "list-timeline", Method: http.MethodGet, Path: "/v1/timelines/lists/{id}", Tags: []string{"timelines"},
		Summary:     "List the posts of the accounts in a list of yours, newest first",
		Description: "Those that you may see, whether you follow the accounts or not. " + directions,
	}), func(ctx context.Context, in *struct {
		ListInput
		PostFilter
	}) (*rawReply, error) {
		return pageOfPosts(a.Timelines.List(ctx, viewer(ctx), in.ID, in.filter(), in.cut()))
	})
}
