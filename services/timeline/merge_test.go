package timeline_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"grapevine/services/schema"
	"grapevine/services/servicetest"
	"grapevine/services/social"
	"grapevine/services/timeline"
	"grapevine/store"
)

// merging makes an author whose posts the reader's home merges.
func (f fixture) merging(t *testing.T, slot uint16) (author string) {
	t.Helper()
	author = social.NewID(slot, time.UnixMilli(2))
	f.put(t, schema.Following(f.reader.User, author))
	f.put(t, schema.Merged(f.reader.User, author))
	return author
}

// post makes an author's post that everybody sees.
func (f fixture) post(t *testing.T, author string, ms int) string {
	t.Helper()
	slot, _ := social.SlotOf(author)
	id := social.NewID(slot, time.UnixMilli(int64(ms)))
	f.posts[id] = ""
	f.put(t, schema.AuthorPost(author, id))
	return id
}

func newestFirst(ids []string) []string {
	slices.Sort(ids)
	slices.Reverse(ids)
	return slices.Compact(ids)
}

// TestAHomeIsTheUnionOfWhatWasWrittenAndWhatIsMerged compares, of authors with few
// and with many posts, some of which are in both, pages of all sizes in both
// directions with the union.
func TestAHomeIsTheUnionOfWhatWasWrittenAndWhatIsMerged(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		f, r := newFixture(t), rand.New(rand.NewPCG(seed, 3))
		want, _ := f.fill(t, 60)
		for i := range uint16(5) {
			author := f.merging(t, i*10_000)
			for range []int{0, 3, 50, 127, 300}[i] {
				id := f.post(t, author, 900+r.IntN(400))
				if want = append(want, id); r.IntN(3) == 0 {
					f.put(t, schema.Home(f.reader.User, id))
				}
			}
		}
		want = newestFirst(want)
		for _, limit := range []int{7, 40, 100} {
			home := func(cut social.Cut) (social.Page[json.RawMessage], error) {
				return f.Home(t.Context(), f.reader, everything, cut)
			}
			if got := all(t, home, limit); !slices.Equal(got, want) {
				t.Errorf("seed %d by %d: %d posts downwards, want %d", seed, limit, len(got), len(want))
			}
			if got := upwards(t, home, want[len(want)-1], limit); !slices.Equal(got, want[:len(want)-1]) {
				t.Errorf("seed %d by %d: %d posts upwards, want %d", seed, limit, len(got), len(want)-1)
			}
		}
	}
}

// upwards gives all that is newer than an id, newest first.
func upwards(t *testing.T, get page, id string, limit int) (ids []string) {
	t.Helper()
	for cut := (social.Cut{Cursor: "~" + id, Limit: limit}); ; {
		p, err := get(cut)
		if err != nil {
			t.Fatal(err)
		}
		if len(p.Items) == 0 {
			return ids
		}
		var more []string
		for _, raw := range p.Items {
			more = append(more, string(raw))
		}
		ids, cut.Cursor = append(more, ids...), p.Prev
	}
}

func TestAWarmHomeOfManyMergedAuthorsReadsNothingUntilOneOfThemPosts(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var authors []string
	for i := range uint16(50) {
		author := f.merging(t, i*1000)
		authors = append(authors, author)
		f.post(t, author, 1000+int(i))
	}
	read := func() (first string, reads int) {
		before, _ := f.rows.Counts()
		p, err := f.Home(t.Context(), f.reader, everything, social.Cut{Limit: 10})
		if err != nil || len(p.Items) != 10 {
			t.Fatalf("%d posts, %v", len(p.Items), err)
		}
		after, _ := f.rows.Counts()
		return string(p.Items[0]), after - before
	}
	read()
	if _, reads := read(); reads != 0 {
		t.Errorf("%d reads of the store for a page that nothing changed", reads)
	}
	late := f.post(t, authors[7], 5000)
	if first, reads := read(); first != late || reads != 1 {
		t.Errorf("after a post home begins with %s after %d reads, want %s after 1", first, reads, late)
	}
}

func TestWhomTheReaderDoesNotFollowIsNotMerged(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	author := f.merging(t, 7)
	f.post(t, author, 1000)
	shows := func(want int) {
		t.Helper()
		if p, err := f.Home(t.Context(), f.reader, everything, social.Cut{}); err != nil || len(p.Items) != want {
			t.Errorf("%d posts, %v, want %d", len(p.Items), err, want)
		}
	}
	shows(1)
	unfollow := store.Mutation{Key: schema.Following(f.reader.User, author), Op: store.Remove}
	if _, err := f.rows.Write(t.Context(), store.Write{Mutations: []store.Mutation{unfollow}}); err != nil {
		t.Fatal(err)
	}
	shows(0)
}

func TestAnAuthorOutOfReachIsLeftOutAndTheRestShown(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	near, far := f.merging(t, 1), f.merging(t, 60_000)
	kept := f.post(t, near, 1000)
	f.post(t, far, 1001)
	f.rows.Fail(func(keys []store.Key, _ bool) error {
		if keys[0].Slot == schema.User(far).Slot {
			return fmt.Errorf("cut off: %w", store.ErrUnavailable)
		}
		return nil
	})
	p, err := f.Home(t.Context(), f.reader, everything, social.Cut{})
	if err != nil || len(p.Items) != 1 || string(p.Items[0]) != kept {
		t.Errorf("%s, %v, want %s", p.Items, err, kept)
	}
}

// TestPostsOfAnAuthorElsewhereAreAsOldAsIsSaidAndNoOlder: this node is not told of
// what changes in a slot that it does not own.
func TestPostsOfAnAuthorElsewhereAreAsOldAsIsSaidAndNoOlder(t *testing.T) {
	t.Parallel()
	now, here := time.UnixMilli(10_000), false
	f := fixture{rows: servicetest.New(nil), posts: shown{}, reader: social.Identity{User: social.NewID(1, time.UnixMilli(1))}}
	var err error
	f.Service, err = timeline.New(timeline.Config{
		Rows: f.rows, Posts: f.posts, Now: func() time.Time { return now },
		Current: func(context.Context, store.Slot) bool { return here },
	})
	if err != nil {
		t.Fatal(err)
	}
	author := f.merging(t, 7)
	f.post(t, author, 1000)
	sees := func(ctx context.Context, want int) {
		t.Helper()
		if p, err := f.Home(ctx, f.reader, everything, social.Cut{}); err != nil || len(p.Items) != want {
			t.Errorf("%d posts, %v, want %d", len(p.Items), err, want)
		}
	}
	sees(t.Context(), 1)
	f.post(t, author, 1001)
	sees(t.Context(), 1)
	sees(store.WithRequest(t.Context(), &store.Request{Consistency: store.Quorum}), 2)
	f.post(t, author, 1002)
	now = now.Add(2 * time.Second)
	sees(t.Context(), 3)
	f.post(t, author, 1003)
	now, here = now.Add(2*time.Second), true // what was read before is not kept for good
	sees(t.Context(), 4)
}

func TestAListShowsWhatItsMembersPostToItsOwner(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	list := social.NewID(1, time.UnixMilli(3))
	f.put(t, schema.UserList(f.reader.User, list))
	var want []string
	for i := range 3 {
		author := social.NewID(uint16(i*20_000), time.UnixMilli(2))
		if i < 2 {
			f.put(t, schema.ListMember(f.reader.User, list, author))
		}
		for j := range 5 {
			if id := f.post(t, author, 1000+10*j+i); i < 2 {
				want = append(want, id)
			}
		}
	}
	get := func(who social.Identity, id string) page {
		return func(cut social.Cut) (social.Page[json.RawMessage], error) {
			return f.List(t.Context(), who, id, everything, cut)
		}
	}
	want = newestFirst(want)
	if got := all(t, get(f.reader, list), 3); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if _, err := get(social.Identity{User: social.NewID(1, time.UnixMilli(9))}, list)(social.Cut{}); social.KindOf(err) != social.NotFound {
		t.Errorf("another's list: %v", err)
	}
	if _, err := get(f.reader, "no list")(social.Cut{}); social.KindOf(err) != social.NotFound {
		t.Errorf("no list: %v", err)
	}
	if _, err := get(social.Identity{}, list)(social.Cut{}); social.KindOf(err) != social.Unauthenticated {
		t.Errorf("anonymous: %v", err)
	}
}
