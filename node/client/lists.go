package client

import (
	"context"
	"net/url"

	"grapevine/services/social"
)

// NewList is the body of POST /v1/lists and of PATCH /v1/lists/{id}. Key is sent as
// the Idempotency-Key of the former.
type NewList struct {
	Title string `json:"title" minLength:"1" maxLength:"100"`
	Key   string `json:"-"`
}

// CreateList makes a list of accounts.
func (c *Client) CreateList(ctx context.Context, in NewList) (out social.List, err error) {
	return out, c.call(ctx, "POST", "/v1/lists", in, &out, HeaderIdempotency, in.Key)
}

// Lists lists the lists of the client's own account.
func (c *Client) Lists(ctx context.Context, cut social.Cut) (social.Page[social.List], error) {
	return list[social.List](ctx, c, "/v1/lists", cut)
}

// GetList gives a list of the client's own account.
func (c *Client) GetList(ctx context.Context, id string) (out social.List, err error) {
	return out, c.call(ctx, "GET", listPath(id), nil, &out)
}

// RenameList changes the title of a list of the client's own account.
func (c *Client) RenameList(ctx context.Context, id, title string) (out social.List, err error) {
	return out, c.call(ctx, "PATCH", listPath(id), NewList{Title: title}, &out)
}

// DeleteList deletes a list of the client's own account.
func (c *Client) DeleteList(ctx context.Context, id string) error {
	return c.call(ctx, "DELETE", listPath(id), nil, nil)
}

// ListMembers lists the accounts in a list of the client's own account.
func (c *Client) ListMembers(ctx context.Context, id string, cut social.Cut) (social.Page[social.User], error) {
	return list[social.User](ctx, c, listPath(id)+"/members", cut)
}

// AddToList puts an account into a list of the client's own account.
func (c *Client) AddToList(ctx context.Context, id, ref string) error {
	return c.call(ctx, "PUT", listPath(id)+"/members/"+url.PathEscape(ref), nil, nil)
}

// RemoveFromList takes an account out of a list of the client's own account.
func (c *Client) RemoveFromList(ctx context.Context, id, ref string) error {
	return c.call(ctx, "DELETE", listPath(id)+"/members/"+url.PathEscape(ref), nil, nil)
}

// ListTimeline lists the posts of the accounts in a list of the client's own account.
func (c *Client) ListTimeline(ctx context.Context, id string, cut social.Cut, only ...social.PostFilter) (social.Page[social.Post], error) {
	return listPosts(ctx, c, "/v1/timelines/lists/"+url.PathEscape(id), cut, only)
}

func listPath(id string) string { return "/v1/lists/" + url.PathEscape(id) }
