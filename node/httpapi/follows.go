package httpapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"grapevine/services/social"
)

// FollowInput names two accounts, in the path.
type FollowInput struct {
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
	register(a, account, huma.Operation{
		OperationID: "follow", Method: http.MethodPut, Path: "/v1/users/{user}/following/{other}", Tags: tags,
		Summary: "Follow an account", DefaultStatus: http.StatusNoContent,
	}, func(ctx context.Context, in *FollowInput) (*struct{}, error) {
		return nil, a.Graph.Follow(ctx, viewer(ctx), in.User, in.Other)
	})
	register(a, account, huma.Operation{
		OperationID: "unfollow", Method: http.MethodDelete, Path: "/v1/users/{user}/following/{other}", Tags: tags,
		Summary: "Unfollow an account", DefaultStatus: http.StatusNoContent,
	}, func(ctx context.Context, in *FollowInput) (*struct{}, error) {
		return nil, a.Graph.Unfollow(ctx, viewer(ctx), in.User, in.Other)
	})
	a.relation("following", "List whom an account follows", a.Graph.Following)
	a.relation("followers", "List who follows an account", a.Graph.Followers)
	a.relation("friends", "List the accounts that an account follows and that follow it", a.Graph.Friends)
}

// relation registers a list of the accounts that stand in a relation to one.
func (a *api) relation(name, summary string, list func(context.Context, string, social.Cut) (social.Page[social.User], error)) {
	register(a, visitor, huma.Operation{
		OperationID: "list-" + name, Method: http.MethodGet, Path: "/v1/users/{user}/" + name,
		Summary: summary, Tags: []string{"follows"},
	}, func(ctx context.Context, in *RelationInput) (*pageReply[social.User], error) {
		return page(list(ctx, in.User, in.cut()))
	})
}
