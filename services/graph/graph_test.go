package graph_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"grapevine/services/graph"
	"grapevine/services/schema"
	"grapevine/services/servicetest"
	"grapevine/services/social"
	"grapevine/store"
)

// directory knows some users by id and by @id.
type directory map[string]social.User

func (d directory) Resolve(_ context.Context, ref string) (string, error) {
	if u, ok := d[strings.TrimPrefix(ref, "@")]; ok {
		return u.ID, nil
	}
	return "", social.Errorf(social.NotFound, "no %s", ref)
}

func (d directory) GetMany(_ context.Context, ids []string) ([]social.User, error) {
	var users []social.User
	for _, id := range ids {
		if u, ok := d[id]; ok {
			users = append(users, u)
		}
	}
	return users, nil
}

type fixture struct {
	*graph.Service
	rows  *servicetest.Store
	users directory
	ids   []string // ascending
}

// newFixture makes a graph of n users without follows.
func newFixture(n int) fixture {
	rows, users := servicetest.New(nil), directory{}
	service, err := graph.New(graph.Config{Rows: rows, Users: users, Current: rows.Current})
	if err != nil {
		panic(err) // the configuration is constant
	}
	rows.OnChange(service.Invalidate)
	f := fixture{service, rows, users, nil}
	for i := range n {
		id := social.NewID(uint16(i*1000), time.UnixMilli(int64(1000+i)))
		users[id] = social.User{ID: id}
		f.ids = append(f.ids, id)
	}
	return f
}

func as(id string) social.Identity { return social.Identity{User: id} }

// mirror does what fan-out does.
func (f fixture) mirror(t *testing.T) {
	t.Helper()
	for _, k := range f.rows.Keys(schema.FamilyFollowing) {
		follower, followee, _ := schema.Split(k)
		m := store.Mutation{Key: schema.Follower(followee, follower), Op: store.Put}
		if _, err := f.rows.Write(t.Context(), store.Write{Mutations: []store.Mutation{m}}); err != nil {
			t.Fatal(err)
		}
	}
}

type lister func(context.Context, string, social.Cut) (social.Page[social.User], error)

func all(t *testing.T, list lister, ref string, limit int) []string {
	t.Helper()
	var ids []string
	cut := social.Cut{Limit: limit}
	for {
		page, err := list(t.Context(), ref, cut)
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range page.Items {
			ids = append(ids, u.ID)
		}
		if cut.Cursor = page.Next; page.Next == "" {
			return ids
		}
	}
}

func wantKind(t *testing.T, what string, err error, kind social.Kind) {
	t.Helper()
	if err == nil || social.KindOf(err) != kind {
		t.Errorf("%s: %v, want kind %d", what, err, kind)
	}
}

func TestFollowingTwiceIsOneWrite(t *testing.T) {
	t.Parallel()
	f := newFixture(2)
	a, b := f.ids[0], f.ids[1]
	for _, ref := range []string{b, "@" + b, b} {
		if err := f.Follow(t.Context(), as(a), "@"+a, ref); err != nil {
			t.Fatal(err)
		}
	}
	if _, writes := f.rows.Counts(); writes != 1 {
		t.Errorf("%d writes", writes)
	}
	if got := all(t, f.Following, a, 10); !slices.Equal(got, []string{b}) {
		t.Errorf("following %v", got)
	}
}

func TestUnfollowEndsTheFollowAndMayBeRepeated(t *testing.T) {
	t.Parallel()
	f := newFixture(2)
	a, b := f.ids[0], f.ids[1]
	if err := f.Follow(t.Context(), as(a), a, b); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := f.Unfollow(t.Context(), as(a), a, b); err != nil {
			t.Fatal(err)
		}
	}
	if got := all(t, f.Following, a, 10); len(got) != 0 {
		t.Errorf("still following %v", got)
	}
}

func TestOnlyTheFollowersTokenChangesAFollow(t *testing.T) {
	t.Parallel()
	f := newFixture(3)
	a, b, c := f.ids[0], f.ids[1], f.ids[2]
	for name, act := range map[string]func(context.Context, social.Identity, string, string) error{"follow": f.Follow, "unfollow": f.Unfollow} {
		wantKind(t, name+" for another", act(t.Context(), as(c), a, b), social.Forbidden)
		wantKind(t, name+" anonymously", act(t.Context(), social.Identity{}, a, b), social.Unauthenticated)
		wantKind(t, name+" of nobody", act(t.Context(), as(a), a, "@nobody"), social.NotFound)
		wantKind(t, name+" by nobody", act(t.Context(), as(a), "@nobody", b), social.NotFound)
		wantKind(t, name+" of oneself", act(t.Context(), as(a), a, a), social.Invalid)
	}
}

func TestListsGiveEveryoneOnceInOrder(t *testing.T) {
	t.Parallel()
	f := newFixture(30)
	hub := f.ids[0]
	var following, followers, friends []string
	for i, id := range f.ids[1:] {
		if i%2 == 0 {
			following = append(following, id)
			if err := f.Follow(t.Context(), as(hub), hub, id); err != nil {
				t.Fatal(err)
			}
		}
		if i%3 == 0 {
			followers = append(followers, id)
			if err := f.Follow(t.Context(), as(id), id, hub); err != nil {
				t.Fatal(err)
			}
		}
		if i%6 == 0 {
			friends = append(friends, id)
		}
	}
	f.mirror(t)
	for _, limit := range []int{1, 4, 100} {
		for name, c := range map[string]struct {
			list lister
			want []string
		}{"following": {f.Following, following}, "followers": {f.Followers, followers}, "friends": {f.Friends, friends}} {
			if got := all(t, c.list, "@"+hub, limit); !slices.Equal(got, c.want) {
				t.Errorf("%s by %d: %d, want %d", name, limit, len(got), len(c.want))
			}
		}
	}
}

func TestADeletedUserIsLeftOutOfAListWithoutLosingOthers(t *testing.T) {
	t.Parallel()
	f := newFixture(5)
	a := f.ids[0]
	for _, id := range f.ids[1:] {
		if err := f.Follow(t.Context(), as(a), a, id); err != nil {
			t.Fatal(err)
		}
	}
	delete(f.users, f.ids[2])
	want := []string{f.ids[1], f.ids[3], f.ids[4]}
	for _, limit := range []int{1, 2, 10} {
		if got := all(t, f.Following, a, limit); !slices.Equal(got, want) {
			t.Errorf("by %d: %v, want %v", limit, got, want)
		}
	}
}

func TestListsOfNobodyAndBadCutsAreRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(1)
	_, err := f.Following(t.Context(), "@nobody", social.Cut{Limit: 10})
	wantKind(t, "list of nobody", err, social.NotFound)
	_, err = f.Followers(t.Context(), f.ids[0], social.Cut{Cursor: "garbage"})
	wantKind(t, "garbage cursor", err, social.Invalid)
}

func TestAStoreThatFailsIsReported(t *testing.T) {
	t.Parallel()
	f := newFixture(2)
	f.rows.Fail(func([]store.Key, bool) error { return store.ErrUnavailable })
	if err := f.Follow(t.Context(), as(f.ids[0]), f.ids[0], f.ids[1]); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("follow: %v", err)
	}
	if _, err := f.Friends(t.Context(), f.ids[0], social.Cut{}); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("friends: %v", err)
	}
}
