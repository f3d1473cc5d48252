package client

import (
	"context"
	"net/url"
	"strconv"
	"time"

	"grapevine/services/social"
)

// Lists of posts are newest first. Of the filters that their methods take, the
// first counts.

// UserPosts lists an account's posts and reposts.
func (c *Client) UserPosts(ctx context.Context, ref string, cut social.Cut, only ...social.PostFilter) (social.Page[social.Post], error) {
	return listPosts(ctx, c, userPath(ref)+"/posts", cut, only)
}

// Home lists the posts of those whom the client's account follows.
func (c *Client) Home(ctx context.Context, cut social.Cut, only ...social.PostFilter) (social.Page[social.Post], error) {
	return listPosts(ctx, c, "/v1/timelines/home", cut, only)
}

// Mentions lists the posts that mention the client's account.
func (c *Client) Mentions(ctx context.Context, cut social.Cut, only ...social.PostFilter) (social.Page[social.Post], error) {
	return listPosts(ctx, c, "/v1/timelines/mentions", cut, only)
}

// Tagged lists the public posts with a hashtag.
func (c *Client) Tagged(ctx context.Context, tag string, cut social.Cut, only ...social.PostFilter) (social.Page[social.Post], error) {
	return listPosts(ctx, c, "/v1/timelines/tags/"+url.PathEscape(tag), cut, only)
}

// Public lists all public posts but reposts.
func (c *Client) Public(ctx context.Context, cut social.Cut, only ...social.PostFilter) (out PublicPage, err error) {
	return out, c.call(ctx, "GET", "/v1/timelines/public"+postQuery(cut, only), nil, &out)
}

// Like likes a post.
func (c *Client) Like(ctx context.Context, id string) error {
	return c.call(ctx, "PUT", postPath(id)+"/like", nil, nil)
}

// Unlike takes a like back.
func (c *Client) Unlike(ctx context.Context, id string) error {
	return c.call(ctx, "DELETE", postPath(id)+"/like", nil, nil)
}

// Likes lists who likes a post.
func (c *Client) Likes(ctx context.Context, id string, cut social.Cut) (social.Page[social.User], error) {
	return list[social.User](ctx, c, postPath(id)+"/likes", cut)
}

// Repost passes a post on to the followers of the client's account.
func (c *Client) Repost(ctx context.Context, id string) error {
	return c.call(ctx, "PUT", postPath(id)+"/repost", nil, nil)
}

// Unrepost takes a repost back.
func (c *Client) Unrepost(ctx context.Context, id string) error {
	return c.call(ctx, "DELETE", postPath(id)+"/repost", nil, nil)
}

// Reposts lists who reposted a post.
func (c *Client) Reposts(ctx context.Context, id string, cut social.Cut) (social.Page[social.User], error) {
	return list[social.User](ctx, c, postPath(id)+"/reposts", cut)
}

// Thread gives a post among those it answers and a page of those that answer it.
func (c *Client) Thread(ctx context.Context, id string, cut social.Cut) (out social.Thread[social.Post], err error) {
	return out, c.call(ctx, "GET", postPath(id)+"/thread"+cutQuery(cut), nil, &out)
}

// PostHistory lists the texts that a post was given, newest first.
func (c *Client) PostHistory(ctx context.Context, id string, cut social.Cut) (social.Page[social.PostVersion], error) {
	return list[social.PostVersion](ctx, c, postPath(id)+"/history", cut)
}

func listPosts(ctx context.Context, c *Client, path string, cut social.Cut, only []social.PostFilter) (out social.Page[social.Post], err error) {
	return out, c.call(ctx, "GET", path+postQuery(cut, only), nil, &out)
}

func postQuery(cut social.Cut, only []social.PostFilter) string {
	q := cutValues(cut)
	if len(only) > 0 {
		addFilter(q, only[0])
	}
	if len(q) == 0 {
		return ""
	}
	return "?" + q.Encode()
}

func addFilter(q url.Values, f social.PostFilter) {
	if f.Author != "" {
		q.Set("author", f.Author)
	}
	if f.Tag != "" {
		q.Set("tag", f.Tag)
	}
	if !f.Since.IsZero() {
		q.Set("since", f.Since.Format(time.RFC3339Nano))
	}
	if !f.Until.IsZero() {
		q.Set("until", f.Until.Format(time.RFC3339Nano))
	}
	if f.Replies != nil {
		q.Set("replies", strconv.FormatBool(*f.Replies))
	}
}

func cutValues(cut social.Cut) url.Values {
	q := url.Values{}
	if cut.Cursor != "" {
		q.Set("cursor", cut.Cursor)
	}
	if cut.Limit != 0 {
		q.Set("limit", strconv.Itoa(cut.Limit))
	}
	return q
}
