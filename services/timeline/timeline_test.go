package timeline_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"

	"grapevine/services/schema"
	"grapevine/services/servicetest"
	"grapevine/services/social"
	"grapevine/services/timeline"
	"grapevine/store"
)

// shown is posts that a viewer sees: those for everybody, and the viewer's.
type shown map[string]string // post id to viewer's id, "" for everybody

func (s shown) Encoded(_ context.Context, viewer social.Identity, ids []string) ([]json.RawMessage, error) {
	raw := make([]json.RawMessage, len(ids))
	for i, id := range ids {
		if who, ok := s[id]; ok && (who == "" || who == viewer.User) {
			raw[i] = json.RawMessage(id)
		}
	}
	return raw, nil
}

type fixture struct {
	*timeline.Service
	rows   *servicetest.Store
	posts  shown
	reader social.Identity
}

func newFixture(t *testing.T) fixture {
	t.Helper()
	rows, posts := servicetest.New(nil), shown{}
	s, err := timeline.New(timeline.Config{Rows: rows, Posts: posts, Current: rows.Current})
	if err != nil {
		t.Fatal(err)
	}
	rows.OnChange(s.Invalidate)
	return fixture{s, rows, posts, social.Identity{User: social.NewID(1, time.UnixMilli(1))}}
}

func (f fixture) put(t *testing.T, k store.Key) {
	t.Helper()
	if _, err := f.rows.Write(t.Context(), store.Write{Mutations: []store.Mutation{{Key: k, Op: store.Put}}}); err != nil {
		t.Fatal(err)
	}
}

// fill makes n posts in the reader's home and the index, of which every third is
// public, every third the reader's alone, and every third nobody's. It gives what
// the reader and what everybody sees, newest first.
func (f fixture) fill(t *testing.T, n int) (home, public []string) {
	t.Helper()
	for i := range n {
		id := social.NewID(uint16(i*5000), time.UnixMilli(int64(1000+i)))
		f.put(t, schema.Post(id))
		f.put(t, schema.Home(f.reader.User, id))
		switch i % 3 {
		case 0:
			f.posts[id] = ""
			public = append([]string{id}, public...)
			home = append([]string{id}, home...)
		case 1:
			f.posts[id] = f.reader.User
			home = append([]string{id}, home...)
		}
	}
	return home, public
}

type page func(social.Cut) (social.Page[json.RawMessage], error)

func all(t *testing.T, get page, limit int) []string {
	t.Helper()
	var ids []string
	cut := social.Cut{Limit: limit}
	for {
		p, err := get(cut)
		if err != nil {
			t.Fatal(err)
		}
		if p.Next != "" && len(p.Items) != limit {
			t.Errorf("a page of %d before the end, want %d", len(p.Items), limit)
		}
		for _, raw := range p.Items {
			ids = append(ids, string(raw))
		}
		if cut.Cursor = p.Next; p.Next == "" {
			return ids
		}
	}
}

func TestHomeGivesEveryVisiblePostOnceNewestFirst(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	want, _ := f.fill(t, 100)
	for _, limit := range []int{1, 10, 40, 100} {
		got := all(t, func(cut social.Cut) (social.Page[json.RawMessage], error) {
			return f.Home(t.Context(), f.reader, cut)
		}, limit)
		if !slices.Equal(got, want) {
			t.Errorf("by %d: %d posts, want %d", limit, len(got), len(want))
		}
	}
}

func TestHomeIsOneScan(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for range 40 {
		id := social.NewID(2, time.Now())
		f.posts[id] = ""
		f.put(t, schema.Home(f.reader.User, id))
	}
	before, _ := f.rows.Counts()
	if p, err := f.Home(t.Context(), f.reader, social.Cut{Limit: 40}); err != nil || len(p.Items) != 40 {
		t.Fatalf("%d posts, %v", len(p.Items), err)
	}
	if after, _ := f.rows.Counts(); after-before != 1 {
		t.Errorf("%d reads", after-before)
	}
}

func TestPublicGivesWhatEverybodySeesWhoeverAsks(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	_, want := f.fill(t, 100)
	for _, viewer := range []social.Identity{{}, f.reader} {
		got := all(t, func(cut social.Cut) (social.Page[json.RawMessage], error) {
			p, coverage, err := f.Public(t.Context(), viewer, cut)
			if coverage.Asked != servicetest.Partitions || coverage.Answered != coverage.Asked {
				t.Errorf("coverage %+v", coverage)
			}
			return p, err
		}, 10)
		if !slices.Equal(got, want) {
			t.Errorf("%d posts, want %d", len(got), len(want))
		}
	}
}

func TestHomeNeedsALogInAndGoodCuts(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	if _, err := f.Home(t.Context(), social.Identity{}, social.Cut{}); social.KindOf(err) != social.Unauthenticated {
		t.Errorf("anonymous: %v", err)
	}
	if _, err := f.Home(t.Context(), f.reader, social.Cut{Cursor: "x"}); social.KindOf(err) != social.Invalid {
		t.Errorf("garbage cursor: %v", err)
	}
	if p, err := f.Home(t.Context(), f.reader, social.Cut{}); err != nil || p.Items == nil || p.Next != "" {
		t.Errorf("an empty home: %+v, %v", p, err)
	}
	f.put(t, schema.Home(f.reader.User, social.NewID(1, time.UnixMilli(2)))) // what was cached is outdated
	f.rows.Fail(func([]store.Key, bool) error { return store.ErrUnavailable })
	if _, err := f.Home(t.Context(), f.reader, social.Cut{}); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("unreachable: %v", err)
	}
}

func TestTheNewestPageIsServedFromMemoryUntilHomeChanges(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var ids []string
	for i := range 6 {
		id := social.NewID(2, time.UnixMilli(int64(2000-i)))
		ids, f.posts[id] = append(ids, id), ""
		f.put(t, schema.Home(f.reader.User, id))
	}
	newest := func() []string {
		p, err := f.Home(t.Context(), f.reader, social.Cut{Limit: 2})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, raw := range p.Items {
			got = append(got, string(raw))
		}
		return got
	}
	newest()
	before, _ := f.rows.Counts()
	if got := newest(); !slices.Equal(got, ids[:2]) {
		t.Errorf("home begins %v, want %v", got, ids[:2])
	}
	if after, _ := f.rows.Counts(); after != before {
		t.Errorf("%d reads of the store for a page that nothing changed", after-before)
	}
	late := social.NewID(3, time.UnixMilli(5000))
	f.posts[late] = ""
	f.put(t, schema.Home(f.reader.User, late))
	if got := newest(); !slices.Equal(got, []string{late, ids[0]}) {
		t.Errorf("after a new entry home begins %v", got)
	}
}
