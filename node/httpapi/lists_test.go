package httpapi

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"grapevine/services/social"
)

var friendsList = social.List{ID: postID, Title: "friends", CreatedAt: madeAt}

type fakeLists struct{ *world }

func (f fakeLists) Create(ctx context.Context, who social.Identity, in social.NewList) (social.List, error) {
	return friendsList, f.named(in.Title).write(ctx, who)
}
func (f fakeLists) Get(ctx context.Context, who social.Identity, id string) (social.List, error) {
	return friendsList, f.named(id).do(ctx, who, social.Cut{})
}
func (f fakeLists) Rename(ctx context.Context, who social.Identity, id, title string) (social.List, error) {
	return friendsList, f.named(id).write(ctx, who)
}
func (f fakeLists) Delete(ctx context.Context, who social.Identity, id string) error {
	return f.named(id).write(ctx, who)
}
func (f fakeLists) List(ctx context.Context, who social.Identity, cut social.Cut) (social.Page[social.List], error) {
	return social.Page[social.List]{Items: []social.List{friendsList}, Next: "more"}, f.do(ctx, who, cut)
}
func (f fakeLists) Members(ctx context.Context, who social.Identity, id string, cut social.Cut) (social.Page[social.User], error) {
	return social.Page[social.User]{Items: []social.User{alice}, Next: "more"}, f.named(id).do(ctx, who, cut)
}
func (f fakeLists) Add(ctx context.Context, who social.Identity, id, ref string) error {
	return f.named(id, ref).write(ctx, who)
}
func (f fakeLists) Remove(ctx context.Context, who social.Identity, id, ref string) error {
	return f.named(id, ref).write(ctx, who)
}

func (f fakeTimelines) List(ctx context.Context, who social.Identity, list string, only social.PostFilter, cut social.Cut) (social.Page[json.RawMessage], error) {
	return social.Page[json.RawMessage]{Items: []json.RawMessage{encodedHello()}, Next: "more"}, f.named(list).filtered(only).do(ctx, who, cut)
}

func TestAListIsRefusedWithoutAGoodTitle(t *testing.T) {
	t.Parallel()
	a, _ := newAPI(t, nil)
	for _, body := range []string{`{}`, `{"title":""}`, `{"title":7}`, `{"title":"` + strings.Repeat("x", 101) + `"}`} {
		rec := send(a, "POST", "/v1/lists", body, "Authorization", "Bearer "+aliceToken)
		if rec.Code != http.StatusUnprocessableEntity || !strings.Contains(rec.Body.String(), "title") {
			t.Errorf("%s: %d %s", body, rec.Code, rec.Body)
		}
	}
}

func TestAListsTimelinePassesItsFilterOn(t *testing.T) {
	t.Parallel()
	a, w := newAPI(t, nil)
	rec := send(a, "GET", "/v1/timelines/lists/"+postID+"?tag=go&limit=7", "", "Authorization", "Bearer "+aliceToken)
	if rec.Code != http.StatusOK || w.refs[0] != postID || w.only.Tag != "go" || w.cut.Limit != 7 || w.who.User != aliceID {
		t.Errorf("%d: list %v, filter %+v, cut %+v, of %+v", rec.Code, w.refs, w.only, w.cut, w.who)
	}
}
