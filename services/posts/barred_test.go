package posts_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"grapevine/services/posts"
	"grapevine/services/schema"
	"grapevine/services/social"
	"grapevine/store"
)

// relations says of whom a reader sees nothing, or nothing in timelines.
type relations struct {
	barred, muted map[[2]string]bool
	strangers     map[[2]string]bool // whom a reader does not follow
	err           error
}

func (r *relations) among(m map[[2]string]bool, reader string, authors []string) (map[string]bool, error) {
	found := map[string]bool{}
	for _, a := range authors {
		found[a] = m[[2]string{reader, a}]
	}
	return found, r.err
}

func (r *relations) Barred(_ context.Context, reader string, authors []string) (map[string]bool, error) {
	return r.among(r.barred, reader, authors)
}

func (r *relations) Follows(_ context.Context, reader string, authors []string) (map[string]bool, error) {
	found, err := r.among(r.strangers, reader, authors)
	for author, stranger := range found {
		found[author] = !stranger
	}
	return found, err
}

func (r *relations) Muted(_ context.Context, reader string, authors []string) (map[string]bool, error) {
	return r.among(r.muted, reader, authors)
}

// related gives the service over a fixture's rows with relations.
func (f fixture) related(t *testing.T) (*posts.Service, *relations) {
	t.Helper()
	r := &relations{barred: map[[2]string]bool{}, muted: map[[2]string]bool{}}
	now := func() time.Time { return time.UnixMilli(f.at.Add(1)) }
	users := directory{"ann": f.ann.User, "bob": f.bob.User, "eve": f.eve.User}
	s, err := posts.New(posts.Config{Rows: f.rows, Users: users, Relations: r, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	return s, r
}

// shown says which of the posts a viewer sees, one digit each.
func shown(t *testing.T, s *posts.Service, viewer social.Identity, ids []string, f social.PostFilter) string {
	t.Helper()
	raw, err := s.Select(t.Context(), viewer, ids, f)
	if err != nil {
		t.Fatal(err)
	}
	out := ""
	for _, r := range raw {
		if r != nil {
			out += "1"
		} else {
			out += "0"
		}
	}
	return out
}

func TestBlocksHidePostsAndTheirRepostsEverywhereAndMutesInTimelines(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s, r := f.related(t)
	anns := f.post(t, f.ann, social.NewPost{Text: "@bob"})
	direct := f.post(t, f.ann, social.NewPost{Text: "@bob", Visibility: social.Direct})
	eves := f.post(t, f.eve, social.NewPost{Text: "x"})
	if err := s.Repost(t.Context(), f.eve, anns.ID); err != nil {
		t.Fatal(err)
	}
	ids := []string{anns.ID, direct.ID, eves.ID}
	for _, k := range f.rows.Keys(schema.FamilyAuthorPost) {
		if author, id, _ := schema.Split(k); author == f.eve.User && id != eves.ID {
			ids = append(ids, id) // the repost
		}
	}
	timeline := social.PostFilter{Unmuted: true}
	check := func(what, anywhere, inTimelines string) {
		t.Helper()
		if got := shown(t, s, f.bob, ids, social.PostFilter{}); got != anywhere {
			t.Errorf("%s: bob sees %s, want %s", what, got, anywhere)
		}
		if got := shown(t, s, f.bob, ids, timeline); got != inTimelines {
			t.Errorf("%s: bob's timelines show %s, want %s", what, got, inTimelines)
		}
		if got := shown(t, s, f.ann, ids, timeline); got != "1111" {
			t.Errorf("%s: ann sees %s", what, got)
		}
	}
	check("nothing", "1111", "1111")
	r.muted[[2]string{f.bob.User, f.ann.User}] = true
	check("ann muted", "1111", "0010")
	r.muted = map[[2]string]bool{{f.bob.User, f.eve.User}: true}
	check("eve muted", "1111", "1100")
	r.muted, r.barred = nil, map[[2]string]bool{{f.bob.User, f.ann.User}: true}
	check("ann barred", "0010", "0010")
	like := store.Mutation{Key: schema.Like(eves.ID, f.ann.User), Op: store.Put}
	if _, err := f.rows.Write(t.Context(), store.Write{Mutations: []store.Mutation{like}}); err != nil {
		t.Fatal(err)
	}
	for viewer, want := range map[social.Identity]int{f.bob: 0, f.eve: 1, {}: 1} {
		if likes, err := s.Likes(t.Context(), viewer, eves.ID, social.Cut{}); err != nil || len(likes.Items) != want {
			t.Errorf("%d likes, %v, want %d", len(likes.Items), err, want)
		}
	}
	_, err := s.Create(t.Context(), f.bob, social.NewPost{Text: "x", ReplyTo: anns.ID})
	wantKind(t, "reply", err, social.Invalid, "reply_to")
	wantKind(t, "like", s.Like(t.Context(), f.bob, anns.ID), social.NotFound, "")
	if got := shown(t, s, social.Identity{}, ids, timeline); got != "1011" {
		t.Errorf("a visitor sees %s", got)
	}
}

func TestWhileBlocksCannotBeReadAReaderSeesWhatEverybodyDoes(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s, r := f.related(t)
	follow := store.Mutation{Key: schema.Following(f.bob.User, f.ann.User), Op: store.Put}
	if _, err := f.rows.Write(t.Context(), store.Write{Mutations: []store.Mutation{follow}}); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, v := range []social.Visibility{social.Public, social.Followers, social.Direct} {
		ids = append(ids, f.post(t, f.ann, social.NewPost{Text: "@bob", Visibility: v}).ID)
	}
	ids = append(ids, f.post(t, f.bob, social.NewPost{Text: "x", Visibility: social.Followers}).ID)
	r.err = store.ErrUnavailable
	if got := shown(t, s, f.bob, ids, social.PostFilter{Unmuted: true}); got != "1001" {
		t.Errorf("bob sees %s, want the public post and his own", got)
	}
	r.err = errors.New("broken")
	if _, err := s.Encoded(t.Context(), f.bob, ids); !errors.Is(err, r.err) {
		t.Errorf("%v", err)
	}
}

func TestAHomeHasNothingOfThoseWhoAreNoLongerFollowedButWhatIsDirect(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s, r := f.related(t)
	anns := f.post(t, f.ann, social.NewPost{Text: "x"})
	direct := f.post(t, f.ann, social.NewPost{Text: "@bob", Visibility: social.Direct})
	own := f.post(t, f.bob, social.NewPost{Text: "y"})
	ids := []string{anns.ID, direct.ID, own.ID}
	home := social.PostFilter{Followed: true}
	if got := shown(t, s, f.bob, ids, home); got != "111" {
		t.Errorf("the home of a follower shows %s", got)
	}
	r.strangers = map[[2]string]bool{{f.bob.User, f.ann.User}: true}
	if got := shown(t, s, f.bob, ids, home); got != "011" {
		t.Errorf("after the follow has ended it shows %s", got)
	}
}

func TestCountsAreTheSameForAllAndListsOfWhoLikesLeaveOutTheBlocked(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s, r := f.related(t)
	p := f.post(t, f.ann, social.NewPost{Text: "x"})
	for _, who := range []social.Identity{f.bob, f.eve} {
		f.put(t, schema.Like(p.ID, who.User))
	}
	r.barred[[2]string{f.bob.User, f.eve.User}] = true
	raw, err := s.EncodedOne(t.Context(), f.bob, p.ID)
	if err != nil {
		t.Fatal(err)
	}
	var seen social.Post
	if err := json.Unmarshal(raw, &seen); err != nil || seen.Counts.Likes != 2 {
		t.Errorf("%s, %v: want 2 likes, as everybody sees", raw, err)
	}
	page, err := s.Likes(t.Context(), f.bob, p.ID, social.Cut{})
	if err != nil || len(page.Items) != 1 || page.Items[0].ID != f.bob.User {
		t.Errorf("%+v, %v: want the like of bob alone", page.Items, err)
	}
}
