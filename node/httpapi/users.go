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

type (
	userReply    struct{ Body social.User }
	accountReply struct{ Body client.Account }
	usersReply   struct{ Body client.UsersPage }
)

func (a *api) userRoutes() {
	tags := []string{"users"}
	register(a, anyone, huma.Operation{
		OperationID: "sign-up", Method: http.MethodPost, Path: "/v1/users", Tags: tags,
		Summary: "Make an account and log it in", DefaultStatus: http.StatusCreated,
		Errors: []int{http.StatusTooManyRequests},
	}, a.signUp)
	register(a, visitor, huma.Operation{
		OperationID: "list-users", Method: http.MethodGet, Path: "/v1/users", Tags: tags,
		Summary: "List all accounts, newest first",
	}, func(ctx context.Context, in *struct{ Cut }) (*usersReply, error) {
		p, coverage, err := a.Users.List(ctx, in.cut())
		return &usersReply{client.UsersPage{Page: p, Coverage: coverage}}, err
	})
	register(a, visitor, huma.Operation{
		OperationID: "get-user", Method: http.MethodGet, Path: "/v1/users/{user}", Tags: tags,
		Summary: "Get an account; your own with its notices",
	}, a.getUser)
	register(a, account, huma.Operation{
		OperationID: "update-user", Method: http.MethodPatch, Path: "/v1/users/{user}", Tags: tags,
		Summary:     "Change your account",
		Description: "Each field for itself: of changes on several nodes at once, the latest to each field stands. A new username is free to others as soon as you have another; should an earlier claim to it come to light when a split of the cluster heals, the account gets another name, and a notice.",
	}, a.updateUser)
	register(a, account, huma.Operation{
		OperationID: "set-password", Method: http.MethodPut, Path: "/v1/users/{user}/password", Tags: tags,
		Summary: "Change your password and end all your sessions, this one too", DefaultStatus: http.StatusNoContent,
		Errors: []int{http.StatusTooManyRequests},
	}, a.setPassword)
	register(a, account, huma.Operation{
		OperationID: "dismiss-notice", Method: http.MethodDelete, Path: "/v1/users/{user}/notices/{id}", Tags: tags,
		Summary: "Remove a notice from your account", DefaultStatus: http.StatusNoContent,
	}, func(ctx context.Context, in *struct {
		UserInput
		ID string `path:"id" maxLength:"64" doc:"The id of a notice."`
	}) (*struct{}, error) {
		return nil, a.Users.Dismiss(ctx, viewer(ctx), in.User, in.ID)
	})
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

func (a *api) signUp(ctx context.Context, in *struct {
	Key  string `header:"Idempotency-Key" maxLength:"128" doc:"Of your choice, and secret: a second request with the same key, username and password logs in to the account that the first made, on any node."`
	Body client.SignUp
}) (*signUpReply, error) {
	if err := a.admitSignUp(ctx); err != nil {
		return nil, err
	}
	s, err := a.Users.Create(ctx, social.NewUser{
		Username: in.Body.Username, Password: in.Body.Password,
		DisplayName: in.Body.DisplayName, Bio: in.Body.Bio, Key: in.Key,
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

func (a *api) getUser(ctx context.Context, in *UserInput) (*accountReply, error) {
	u, err := a.Users.Get(ctx, in.User)
	reply := &accountReply{client.Account{User: u}}
	if err == nil {
		reply.Body.RelationCounts, err = a.Graph.Counts(ctx, u.ID)
	}
	if err == nil && u.ID == viewer(ctx).User {
		reply.Body.Notices, err = a.Users.Notices(ctx, viewer(ctx))
	}
	return reply, err
}

func (a *api) setPassword(ctx context.Context, in *struct {
	UserInput
	Body client.NewPassword
}) (*struct{}, error) {
	return nil, a.guess(ctx, viewer(ctx).User, func() error {
		return a.Users.SetPassword(ctx, viewer(ctx), in.User, in.Body.Current, in.Body.New)
	})
}
