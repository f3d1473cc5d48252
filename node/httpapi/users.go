package httpapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"grapevine/node/client"
	"grapevine/services/social"
)

// UserInput names an account, in the path.
type UserInput struct {
	User string `path:"user" maxLength:"64" doc:"A user id or @name."`
}

type userReply struct{ Body social.User }

func (a *api) userRoutes() {
	tags := []string{"users"}
	register(a, anyone, huma.Operation{
		OperationID: "sign-up", Method: http.MethodPost, Path: "/v1/users", Tags: tags,
		Summary: "Make an account and log it in", DefaultStatus: http.StatusCreated,
	}, a.signUp)
	register(a, visitor, huma.Operation{
		OperationID: "list-users", Method: http.MethodGet, Path: "/v1/users", Tags: tags,
		Summary: "List all accounts",
	}, func(ctx context.Context, in *struct{ Cut }) (*pageReply[social.User], error) {
		return page(a.Users.List(ctx, in.cut()))
	})
	register(a, visitor, huma.Operation{
		OperationID: "get-user", Method: http.MethodGet, Path: "/v1/users/{user}", Tags: tags,
		Summary: "Get an account",
	}, func(ctx context.Context, in *UserInput) (*userReply, error) {
		u, err := a.Users.Get(ctx, in.User)
		return &userReply{u}, err
	})
	register(a, account, huma.Operation{
		OperationID: "update-user", Method: http.MethodPatch, Path: "/v1/users/{user}", Tags: tags,
		Summary: "Change your account",
	}, a.updateUser)
	register(a, account, huma.Operation{
		OperationID: "delete-user", Method: http.MethodDelete, Path: "/v1/users/{user}", Tags: tags,
		Summary: "Delete your account", DefaultStatus: http.StatusNoContent,
	}, func(ctx context.Context, in *UserInput) (*struct{}, error) {
		return nil, a.Users.Delete(ctx, viewer(ctx), in.User)
	})
}

type signUpReply struct {
	Location string `header:"Location" doc:"The account's URL."`
	Body     client.SignedUp
}

func (a *api) signUp(ctx context.Context, in *struct{ Body client.SignUp }) (*signUpReply, error) {
	s, err := a.Users.Create(ctx, social.NewUser{
		Username: in.Body.Username, Password: in.Body.Password,
		DisplayName: in.Body.DisplayName, Bio: in.Body.Bio,
	})
	if err != nil {
		return nil, err
	}
	return &signUpReply{
		Location: "/v1/users/" + s.User.ID,
		Body:     client.SignedUp{User: s.User, Session: client.Token{Token: s.Token, ExpiresAt: s.ExpiresAt}},
	}, nil
}

func (a *api) updateUser(ctx context.Context, in *struct {
	UserInput
	Body client.UserPatch
}) (*userReply, error) {
	u, err := a.Users.Update(ctx, viewer(ctx), in.User, social.UserPatch(in.Body))
	return &userReply{u}, err
}
