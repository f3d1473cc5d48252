package httpapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"grapevine/node/client"
	"grapevine/services/social"
)

func (a *api) friendRoutes() {
	tags := []string{"friends"}
	a.relation("friends", tags, "List an account's friends: who agreed to be, and who follows it and is followed", a.Graph.Friends)
	register(a, account, huma.Operation{
		OperationID: "befriend", Method: http.MethodPost, Path: "/v1/users/{user}/friends", Tags: tags,
		Summary: "Ask an account to be friends, or agree to it", DefaultStatus: http.StatusCreated,
		Description: "Asking again changes nothing.",
	}, a.befriend)
	a.act(http.MethodDelete, "unfriend", "friends", tags, "Withdraw or decline a friend request, or remove a friend", a.Graph.Unfriend)
	register(a, account, huma.Operation{
		OperationID: "list-friend-requests", Method: http.MethodGet, Path: "/v1/users/{user}/friend-requests", Tags: tags,
		Summary: "List your open friend requests", Errors: []int{http.StatusForbidden},
	}, func(ctx context.Context, in *struct {
		RelationInput
		Direction social.RequestDirection `query:"direction" enum:"in,out" default:"in" doc:"in: those that wait for your answer. out: those of yours that wait for another's."`
	}) (*pageReply[social.User], error) {
		return page(a.Graph.Requests(ctx, viewer(ctx), in.User, in.Direction, in.cut()))
	})
	register(a, account, huma.Operation{
		OperationID: "get-relation", Method: http.MethodGet, Path: "/v1/users/{user}/relations/{other}", Tags: tags,
		Summary: "Get how your account stands to another", Errors: []int{http.StatusForbidden},
	}, func(ctx context.Context, in *PairInput) (*relationReply, error) {
		r, err := a.Graph.Relation(ctx, viewer(ctx), in.User, in.Other)
		return &relationReply{r}, err
	})
}

type (
	relationReply   struct{ Body social.Relation }
	befriendedReply struct{ Body client.Befriended }
)

func (a *api) befriend(ctx context.Context, in *struct {
	UserInput
	Body client.NewFriend
}) (*befriendedReply, error) {
	state, err := a.Graph.Befriend(ctx, viewer(ctx), in.User, in.Body.Friend)
	return &befriendedReply{client.Befriended{State: state}}, err
}
