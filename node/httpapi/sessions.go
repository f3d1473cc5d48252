package httpapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"grapevine/node/client"
	"grapevine/services/social"
)

type sessionReply struct{ Body social.Session }

func (a *api) sessionRoutes() {
	tags := []string{"sessions"}
	register(a, anyone, huma.Operation{
		OperationID: "log-in", Method: http.MethodPost, Path: "/v1/sessions", Tags: tags,
		Summary: "Log in", DefaultStatus: http.StatusCreated,
		Errors: []int{http.StatusUnauthorized, http.StatusTooManyRequests},
	}, func(ctx context.Context, in *struct{ Body client.Login }) (*sessionReply, error) {
		var reply sessionReply
		return &reply, a.guess(ctx, social.FoldName(in.Body.Username), func() (err error) {
			reply.Body, err = a.Users.LogIn(ctx, in.Body.Username, in.Body.Password)
			return err
		})
	})
	register(a, account, huma.Operation{
		OperationID: "log-out-everywhere", Method: http.MethodDelete, Path: "/v1/sessions", Tags: tags,
		Summary: "End all sessions of the account, this one too", DefaultStatus: http.StatusNoContent,
	}, func(ctx context.Context, _ *struct{}) (*struct{}, error) {
		return nil, a.Users.LogOutEverywhere(ctx, viewer(ctx))
	})
	register(a, account, huma.Operation{
		OperationID: "log-out", Method: http.MethodDelete, Path: "/v1/sessions/current", Tags: tags,
		Summary: "End the session of the token", DefaultStatus: http.StatusNoContent,
	}, func(ctx context.Context, _ *struct{}) (*struct{}, error) {
		return nil, a.Users.LogOut(ctx, viewer(ctx))
	})
}
