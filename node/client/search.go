package client

import (
	"context"
	"net/url"
	"strconv"
	"time"

	"grapevine/services/social"
	"grapevine/store"
)

// FoundPost is a post that a search found.
type FoundPost struct {
	Post      social.Post `json:"post"`
	Highlight string      `json:"highlight" doc:"A part of the text as HTML: what matched is in <mark>, and all else is escaped."`
}

// FoundPostPage is a page of posts that were found, with how many partitions of the
// cluster answered.
type FoundPostPage struct {
	social.Page[FoundPost]
	Shards store.Coverage `json:"shards" doc:"How complete the page is, in partitions."`
}

// FoundUserPage is a page of users that were found.
type FoundUserPage struct {
	social.Page[social.User]
	Shards store.Coverage `json:"shards" doc:"How complete the page is, in partitions."`
}

// FoundTagPage is a page of hashtags that were found.
type FoundTagPage struct {
	social.Page[social.TagFinding]
	Shards store.Coverage `json:"shards" doc:"How complete the page is, in partitions."`
}

// SearchPosts finds posts that the client's account may see.
func (c *Client) SearchPosts(ctx context.Context, in social.Search, cut social.Cut) (out FoundPostPage, err error) {
	in.Type = social.SearchPosts
	return out, c.call(ctx, "GET", searchPath(in, cut), nil, &out)
}

// SearchUsers finds users by the beginnings of their names.
func (c *Client) SearchUsers(ctx context.Context, in social.Search, cut social.Cut) (out FoundUserPage, err error) {
	in.Type = social.SearchUsers
	return out, c.call(ctx, "GET", searchPath(in, cut), nil, &out)
}

// SearchTags finds hashtags by their beginning, those of most posts first.
func (c *Client) SearchTags(ctx context.Context, in social.Search, cut social.Cut) (out FoundTagPage, err error) {
	in.Type = social.SearchTags
	return out, c.call(ctx, "GET", searchPath(in, cut), nil, &out)
}

func searchPath(in social.Search, cut social.Cut) string {
	q := url.Values{}
	for name, value := range map[string]string{
		"q": in.Query, "type": string(in.Type), "sort": string(in.Order), "author": in.Author,
		"tag": in.Tag, "lang": in.Language, "cursor": cut.Cursor,
	} {
		if value != "" {
			q.Set(name, value)
		}
	}
	for name, at := range map[string]time.Time{"since": in.Since, "until": in.Until} {
		if !at.IsZero() {
			q.Set(name, at.UTC().Format(time.RFC3339Nano))
		}
	}
	if cut.Limit != 0 {
		q.Set("limit", strconv.Itoa(cut.Limit))
	}
	return "/v1/search?" + q.Encode()
}
