package client

import (
	"context"
	"net/url"
	"time"

	"grapevine/services/social"
	"grapevine/store"
)

// SignUp is the body of POST /v1/users.
type SignUp struct {
	Username    string `json:"username" minLength:"1" maxLength:"32" pattern:"^[A-Za-z0-9_]+$" patternDescription:"letters of ASCII, digits and _" doc:"Letters of ASCII, digits and _; upper case is folded. Names that would pass for those who run the service, such as admin, are reserved."`
	Password    string `json:"password" minLength:"8" maxLength:"256"`
	DisplayName string `json:"display_name,omitempty" maxLength:"64" doc:"The username when empty."`
	Bio         string `json:"bio,omitempty" maxLength:"500"`
}

// SignedUp is its reply: the new account, logged in.
type SignedUp struct {
	social.User
	Session Token `json:"session"`
}

// Token is what authorizes the requests of an account.
type Token struct {
	Token     string    `json:"token" doc:"Send it as Authorization: Bearer TOKEN, to any node."`
	ExpiresAt time.Time `json:"expires_at"`
}

// Login is the body of POST /v1/sessions.
type Login struct {
	Username string `json:"username" minLength:"1" maxLength:"32"`
	Password string `json:"password" minLength:"1" maxLength:"256"`
}

// UserPatch is the body of PATCH /v1/users/{user}. Fields left out stay as they
// are.
type UserPatch struct {
	Username    *string `json:"username,omitempty" minLength:"1" maxLength:"32" pattern:"^[A-Za-z0-9_]+$" patternDescription:"letters of ASCII, digits and _" doc:"Another name for the account, as in a sign-up."`
	DisplayName *string `json:"display_name,omitempty" maxLength:"64" doc:"The username when empty."`
	Bio         *string `json:"bio,omitempty" maxLength:"500"`
	Avatar      *string `json:"avatar,omitempty" maxLength:"500" doc:"An https URL, or an id of letters, digits and . _ ~ - of a picture kept elsewhere; none when empty."`
}

// Account is an account by itself, not as one of a list. Notices are for its owner.
type Account struct {
	social.User
	social.RelationCounts
	Notices []social.Notice `json:"notices,omitempty" nullable:"false" doc:"What the system did to your account, newest first, until you dismiss it."`
}

// UsersPage is a page of all accounts, with how many partitions of the cluster had a
// say in it.
type UsersPage struct {
	social.Page[social.User]
	Coverage store.Coverage `json:"coverage" doc:"How complete the page is, in partitions."`
}

// NewPassword is the body of PUT /v1/users/{user}/password.
type NewPassword struct {
	Current string `json:"current_password" minLength:"1" maxLength:"256"`
	New     string `json:"new_password" minLength:"8" maxLength:"256"`
}

// NewPost is the body of POST /v1/posts. Key, when not empty, is sent as the
// Idempotency-Key.
type NewPost struct {
	Text       string            `json:"text" minLength:"1" maxLength:"5000"`
	ReplyTo    string            `json:"reply_to,omitempty" maxLength:"26" doc:"The id of the post this answers."`
	Visibility social.Visibility `json:"visibility,omitempty" enum:"public,followers,direct" doc:"Public when left out."`
	Key        string            `json:"-"`
}

// PostPatch is the body of PATCH /v1/posts/{id}.
type PostPatch struct {
	Text string `json:"text" minLength:"1" maxLength:"5000"`
}

// PublicPage is a page of the public timeline, with how many partitions of the
// cluster had a say in it.
type PublicPage struct {
	social.Page[social.Post]
	Coverage store.Coverage `json:"coverage" doc:"How complete the page is, in partitions."`
}

// SignUp makes an account and logs it in. It does not change the client's token:
// derive a client with WithToken.
func (c *Client) SignUp(ctx context.Context, in SignUp) (out SignedUp, err error) {
	return out, c.call(ctx, "POST", "/v1/users", in, &out)
}

// LogIn opens a session. It does not change the client's token.
func (c *Client) LogIn(ctx context.Context, username, password string) (out social.Session, err error) {
	return out, c.call(ctx, "POST", "/v1/sessions", Login{username, password}, &out)
}

// LogOut ends the session of the client's token.
func (c *Client) LogOut(ctx context.Context) error {
	return c.call(ctx, "DELETE", "/v1/sessions/current", nil, nil)
}

// LogOutEverywhere ends all sessions of the client's account.
func (c *Client) LogOutEverywhere(ctx context.Context) error {
	return c.call(ctx, "DELETE", "/v1/sessions", nil, nil)
}

// SetPassword changes the password of the client's own account and ends all its
// sessions, the client's too.
func (c *Client) SetPassword(ctx context.Context, ref string, in NewPassword) error {
	return c.call(ctx, "PUT", userPath(ref)+"/password", in, nil)
}

// User gives an account by its id or @name.
func (c *Client) User(ctx context.Context, ref string) (out social.User, err error) {
	return out, c.call(ctx, "GET", userPath(ref), nil, &out)
}

// Account gives the client's own account, with its notices.
func (c *Client) Account(ctx context.Context, ref string) (out Account, err error) {
	return out, c.call(ctx, "GET", userPath(ref), nil, &out)
}

// DismissNotice removes a notice from the client's own account.
func (c *Client) DismissNotice(ctx context.Context, ref, notice string) error {
	return c.call(ctx, "DELETE", userPath(ref)+"/notices/"+url.PathEscape(notice), nil, nil)
}

// Users lists all accounts.
func (c *Client) Users(ctx context.Context, cut social.Cut) (out UsersPage, err error) {
	return out, c.call(ctx, "GET", "/v1/users"+cutQuery(cut), nil, &out)
}

// UpdateUser changes the client's own account.
func (c *Client) UpdateUser(ctx context.Context, ref string, in UserPatch) (out social.User, err error) {
	return out, c.call(ctx, "PATCH", userPath(ref), in, &out)
}

// DeleteUser deletes the client's own account.
func (c *Client) DeleteUser(ctx context.Context, ref string) error {
	return c.call(ctx, "DELETE", userPath(ref), nil, nil)
}

// Post publishes a post.
func (c *Client) Post(ctx context.Context, in NewPost) (out social.Post, err error) {
	return out, c.call(ctx, "POST", "/v1/posts", in, &out, HeaderIdempotency, in.Key)
}

// GetPost gives a post.
func (c *Client) GetPost(ctx context.Context, id string) (out social.Post, err error) {
	return out, c.call(ctx, "GET", postPath(id), nil, &out)
}

// EditPost changes the text of a post of the client's own account.
func (c *Client) EditPost(ctx context.Context, id, text string) (out social.Post, err error) {
	return out, c.call(ctx, "PATCH", postPath(id), PostPatch{text}, &out)
}

// DeletePost deletes a post of the client's own account.
func (c *Client) DeletePost(ctx context.Context, id string) error {
	return c.call(ctx, "DELETE", postPath(id), nil, nil)
}

func userPath(ref string) string { return "/v1/users/" + url.PathEscape(ref) }
func postPath(id string) string  { return "/v1/posts/" + url.PathEscape(id) }

func list[T any](ctx context.Context, c *Client, path string, cut social.Cut) (out social.Page[T], err error) {
	return out, c.call(ctx, "GET", path+cutQuery(cut), nil, &out)
}

func cutQuery(cut social.Cut) string { return postQuery(cut, nil) }
