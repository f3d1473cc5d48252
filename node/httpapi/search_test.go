package httpapi

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"grapevine/node/client"
	"grapevine/services/social"
	"grapevine/store"
)

type fakeSearch struct{ *world }

var shards = store.Coverage{Asked: 256, Answered: 250}

func (f fakeSearch) Posts(ctx context.Context, viewer social.Identity, in social.Search, cut social.Cut) (social.Page[social.Finding], store.Coverage, error) {
	f.search = in
	found := social.Finding{Post: encodedHello(), Highlight: "<mark>hello</mark> &lt;b&gt;"}
	return social.Page[social.Finding]{Items: []social.Finding{found}, Next: "more"}, shards, f.do(ctx, viewer, cut)
}

func (f fakeSearch) Users(ctx context.Context, viewer social.Identity, in social.Search, cut social.Cut) (social.Page[social.User], store.Coverage, error) {
	f.search = in
	return social.Page[social.User]{Items: []social.User{alice}}, shards, f.do(ctx, viewer, cut)
}

func (f fakeSearch) Tags(ctx context.Context, in social.Search, cut social.Cut) (social.Page[social.TagFinding], store.Coverage, error) {
	f.search = in
	return social.Page[social.TagFinding]{}, shards, f.do(ctx, social.Identity{}, cut)
}

func TestASearchTakesItsFiltersFromTheURLAndGivesAPageByType(t *testing.T) {
	t.Parallel()
	a, w := newAPI(t, nil)
	since := time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)
	q := url.Values{
		"q": {`"a b" -c`}, "author": {"@ada"}, "tag": {"x"}, "lang": {"en"}, "sort": {"newest"},
		"since": {since.Format(time.RFC3339Nano)}, "limit": {"7"}, "cursor": {"here"},
	}
	rec := send(a, "GET", "/v1/search?"+q.Encode(), "", asAlice...)
	var posts client.FoundPostPage
	if err := json.Unmarshal(rec.Body.Bytes(), &posts); err != nil || rec.Code != http.StatusOK {
		t.Fatalf("status %d, %v: %s", rec.Code, err, rec.Body)
	}
	if len(posts.Items) != 1 || posts.Items[0].Post.ID != postID || posts.Items[0].Highlight != "<mark>hello</mark> &lt;b&gt;" || posts.Next != "more" || posts.Shards != shards {
		t.Errorf("posts %+v", posts)
	}
	want := social.Search{Query: `"a b" -c`, Type: social.SearchPosts, Order: social.NewestFirst, Author: "@ada", Tag: "x", Language: "en", Since: since}
	if w.search != want || w.cut != (social.Cut{Cursor: "here", Limit: 7}) || w.who.User != aliceID {
		t.Errorf("asked for %+v, %+v by %+v", w.search, w.cut, w.who)
	}
	if rec := send(a, "GET", "/v1/search?type=users&q=al", ""); !strings.Contains(rec.Body.String(), `"items":[{"id":"`+aliceID) {
		t.Errorf("users: %s", rec.Body)
	}
	if rec := send(a, "GET", "/v1/search?type=tags&q=v", ""); rec.Body.String() != `{"items":[],"shards":{"asked":256,"answered":250}}`+"\n" {
		t.Errorf("tags: %s", rec.Body)
	}
}

func TestAMalformedSearchNamesItsParameter(t *testing.T) {
	t.Parallel()
	a, _ := newAPI(t, nil)
	for query, field := range map[string]string{
		"type=all": "type", "sort=best": "sort", "since=yesterday": "since", "until=1": "until", "limit=0": "limit",
		"lang=english": "lang", "q=" + strings.Repeat("x", 501): "q",
	} {
		rec := send(a, "GET", "/v1/search?"+query, "")
		if p := problemOf(t, rec); rec.Code != http.StatusUnprocessableEntity || p.Field != field {
			t.Errorf("%.40s: status %d, field %q, want %q", query, rec.Code, p.Field, field)
		}
	}
}
