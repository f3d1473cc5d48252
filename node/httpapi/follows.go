package httpapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"grapevine/node/client"
	"grapevine/services/social"
)

// PairInput names two accounts, in the path.
type PairInput struct {
	UserInput
	Other string `path:"other" maxLength:"64" doc:"A user id or @name."`
}

// RelationInput asks for a page of what belongs to an account.
type RelationInput struct {
	UserInput
	Cut
}

func (a *api) followRoutes() {
	tags := []string{"follows"}
	a.act(http.MethodPut, "follow", "following", tags, "Follow an account", a.Graph.Follow)
	a.act(http.MethodDelete, "unfollow", "following", tags, "Unfollow an account", a.Graph.Unfollow)
	a.relation("following", tags, "List whom an account follows", a.Graph.Following)
	a.relation("followers", tags, "List who follows an account", a.Graph.Followers)
	register(a, visitor, huma.Operation{
		OperationID: "list-mutuals", Method: http.MethodGet, Path: "/v1/users/{user}/mutuals/{other}", Tags: tags,
		Summary: "List who follows both of two accounts",
	}, func(ctx context.Context, in *struct {
		PairInput
		Cut
	}) (*pageReply[social.User], error) {
		return page(a.Graph.Mutuals(ctx, in.User, in.Other, in.cut()))
	})
	register(a, visitor, huma.Operation{
		OperationID: "list-suggestions", Method: http.MethodGet, Path: "/v1/users/{user}/suggestions", Tags: tags,
		Summary:     "List accounts that an account might want to follow, and why",
		Description: "Those followed by whom the account follows, most of them first. Of your own account, without those whom you block or mute, or who block you.",
	}, func(ctx context.Context, in *RelationInput) (*pageReply[social.Suggestion], error) {
		return page(a.Graph.Suggestions(ctx, viewer(ctx), in.User, in.cut()))
	})
	register(a, visitor, huma.Operation{
		OperationID: "get-path", Method: http.MethodGet, Path: "/v1/users/{user}/path/{other}", Tags: tags,
		Summary:     "Find a shortest chain of follows from one account to another",
		Description: "Of at most 6 follows. 404 says that there is none within the bounds of the search, which its detail names.",
	}, a.path)
}

type pathReply struct{ Body client.Path }

func (a *api) path(ctx context.Context, in *PairInput) (*pathReply, error) {
	users, err := a.Graph.Path(ctx, in.User, in.Other)
	if users == nil {
		users = []social.User{}
	}
	return &pathReply{client.Path{Path: users}}, err
}

// act registers something that an account does to another, or undoes.
func (a *api) act(method, id, how string, tags []string, summary string, do func(ctx context.Context, who social.Identity, ref, other string) error) {
	register(a, account, huma.Operation{
		OperationID: id, Method: method, Path: "/v1/users/{user}/" + how + "/{other}", Tags: tags,
		Summary: summary, DefaultStatus: http.StatusNoContent,
	}, func(ctx context.Context, in *PairInput) (*struct{}, error) {
		return nil, do(ctx, viewer(ctx), in.User, in.Other)
	})
}

// relation registers a list of the accounts that stand in a relation to one.
func (a *api) relation(name string, tags []string, summary string, list func(context.Context, string, social.Cut) (social.Page[social.User], error)) {
	register(a, visitor, huma.Operation{
		OperationID: "list-" + name, Method: http.MethodGet, Path: "/v1/users/{user}/" + name,
		Summary: summary, Tags: tags,
	}, func(ctx context.Context, in *RelationInput) (*pageReply[social.User], error) {
		return page(list(ctx, in.User, in.cut()))
	})
}

// privateRelation registers such a list that only the account itself is shown.
func (a *api) privateRelation(name string, tags []string, summary string, list func(context.Context, social.Identity, string, social.Cut) (social.Page[social.User], error)) {
	register(a, account, huma.Operation{
		OperationID: "list-" + name, Method: http.MethodGet, Path: "/v1/users/{user}/" + name,
		Summary: summary, Tags: tags, Errors: []int{http.StatusForbidden},
	}, func(ctx context.Context, in *RelationInput) (*pageReply[social.User], error) {
		return page(list(ctx, viewer(ctx), in.User, in.cut()))
	})
}
