package graph_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"grapevine/services/graph"
	"grapevine/services/schema"
	"grapevine/services/social"
	"grapevine/store"
)

type asker func(ctx context.Context, reader string, authors []string) (map[string]bool, error)

// wantAmong checks whom an asker names.
func (f fixture) wantAmong(t *testing.T, what string, ask asker, reader string, want ...string) {
	t.Helper()
	found, err := ask(t.Context(), reader, f.ids)
	if got := slices.Sorted(maps.Keys(found)); err != nil || !slices.Equal(got, want) {
		t.Errorf("%s: %v, %v, want %v", what, got, err, want)
	}
}

func TestBlocksBarInBothDirectionsAndMutesInOne(t *testing.T) {
	t.Parallel()
	for _, owned := range []bool{true, false} {
		f := newFixture(5)
		if !owned {
			f.Service = f.elsewhere(t)
		}
		a, b, c, d := f.ids[0], f.ids[1], f.ids[2], f.ids[3]
		f.wantAmong(t, "nothing", f.Barred, a)
		f.put(t, schema.Block(a, b), schema.BlockedBy(a, c), schema.Mute(a, d), schema.MutedBy(a, f.ids[4]))
		f.wantAmong(t, "blocks", f.Barred, a, b, c)
		f.wantAmong(t, "mutes", f.Muted, a, d)
		f.wantAmong(t, "another's", f.Barred, d)
		f.wantAmong(t, "nobody's", f.Barred, "")
	}
}

// elsewhere is the service on a node that does not own the users' slots.
func (f fixture) elsewhere(t *testing.T) *graph.Service {
	t.Helper()
	s, err := graph.New(graph.Config{Rows: f.rows, Users: f.users})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestWhomAReaderBarsIsReadOnceUntilItChanges(t *testing.T) {
	t.Parallel()
	f := newFixture(4)
	a, b := f.ids[0], f.ids[1]
	f.wantAmong(t, "nothing", f.Barred, a)
	before, _ := f.rows.Counts()
	for range 10 {
		f.wantAmong(t, "nothing", f.Barred, a)
		f.wantAmong(t, "nothing", f.Muted, a)
	}
	if after, _ := f.rows.Counts(); after != before {
		t.Errorf("%d reads", after-before)
	}
	for _, act := range []struct {
		do   func(context.Context, social.Identity, string, string) error
		want []string
	}{{f.Block, []string{b}}, {f.Unblock, nil}, {f.Block, []string{b}}} {
		if err := act.do(t.Context(), as(a), a, b); err != nil {
			t.Fatal(err)
		}
		f.wantAmong(t, "after a change", f.Barred, a, act.want...)
	}
}

func TestOneBlockedByThousandsIsAskedAboutTheAuthorsOfAPageAlone(t *testing.T) {
	t.Parallel()
	f := newFixture(20)
	a := f.ids[0]
	for i := range 2000 {
		f.put(t, schema.BlockedBy(a, social.NewID(uint16(i), time.UnixMilli(int64(i)))))
	}
	f.put(t, schema.BlockedBy(a, f.ids[3]), schema.Mute(a, f.ids[4]))
	f.wantAmong(t, "blocks", f.Barred, a, f.ids[3])
	before, _ := f.rows.Counts()
	f.wantAmong(t, "blocks", f.Barred, a, f.ids[3])
	f.wantAmong(t, "mutes", f.Muted, a, f.ids[4])
	if after, _ := f.rows.Counts(); after != before+2 {
		t.Errorf("%d reads for two pages", after-before)
	}
}

func TestBlocksThatCannotBeReadAreAnError(t *testing.T) {
	t.Parallel()
	f := newFixture(2)
	f.rows.Fail(func([]store.Key, bool) error { return store.ErrUnavailable })
	for _, s := range []*graph.Service{f.Service, f.elsewhere(t)} {
		if _, err := s.Barred(t.Context(), f.ids[0], f.ids); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%v", err)
		}
	}
}

// An account with 100,000 followers: every page of every list costs the same few
// reads, and counting it is done at most once in ten seconds.
func TestAnAccountWith100000FollowersIsListedAndCountedInBoundedReads(t *testing.T) {
	t.Parallel()
	const n = 100_000
	now := time.UnixMilli(1 << 40)
	f := newFixture(1)
	hub := f.ids[0]
	s, err := graph.New(graph.Config{Rows: f.rows, Users: f.users, Current: f.rows.Current, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	f.rows.OnChange(s.Invalidate)
	for first := 0; first < n; first += 500 {
		var ms []store.Mutation
		for i := first; i < first+500; i++ {
			id := social.NewID(uint16(i), time.UnixMilli(int64(2000+i)))
			f.users[id] = social.User{ID: id}
			f.ids = append(f.ids, id)
			ms = append(ms, store.Mutation{Key: schema.Follower(hub, id), Op: store.Put})
		}
		if _, err := f.rows.Write(t.Context(), store.Write{Mutations: ms}); err != nil {
			t.Fatal(err)
		}
	}
	ten := f.ids[1:11]
	for _, id := range ten {
		f.put(t, schema.Following(hub, id))
	}
	reads := func(what string, most int, do func()) {
		t.Helper()
		before, _ := f.rows.Counts()
		do()
		if after, _ := f.rows.Counts(); after-before > most {
			t.Errorf("%s: %d reads, want at most %d", what, after-before, most)
		}
	}
	want := social.RelationCounts{Following: 10, Followers: n, Friends: 10}
	count := func() {
		t.Helper()
		if got, err := s.Counts(t.Context(), hub); err != nil || got != want {
			t.Errorf("%+v, %v, want %+v", got, err, want)
		}
	}
	reads("counting", 5, count)
	f.put(t, schema.Follower(hub, social.NewID(1, now)))
	reads("counting again", 0, count)
	now = now.Add(time.Minute)
	want.Followers++
	reads("counting a minute later", 5, count)
	reads("the friends", 5, func() {
		if got := all(t, s.Friends, hub, 100); !slices.Equal(got, ten) {
			t.Errorf("friends %v", got)
		}
	})
	for _, from := range []int{0, n / 2, n - 150} {
		reads("two pages of followers", 2, func() {
			cut := social.Cut{Cursor: f.ids[from], Limit: 100}
			for at := from + 1; at <= n && at < from+200; at += 100 {
				page, err := s.Followers(t.Context(), hub, cut)
				if err != nil || len(page.Items) != min(100, n-at+1) || page.Items[0].ID != f.ids[at] {
					t.Fatalf("from %d: %d followers, %v", at, len(page.Items), err)
				}
				cut.Cursor = page.Next
			}
		})
	}
	f.put(t, schema.Follower(ten[0], ten[1]))
	reads("mutuals with an account that has one follower", 8, func() {
		page, err := s.Mutuals(t.Context(), hub, ten[0], social.Cut{})
		if err != nil || len(page.Items) != 1 || page.Items[0].ID != ten[1] {
			t.Errorf("%+v, %v", page, err)
		}
	})
}
