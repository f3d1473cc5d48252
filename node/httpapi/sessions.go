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
		Errors: []int{http.StatusUnauthorized},
	}, func(ctx context.Context, in *struct{ Body client.Login }) (*sessionReply, error) {
		s, err := a.Users.LogIn(ctx, in.Body.Username, in.Body.Password)
		return &sessionReply{s}, err
	})
	register(a, account, huma.Operation{
		OperationID: "log-out", Method: http.MethodDelete, Path: "/v1/sessions/current", Tags: tags,
		Summary: "End the session of the token", DefaultStatus: http.StatusNoContent,
	}, func(ctx context.Context, _ *struct{}) (*struct{}, error) {
		return nil, a.Users.LogOut(ctx, viewer(ctx))
	})
}
