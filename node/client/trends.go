package client

import (
	"context"
	"strconv"

	"grapevine/services/social"
	"grapevine/store"
)

// Trends is the hashtags that trend, those that trend most first, with how many
// partitions of the cluster answered.
type Trends struct {
	Items  []social.TrendingTag `json:"items" nullable:"false"`
	Shards store.Coverage       `json:"shards" doc:"How complete the counts are, in partitions."`
}

// TrendingTags gives the hashtags that trend most, up to limit; 0 leaves the number
// to the node.
func (c *Client) TrendingTags(ctx context.Context, limit int) (out Trends, err error) {
	path := "/v1/trends/tags"
	if limit != 0 {
		path += "?limit=" + strconv.Itoa(limit)
	}
	return out, c.call(ctx, "GET", path, nil, &out)
}
