package posts_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"grapevine/services/posts"
	"grapevine/services/schema"
	"grapevine/services/servicetest"
	"grapevine/services/social"
	"grapevine/store"
)

func TestVisibilityIsEnforcedOnEveryWay(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	// Bob follows Ann; Eve does not.
	follow := store.Mutation{Key: schema.Following(f.bob.User, f.ann.User), Op: store.Put}
	if _, err := f.rows.Write(t.Context(), store.Write{Mutations: []store.Mutation{follow}}); err != nil {
		t.Fatal(err)
	}
	public := f.post(t, f.ann, social.NewPost{Text: "x"})
	followers := f.post(t, f.ann, social.NewPost{Text: "x", Visibility: social.Followers})
	direct := f.post(t, f.ann, social.NewPost{Text: "@eve", Visibility: social.Direct})
	ids := []string{direct.ID, followers.ID, public.ID}
	for name, c := range map[string]struct {
		viewer social.Identity
		sees   []string
	}{
		"author":    {f.ann, ids},
		"follower":  {f.bob, []string{followers.ID, public.ID}},
		"mentioned": {f.eve, []string{direct.ID, public.ID}},
		"anonymous": {social.Identity{}, []string{public.ID}},
	} {
		raw, err := f.Encoded(t.Context(), c.viewer, ids)
		if err != nil {
			t.Fatal(err)
		}
		for i, id := range ids {
			seen := slices.Contains(c.sees, id)
			_, getErr := f.Get(t.Context(), c.viewer, id)
			_, oneErr := f.EncodedOne(t.Context(), c.viewer, id)
			if (raw[i] != nil) != seen || (getErr == nil) != seen || (oneErr == nil) != seen {
				t.Errorf("%s sees post %d: %v, %v, %v, want %v", name, i, raw[i] != nil, getErr, oneErr, seen)
			}
			if !seen {
				wantKind(t, name, getErr, social.NotFound, "")
				_, err := f.Edit(t.Context(), c.viewer, id, "y")
				if k := social.KindOf(err); k != social.NotFound && k != social.Unauthenticated {
					t.Errorf("%s edits what it cannot see: %v", name, err)
				}
			}
		}
		if page, err := f.ByAuthor(t.Context(), c.viewer, "@ann", social.PostFilter{}, social.Cut{}); err != nil || len(page.Items) != len(c.sees) {
			t.Errorf("%s sees %d of the author's posts, %v, want %d", name, len(page.Items), err, len(c.sees))
		}
	}
}

func TestByAuthorGivesEveryPostOnceNewestFirst(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var want []string
	for i := range 25 {
		p := f.post(t, f.ann, social.NewPost{Text: fmt.Sprint(i)})
		want = append([]string{p.ID}, want...)
	}
	var got []string
	cut := social.Cut{Limit: 10}
	for {
		page, err := f.ByAuthor(t.Context(), f.bob, "@ann", social.PostFilter{}, cut)
		if err != nil {
			t.Fatal(err)
		}
		for _, raw := range page.Items {
			var p social.Post
			if err := json.Unmarshal(raw, &p); err != nil {
				t.Fatal(err)
			}
			got = append(got, p.ID)
		}
		if cut.Cursor = page.Next; page.Next == "" {
			break
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("%d posts, want %d", len(got), len(want))
	}
	_, err := f.ByAuthor(t.Context(), f.bob, "@nobody", social.PostFilter{}, cut)
	wantKind(t, "posts of nobody", err, social.NotFound, "")
}

func TestCachedPostsAreNotReadAgainAndOthersInOneRead(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var ids []string
	for range 40 {
		ids = append(ids, f.post(t, f.ann, social.NewPost{Text: "x"}).ID)
	}
	// The posts, their counts of all kinds, and what bob did, which are two lists.
	for round, want := range []int{1 + 1 + 2, 0} {
		before, _ := f.rows.Counts()
		if _, err := f.Encoded(t.Context(), f.bob, ids); err != nil {
			t.Fatal(err)
		}
		if after, _ := f.rows.Counts(); after-before != want {
			t.Errorf("round %d: %d reads, want %d", round, after-before, want)
		}
	}
}

// TestNoReaderSeesATextOlderThanAnAcknowledgedEdit reads while a post is edited:
// a view that was read before an edit must never be cached after it.
func TestNoReaderSeesATextOlderThanAnAcknowledgedEdit(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	p := f.post(t, f.ann, social.NewPost{Text: "0"})
	var acknowledged atomic.Int64
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				floor := acknowledged.Load()
				got, err := f.Get(t.Context(), f.bob, p.ID)
				var n int64
				if _, scanErr := fmt.Sscan(got.Text, &n); err != nil || scanErr != nil || n < floor {
					t.Errorf("read %q after edit %d was acknowledged: %v", got.Text, floor, err)
					return
				}
			}
		})
	}
	for i := range int64(300) {
		if _, err := f.Edit(t.Context(), f.ann, p.ID, fmt.Sprint(i)); err != nil {
			t.Error(err)
		}
		acknowledged.Store(i)
	}
	close(done)
	readers.Wait()
}

func TestAPostOfAPartitionThatIsNotOwnedIsNotCached(t *testing.T) {
	t.Parallel()
	rows := servicetest.New(nil)
	owned := false
	s, err := posts.New(posts.Config{
		Rows: rows, Users: directory{},
		Current: func(context.Context, store.Slot) bool { return owned },
	})
	if err != nil {
		t.Fatal(err)
	}
	who := social.Identity{User: social.NewID(1, time.Now())}
	p, err := s.Create(t.Context(), who, social.NewPost{Text: "old"})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.Get(t.Context(), who, p.ID); err != nil || got.Text != "old" {
		t.Errorf("%q, %v", got.Text, err)
	}
	// Nobody tells this node of an edit before it becomes an owner.
	if _, err := s.Edit(t.Context(), who, p.ID, "new"); err != nil {
		t.Fatal(err)
	}
	owned = true
	if got, err := s.Get(t.Context(), who, p.ID); err != nil || got.Text != "new" {
		t.Errorf("%q, %v, want the edit", got.Text, err)
	}
}

func BenchmarkEncoded40(b *testing.B) {
	f := newFixture(b)
	var ids []string
	for range 40 {
		ids = append(ids, f.post(b, f.ann, social.NewPost{Text: strings.Repeat("some words ", 15)}).ID)
	}
	for b.Loop() {
		if _, err := f.Encoded(b.Context(), f.bob, ids); err != nil {
			b.Fatal(err)
		}
	}
}
