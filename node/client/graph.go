package client

import (
	"context"
	"net/url"

	"grapevine/services/social"
)

// NewFriend is the body of POST /v1/users/{user}/friends.
type NewFriend struct {
	Friend string `json:"friend" minLength:"1" maxLength:"64" doc:"A user id or @name."`
}

// Befriended is its reply.
type Befriended struct {
	State social.Friendship `json:"state" enum:"requested,friends" doc:"requested: the other has yet to agree. friends: the other had asked, or was a friend."`
}

// Path is the reply of GET /v1/users/{user}/path/{other}.
type Path struct {
	Path []social.User `json:"path" nullable:"false" doc:"From the one account to the other, both included. Each follows the next."`
}

// Follow makes the client's own account follow another.
func (c *Client) Follow(ctx context.Context, ref, other string) error {
	return c.call(ctx, "PUT", userPath(ref)+"/following/"+url.PathEscape(other), nil, nil)
}

// Unfollow ends a follow.
func (c *Client) Unfollow(ctx context.Context, ref, other string) error {
	return c.call(ctx, "DELETE", userPath(ref)+"/following/"+url.PathEscape(other), nil, nil)
}

// Following lists whom an account follows.
func (c *Client) Following(ctx context.Context, ref string, cut social.Cut) (social.Page[social.User], error) {
	return list[social.User](ctx, c, userPath(ref)+"/following", cut)
}

// Followers lists who follows an account.
func (c *Client) Followers(ctx context.Context, ref string, cut social.Cut) (social.Page[social.User], error) {
	return list[social.User](ctx, c, userPath(ref)+"/followers", cut)
}

// Friends lists the accounts that an account follows and that follow it.
func (c *Client) Friends(ctx context.Context, ref string, cut social.Cut) (social.Page[social.User], error) {
	return list[social.User](ctx, c, userPath(ref)+"/friends", cut)
}

// Mutuals lists who follows both of two accounts.
func (c *Client) Mutuals(ctx context.Context, ref, other string, cut social.Cut) (social.Page[social.User], error) {
	return list[social.User](ctx, c, toward(ref, "mutuals", other), cut)
}

// Suggestions lists accounts that an account might want to follow.
func (c *Client) Suggestions(ctx context.Context, ref string, cut social.Cut) (social.Page[social.Suggestion], error) {
	return list[social.Suggestion](ctx, c, userPath(ref)+"/suggestions", cut)
}

// Path gives a shortest chain of follows from one account to another.
func (c *Client) Path(ctx context.Context, ref, other string) (out Path, err error) {
	return out, c.call(ctx, "GET", toward(ref, "path", other), nil, &out)
}

// Relation gives how the client's own account stands to another.
func (c *Client) Relation(ctx context.Context, ref, other string) (out social.Relation, err error) {
	return out, c.call(ctx, "GET", toward(ref, "relations", other), nil, &out)
}

// Befriend asks another account to be friends with the client's own, or agrees to it.
func (c *Client) Befriend(ctx context.Context, ref, friend string) (out Befriended, err error) {
	return out, c.call(ctx, "POST", userPath(ref)+"/friends", NewFriend{friend}, &out)
}

// Unfriend ends a friendship, or withdraws or declines a request.
func (c *Client) Unfriend(ctx context.Context, ref, other string) error {
	return c.call(ctx, "DELETE", toward(ref, "friends", other), nil, nil)
}

// FriendRequests lists the open friend requests of the client's own account.
func (c *Client) FriendRequests(ctx context.Context, ref string, d social.RequestDirection, cut social.Cut) (out social.Page[social.User], err error) {
	path := userPath(ref) + "/friend-requests?direction=" + url.QueryEscape(string(d))
	if q := cutQuery(cut); q != "" {
		path += "&" + q[1:]
	}
	return out, c.call(ctx, "GET", path, nil, &out)
}

// BlockUser makes the client's own account block another.
func (c *Client) BlockUser(ctx context.Context, ref, other string) error {
	return c.call(ctx, "PUT", toward(ref, "blocks", other), nil, nil)
}

// UnblockUser ends a block.
func (c *Client) UnblockUser(ctx context.Context, ref, other string) error {
	return c.call(ctx, "DELETE", toward(ref, "blocks", other), nil, nil)
}

// Blocks lists whom the client's own account blocks.
func (c *Client) Blocks(ctx context.Context, ref string, cut social.Cut) (social.Page[social.User], error) {
	return list[social.User](ctx, c, userPath(ref)+"/blocks", cut)
}

// MuteUser keeps another's posts from the timelines of the client's own account.
func (c *Client) MuteUser(ctx context.Context, ref, other string) error {
	return c.call(ctx, "PUT", toward(ref, "mutes", other), nil, nil)
}

// UnmuteUser ends a mute.
func (c *Client) UnmuteUser(ctx context.Context, ref, other string) error {
	return c.call(ctx, "DELETE", toward(ref, "mutes", other), nil, nil)
}

// Mutes lists whom the client's own account mutes.
func (c *Client) Mutes(ctx context.Context, ref string, cut social.Cut) (social.Page[social.User], error) {
	return list[social.User](ctx, c, userPath(ref)+"/mutes", cut)
}

// toward is the path of how an account stands to another.
func toward(ref, how, other string) string {
	return userPath(ref) + "/" + how + "/" + url.PathEscape(other)
}
