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

func (s shown) Filter(_ context.Context, f social.PostFilter) (social.PostFilter, error) {
	return f, nil
}

func (s shown) Select(_ context.Context, viewer social.Identity, ids []string, f social.PostFilter) ([]json.RawMessage, error) {
	raw := make([]json.RawMessage, len(ids))
	for i, id := range ids {
		if who, ok := s[id]; ok && (who == "" || who == viewer.User && !f.Public) {
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

// everything is a filter that lets all pass.
var everything social.PostFilter

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
			return f.Home(t.Context(), f.reader, everything, cut)
		}, limit)
		if !slices.Equal(got, want) {
			t.Errorf("by %d: %d posts, want %d", limit, len(got), len(want))
		}
	}
}

func TestAHomeIsOneScanOfItsEntriesAndOneOfWhatIsMerged(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for range 40 {
		id := social.NewID(2, time.Now())
		f.posts[id] = ""
		f.put(t, schema.Home(f.reader.User, id))
	}
	before, _ := f.rows.Counts()
	if p, err := f.Home(t.Context(), f.reader, everything, social.Cut{Limit: 40}); err != nil || len(p.Items) != 40 {
		t.Fatalf("%d posts, %v", len(p.Items), err)
	}
	if after, _ := f.rows.Counts(); after-before != 2 {
		t.Errorf("%d reads", after-before)
	}
}

func TestPublicGivesWhatEverybodySeesWhoeverAsks(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	_, want := f.fill(t, 100)
	for _, viewer := range []social.Identity{{}, f.reader} {
		got := all(t, func(cut social.Cut) (social.Page[json.RawMessage], error) {
			p, coverage, err := f.Public(t.Context(), viewer, everything, cut)
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
	if _, err := f.Home(t.Context(), social.Identity{}, everything, social.Cut{}); social.KindOf(err) != social.Unauthenticated {
		t.Errorf("anonymous: %v", err)
	}
	if _, err := f.Home(t.Context(), f.reader, everything, social.Cut{Cursor: "x"}); social.KindOf(err) != social.Invalid {
		t.Errorf("garbage cursor: %v", err)
	}
	if p, err := f.Home(t.Context(), f.reader, everything, social.Cut{}); err != nil || p.Items == nil || p.Next != "" {
		t.Errorf("an empty home: %+v, %v", p, err)
	}
	f.put(t, schema.Home(f.reader.User, social.NewID(1, time.UnixMilli(2)))) // what was cached is outdated
	f.rows.Fail(func([]store.Key, bool) error { return store.ErrUnavailable })
	if _, err := f.Home(t.Context(), f.reader, everything, social.Cut{}); !errors.Is(err, store.ErrUnavailable) {
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
		p, err := f.Home(t.Context(), f.reader, everything, social.Cut{Limit: 2})
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

// TestPagesGoBothWays walks down, then up again by prev, and sees on each page what
// it saw on the way down. What came meanwhile is found at the top.
func TestPagesGoBothWays(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	want, _ := f.fill(t, 100)
	home := func(cursor string) (ids []string, p social.Page[json.RawMessage]) {
		p, err := f.Home(t.Context(), f.reader, everything, social.Cut{Cursor: cursor, Limit: 10})
		if err != nil {
			t.Fatal(err)
		}
		for _, raw := range p.Items {
			ids = append(ids, string(raw))
		}
		return ids, p
	}
	var down [][]string
	var last social.Page[json.RawMessage]
	for cursor, more := "", true; more; cursor, more = last.Next, last.Next != "" {
		var ids []string
		ids, last = home(cursor)
		down = append(down, ids)
	}
	if got := slices.Concat(down...); !slices.Equal(got, want) {
		t.Fatalf("%d posts on the way down, want %d", len(got), len(want))
	}
	late := social.NewID(3, time.UnixMilli(5000))
	f.posts[late] = ""
	f.put(t, schema.Home(f.reader.User, late))
	var up []string
	for {
		ids, p := home(last.Prev)
		if len(ids) == 0 {
			if p.Prev != last.Prev {
				t.Errorf("where nothing is newer, prev is %q after %q", p.Prev, last.Prev)
			}
			break
		}
		below := append(slices.Clone(up), down[len(down)-1]...)
		if older, _ := home(p.Next); !slices.Equal(older, below[:len(older)]) || len(older) == 0 {
			t.Errorf("below a page on the way up lies %v, want %v", older, below)
		}
		up, last = append(ids, up...), p
	}
	above := append([]string{late}, want[:len(want)-len(down[len(down)-1])]...)
	if !slices.Equal(up, above) {
		t.Errorf("on the way up %d posts, want %d", len(up), len(above))
	}
}

func TestAPageIsBoundedByTimesInEitherDirection(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var want []string // of the times 1020 to 1039
	for i := range 60 {
		id := social.NewID(uint16(i*1000), time.UnixMilli(int64(1000+i)))
		f.put(t, schema.Home(f.reader.User, id))
		f.posts[id] = ""
		if i >= 20 && i < 40 {
			want = append([]string{id}, want...)
		}
	}
	span := social.PostFilter{Since: time.UnixMilli(1020), Until: time.UnixMilli(1040)}
	get := func(cut social.Cut) (social.Page[json.RawMessage], error) {
		return f.Home(t.Context(), f.reader, span, cut)
	}
	for _, limit := range []int{1, 7, 40} {
		if got := all(t, get, limit); !slices.Equal(got, want) {
			t.Errorf("by %d: %v, want %v", limit, got, want)
		}
	}
	newer, err := get(social.Cut{Cursor: "~" + social.NewID(0, time.UnixMilli(1000)), Limit: 5})
	if err != nil || len(newer.Items) != 5 || string(newer.Items[4]) != want[19] {
		t.Errorf("the first of the span: %s, %v", newer.Items, err)
	}
	newer, err = get(social.Cut{Cursor: "~" + want[2], Limit: 5})
	if err != nil || len(newer.Items) != 2 || string(newer.Items[0]) != want[0] {
		t.Errorf("the last of the span: %s, %v", newer.Items, err)
	}
}

func TestATagOrMentionsTimelineShowsWhatTheReaderMaySee(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var tagged, mentions []string
	for i, viewer := range []string{"", f.reader.User, "another"} {
		id := social.NewID(uint16(i), time.UnixMilli(int64(1000+i)))
		f.posts[id] = viewer
		f.put(t, schema.Tagged("größe", id))
		f.put(t, schema.Mentioned(f.reader.User, id))
		if viewer == "" {
			tagged = append(tagged, id)
		}
		if viewer != "another" {
			mentions = append([]string{id}, mentions...)
		}
	}
	if got := all(t, func(cut social.Cut) (social.Page[json.RawMessage], error) {
		return f.Tagged(t.Context(), f.reader, "#GRÖSSE", everything, cut)
	}, 10); got != nil {
		t.Errorf("another spelling: %v", got)
	}
	if got := all(t, func(cut social.Cut) (social.Page[json.RawMessage], error) {
		return f.Tagged(t.Context(), f.reader, "#GRÖßE", everything, cut)
	}, 10); !slices.Equal(got, tagged) {
		t.Errorf("tagged %v, want %v", got, tagged)
	}
	if got := all(t, func(cut social.Cut) (social.Page[json.RawMessage], error) {
		return f.Mentions(t.Context(), f.reader, everything, cut)
	}, 10); !slices.Equal(got, mentions) {
		t.Errorf("mentions %v, want %v", got, mentions)
	}
	if _, err := f.Mentions(t.Context(), social.Identity{}, everything, social.Cut{}); social.KindOf(err) != social.Unauthenticated {
		t.Errorf("anonymous: %v", err)
	}
	if _, err := f.Tagged(t.Context(), f.reader, "not a tag", everything, social.Cut{}); social.KindOf(err) != social.Invalid {
		t.Errorf("not a tag: %v", err)
	}
	for _, cursor := range []string{"~", "~x", "x", "~~"} {
		if _, err := f.Home(t.Context(), f.reader, everything, social.Cut{Cursor: cursor}); social.KindOf(err) != social.Invalid {
			t.Errorf("cursor %q: %v", cursor, err)
		}
	}
}
