package httpapi

import (
	"context"
	"encoding/json"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"grapevine/node/client"
	"grapevine/services/social"
	"grapevine/store"
)

// Search finds posts, users and hashtags, and says how many partitions answered.
type Search interface {
	Posts(ctx context.Context, viewer social.Identity, in social.Search, cut social.Cut) (social.Page[social.Finding], store.Coverage, error)
	Users(ctx context.Context, viewer social.Identity, in social.Search, cut social.Cut) (social.Page[social.User], store.Coverage, error)
	Tags(ctx context.Context, in social.Search, cut social.Cut) (social.Page[social.TagFinding], store.Coverage, error)
}

const searchHelp = "Posts: words are found in any form that their language gives them, without regard to case and accents. " +
	"Up to four words side by side must all be found, of more a third. " +
	"`\"exactly this\"`, `begin*`, `speling~` (`~1`: one error), `#tag`, `a AND b`, `a OR b`, `NOT a` or `-a`, `+a`, and parentheses; operators are upper case. " +
	"`q` may be empty when `author` or `tag` is given. Most relevant first (BM25), or newest first; the order is kept over all pages. " +
	"A followers-only post is found by those who may see it, a direct post by nobody. Posts by those whom you mute are left out, unless you ask for the `author`.\n\n" +
	"Users: the beginnings of the words of names, as they are typed. Tags: the beginning of a hashtag; those of most posts first.\n\n" +
	"`shards` says how many partitions answered; when some did not, a page may lack what lies in them."

func (a *api) searchRoutes() {
	op := huma.Operation{
		OperationID: "search", Method: http.MethodGet, Path: "/v1/search", Tags: []string{"search"},
		Summary: "Search posts, users or hashtags", Description: searchHelp, DefaultStatus: http.StatusOK,
	}
	var pages []*huma.Schema
	for _, t := range []reflect.Type{
		reflect.TypeFor[client.FoundPostPage](), reflect.TypeFor[client.FoundUserPage](), reflect.TypeFor[client.FoundTagPage](),
	} {
		pages = append(pages, a.huma.OpenAPI().Components.Schemas.Schema(t, true, ""))
	}
	successOf(&op).Content = map[string]*huma.MediaType{"application/json": {Schema: &huma.Schema{
		AnyOf: pages, Description: "By type: posts, users or tags.",
	}}}
	register(a, visitor, op, a.search)
}

// SearchInput is what a search asks for.
type SearchInput struct {
	Cut
	Query  string             `query:"q" maxLength:"500" doc:"What to look for."`
	Type   social.SearchType  `query:"type" enum:"posts,users,tags" default:"posts"`
	Sort   social.SearchOrder `query:"sort" enum:"relevance,newest" default:"relevance" doc:"The order of posts and users."`
	Author string             `query:"author" maxLength:"64" doc:"Only posts of this user: an id or @name."`
	Tag    string             `query:"tag" maxLength:"65" doc:"Only posts with this hashtag."`
	Lang   string             `query:"lang" maxLength:"3" doc:"Only posts in this language: the two letters of ISO 639-1, or und for those whose language cannot be told."`
	Since  time.Time          `query:"since" doc:"Only posts of this time or later."`
	Until  time.Time          `query:"until" doc:"Only posts before this time."`
}

func (a *api) search(ctx context.Context, in *SearchInput) (*rawReply, error) {
	s := social.Search{
		Query: in.Query, Type: in.Type, Order: in.Sort, Author: in.Author,
		Tag: in.Tag, Language: in.Lang, Since: in.Since, Until: in.Until,
	}
	switch in.Type {
	case social.SearchUsers:
		p, shards, err := a.Search.Users(ctx, viewer(ctx), s, in.cut())
		return found(p, shards, err)
	case social.SearchTags:
		p, shards, err := a.Search.Tags(ctx, s, in.cut())
		return found(p, shards, err)
	default:
		p, shards, err := a.Search.Posts(ctx, viewer(ctx), s, in.cut())
		return found(p, shards, err)
	}
}

// found encodes a page of findings with how complete it is.
func found[T any](p social.Page[T], shards store.Coverage, err error) (*rawReply, error) {
	if err != nil {
		return nil, err
	}
	if p.Items == nil {
		p.Items = []T{}
	}
	b, err := json.Marshal(struct {
		social.Page[T]
		Shards store.Coverage `json:"shards"`
	}{p, shards})
	return raw(append(b, '\n')), err
}
