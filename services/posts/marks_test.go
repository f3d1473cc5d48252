package posts_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"grapevine/services/posts"
	"grapevine/services/schema"
	"grapevine/services/social"
	"grapevine/store"
)

// put writes rows as fan-out would.
func (f fixture) put(t *testing.T, keys ...store.Key) {
	t.Helper()
	for _, k := range keys {
		if _, err := f.rows.Write(t.Context(), store.Write{Mutations: []store.Mutation{{Key: k, Op: store.Put}}}); err != nil {
			t.Fatal(err)
		}
	}
}

// shown gives a post as a viewer reads it.
func (f fixture) shown(t *testing.T, viewer social.Identity, id string) social.Post {
	t.Helper()
	raw, err := f.EncodedOne(t.Context(), viewer, id)
	if err != nil {
		t.Fatal(err)
	}
	var p social.Post
	if err := json.Unmarshal(raw, &p); err != nil {
		t.Fatalf("%v in %s", err, raw)
	}
	return p
}

func TestALikeIsSeenByItsMakerAtOnceAndCountedWhenItIsMirrored(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	p := f.post(t, f.ann, social.NewPost{Text: "x"})
	for range 2 {
		if err := f.Like(t.Context(), f.bob, p.ID); err != nil {
			t.Fatal(err)
		}
		if got := f.shown(t, f.bob, p.ID); !got.Viewer.Liked || got.Viewer.Reposted || got.Counts.Likes != 0 {
			t.Errorf("viewer %+v, counts %+v", got.Viewer, got.Counts)
		}
	}
	f.put(t, schema.Like(p.ID, f.bob.User))
	if got := f.shown(t, social.Identity{}, p.ID); got.Viewer != nil || got.Counts.Likes != 1 {
		t.Errorf("a visitor sees viewer %+v, counts %+v", got.Viewer, got.Counts)
	}
	likes, err := f.Likes(t.Context(), f.eve, p.ID, social.Cut{})
	if err != nil || len(likes.Items) != 1 || likes.Items[0].Username != "bob" {
		t.Errorf("likes %+v, %v", likes, err)
	}
	if err := f.Unlike(t.Context(), f.bob, p.ID); err != nil {
		t.Fatal(err)
	}
	if got := f.shown(t, f.bob, p.ID); got.Viewer.Liked {
		t.Error("a like that was taken back shows")
	}
}

func TestMarksNeedALogInAndAPostThatIsSeen(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	public := f.post(t, f.ann, social.NewPost{Text: "x"})
	direct := f.post(t, f.ann, social.NewPost{Text: "@bob", Visibility: social.Direct})
	for name, act := range map[string]func(ctx context.Context, who social.Identity, id string) error{
		"like": f.Like, "unlike": f.Unlike, "repost": f.Repost, "unrepost": f.Unrepost,
	} {
		wantKind(t, name+" by a visitor", act(t.Context(), social.Identity{}, public.ID), social.Unauthenticated, "")
		wantKind(t, name+" of what eve does not see", act(t.Context(), f.eve, direct.ID), social.NotFound, "")
		wantKind(t, name+" of nothing", act(t.Context(), f.eve, "nothing"), social.NotFound, "")
	}
	wantKind(t, "repost of a direct post", f.Repost(t.Context(), f.bob, direct.ID), social.Forbidden, "")
	_, err := f.Likes(t.Context(), f.eve, direct.ID, social.Cut{})
	wantKind(t, "likes of what eve does not see", err, social.NotFound, "")
	_, err = f.Thread(t.Context(), f.eve, direct.ID, social.Cut{})
	wantKind(t, "thread of what eve does not see", err, social.NotFound, "")
	_, err = f.History(t.Context(), f.eve, direct.ID, social.Cut{})
	wantKind(t, "history of what eve does not see", err, social.NotFound, "")
}

// TestAMarkOfAPostThatIsHiddenNowCanBeTakenBack: whoever liked a post for followers
// and then left does not see it, and keeps the right to the like.
func TestAMarkOfAPostThatIsHiddenNowCanBeTakenBack(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.put(t, schema.Following(f.bob.User, f.ann.User))
	p := f.post(t, f.ann, social.NewPost{Text: "x", Visibility: social.Followers})
	if err := f.Like(t.Context(), f.bob, p.ID); err != nil {
		t.Fatal(err)
	}
	gone := store.Mutation{Key: schema.Following(f.bob.User, f.ann.User), Op: store.Remove}
	if _, err := f.rows.Write(t.Context(), store.Write{Mutations: []store.Mutation{gone}}); err != nil {
		t.Fatal(err)
	}
	wantKind(t, "unlike", f.Unlike(t.Context(), f.bob, p.ID), social.NotFound, "")
	if keys := f.rows.Keys(schema.FamilyLiked); keys != nil {
		t.Errorf("%v is left", keys)
	}
}

func TestARepostShowsTheOriginalAndGoesWithIt(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	p := f.post(t, f.ann, social.NewPost{Text: "x"})
	if err := f.Repost(t.Context(), f.bob, p.ID); err != nil {
		t.Fatal(err)
	}
	id := schema.Other(f.rows.Keys(schema.FamilyAuthorPost)[1])
	if owner, _, _ := schema.Split(f.rows.Keys(schema.FamilyAuthorPost)[1]); owner != f.bob.User {
		id = schema.Other(f.rows.Keys(schema.FamilyAuthorPost)[0])
	}
	got := f.shown(t, f.bob, id)
	if got.RepostOf != p.ID || got.Reposted == nil || got.Reposted.Text != "x" || !got.Reposted.Viewer.Reposted || got.Counts != nil {
		t.Errorf("repost %+v of %+v", got, got.Reposted)
	}
	_, err := f.Edit(t.Context(), f.bob, id, "y")
	wantKind(t, "edit of a repost", err, social.Conflict, "")
	answer := f.post(t, f.eve, social.NewPost{Text: "y", ReplyTo: id})
	if answer.ReplyTo != p.ID {
		t.Errorf("an answer to a repost is to %s, want the original", answer.ReplyTo)
	}
	if err := f.Like(t.Context(), f.eve, id); err != nil || !f.shown(t, f.eve, p.ID).Viewer.Liked {
		t.Errorf("a like of a repost is not of the original: %v", err)
	}
	if err := f.Delete(t.Context(), f.ann, p.ID); err != nil {
		t.Fatal(err)
	}
	_, err = f.EncodedOne(t.Context(), f.bob, id)
	wantKind(t, "a repost without original", err, social.NotFound, "")
}

// TestALargeCountGrowsOldAndASmallOneNever: what costs little to count is made anew
// with each change, what costs much is not.
func TestALargeCountGrowsOldAndASmallOneNever(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	p := f.post(t, f.ann, social.NewPost{Text: "x"})
	like := func(from, to int) {
		ms := make([]store.Mutation, 0, to-from)
		for i := from; i < to; i++ {
			ms = append(ms, store.Mutation{Key: schema.Like(p.ID, social.DerivedID(uint16(i), time.UnixMilli(1), fmt.Sprint(i))), Op: store.Put})
		}
		if _, err := f.rows.Write(t.Context(), store.Write{Mutations: ms}); err != nil {
			t.Fatal(err)
		}
	}
	want := func(n int) {
		t.Helper()
		if got := f.shown(t, f.bob, p.ID).Counts.Likes; got != n {
			t.Errorf("%d likes, want %d", got, n)
		}
	}
	like(0, 1000)
	want(1000)
	like(1000, 1001)
	want(1001)
	like(1001, 1005)
	want(1001) // as it was
	f.at.Add((5 * time.Second).Milliseconds())
	want(1005)
}

// TestCountsAndMarksOfOthersPartitionsAreReadAnew: this node is not told of what
// changes there.
func TestCountsOfPartitionsThatAreNotOwnedGrowOldAndMarksAreReadAnew(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	p := f.post(t, f.ann, social.NewPost{Text: "x"})
	now := time.UnixMilli(1_900_000_000_000)
	far, err := posts.New(posts.Config{Rows: f.rows, Users: directory{}, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	remote := fixture{far, f.rows, f.ann, f.bob, f.eve, f.at}
	if got := remote.shown(t, f.bob, p.ID); got.Counts.Likes != 0 || got.Viewer.Liked {
		t.Fatalf("%+v %+v", got.Counts, got.Viewer)
	}
	f.put(t, schema.Liked(f.bob.User, p.ID), schema.Like(p.ID, f.bob.User))
	if got := remote.shown(t, f.bob, p.ID); got.Counts.Likes != 0 || !got.Viewer.Liked {
		t.Errorf("at once %+v %+v", got.Counts, got.Viewer)
	}
	now = now.Add(5 * time.Second)
	if got := remote.shown(t, f.bob, p.ID); got.Counts.Likes != 1 {
		t.Errorf("later %+v", got.Counts)
	}
}

func TestAPostIsShownWithoutCountsWhereTheyCannotBeReached(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	p := f.post(t, f.ann, social.NewPost{Text: "x"})
	f.rows.Fail(func(keys []store.Key, _ bool) error {
		if keys[0].Family == schema.FamilyPost {
			return nil
		}
		return store.ErrUnavailable
	})
	if got := f.shown(t, f.bob, p.ID); got.Text != "x" || got.Counts != nil || got.Viewer != nil {
		t.Errorf("%+v", got)
	}
}

func TestOldMarksAreFoundBeyondTheNewest(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	old := f.post(t, f.ann, social.NewPost{Text: "x"})
	unmarked := f.post(t, f.ann, social.NewPost{Text: "x"})
	f.put(t, schema.Liked(f.bob.User, old.ID), schema.Reposted(f.bob.User, old.ID))
	for range 300 {
		f.at.Add(1)
		f.put(t, schema.Liked(f.bob.User, social.NewID(1, time.UnixMilli(f.at.Load()))))
	}
	if got := f.shown(t, f.bob, old.ID); *got.Viewer != (social.PostViewer{Liked: true, Reposted: true}) {
		t.Errorf("%+v", got.Viewer)
	}
	if got := f.shown(t, f.bob, unmarked.ID); *got.Viewer != (social.PostViewer{}) {
		t.Errorf("%+v", got.Viewer)
	}
}

func TestAHistoryHasEveryTextNewestFirstOverAllPages(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	p := f.post(t, f.ann, social.NewPost{Text: "0"})
	for i := range 9 {
		f.at.Add(1000)
		if _, err := f.Edit(t.Context(), f.ann, p.ID, fmt.Sprint(i+1)); err != nil {
			t.Fatal(err)
		}
	}
	for _, limit := range []int{1, 3, 5, 10, 40} {
		var texts string
		for cut := (social.Cut{Limit: limit}); ; {
			page, err := f.History(t.Context(), f.bob, p.ID, cut)
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range page.Items {
				if texts += v.Text; v.At.Before(p.CreatedAt) {
					t.Errorf("%+v is older than the post", v)
				}
			}
			if cut.Cursor = page.Next; page.Next == "" {
				break
			}
		}
		if texts != "9876543210" {
			t.Errorf("by %d: %s", limit, texts)
		}
	}
}

func TestEditsOfOneMillisecondAreInTheOrderInWhichTheyTookEffect(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	p := f.post(t, f.ann, social.NewPost{Text: "0"})
	for i := range 9 {
		if i == 5 {
			f.at.Add(-3) // by a node whose clock is behind
		}
		if _, err := f.Edit(t.Context(), f.ann, p.ID, fmt.Sprint(i+1)); err != nil {
			t.Fatal(err)
		}
	}
	var texts string
	for cut := (social.Cut{Limit: 2}); ; {
		page, err := f.History(t.Context(), f.bob, p.ID, cut)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range page.Items {
			texts += v.Text
		}
		if cut.Cursor = page.Next; page.Next == "" {
			break
		}
	}
	if texts != "9876543210" {
		t.Errorf("the history is %s", texts)
	}
	_, err := f.History(t.Context(), f.bob, p.ID, social.Cut{Cursor: f.ann.User})
	wantKind(t, "a cursor of another list", err, social.Invalid, "cursor")
}

func TestAPostIsNotEditedForEver(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	p := f.post(t, f.ann, social.NewPost{Text: "x"})
	var ms []store.Mutation
	for i := range social.MaxEdits {
		id := social.DerivedID(slotOf(p.ID), time.UnixMilli(int64(i)), "edit")
		ms = append(ms, store.Mutation{Key: schema.Edit(p.ID, id), Op: store.Put, Value: schema.EncodeEdit(time.UnixMilli(1), "y")})
	}
	if _, err := f.rows.Write(t.Context(), store.Write{Mutations: ms}); err != nil {
		t.Fatal(err)
	}
	_, err := f.Edit(t.Context(), f.ann, p.ID, "z")
	wantKind(t, "one edit too many", err, social.Conflict, "")
}

func slotOf(id string) uint16 {
	slot, _ := social.SlotOf(id)
	return slot
}

// TestAThreadIsShownInPartsThatMakeTheWhole: each reply after what it answers, to a
// depth, whatever the size of the pages.
func TestAThreadIsShownInPartsThatMakeTheWhole(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	root := f.post(t, f.ann, social.NewPost{Text: "root"})
	answer := func(to string, v social.Visibility) string {
		p := f.post(t, f.bob, social.NewPost{Text: "x", ReplyTo: to, Visibility: v})
		f.put(t, schema.Reply(to, p.ID))
		return p.ID
	}
	var want []string
	line := root.ID
	for range 25 {
		line = answer(line, "")
		want = append(want, line)
	}
	deep := want
	want = slices.Clone(want[:20])
	for range 50 {
		want = append(want, answer(root.ID, ""))
	}
	secret := f.post(t, f.bob, social.NewPost{Text: "x", ReplyTo: root.ID, Visibility: social.Direct})
	f.put(t, schema.Reply(root.ID, secret.ID))
	f.put(t, schema.Reply(secret.ID, deep[3])) // under what is hidden, nothing shows
	for _, limit := range []int{1, 7, 100} {
		var got []string
		for cut := (social.Cut{Limit: limit}); ; {
			thread, err := f.Thread(t.Context(), f.eve, root.ID, cut)
			if err != nil {
				t.Fatal(err)
			}
			for _, raw := range thread.Descendants {
				var p social.Post
				if err := json.Unmarshal(raw, &p); err != nil {
					t.Fatal(err)
				}
				got = append(got, p.ID)
			}
			if cut.Cursor = thread.Next; thread.Next == "" {
				break
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("by %d: %d descendants, want %d", limit, len(got), len(want))
		}
	}
	thread, err := f.Thread(t.Context(), f.eve, deep[24], social.Cut{})
	if err != nil || len(thread.Ancestors) != 25 || len(thread.Descendants) != 0 {
		t.Errorf("%d ancestors, %d descendants, %v", len(thread.Ancestors), len(thread.Descendants), err)
	}
	for _, cursor := range []string{"x", ".", root.ID + ".", "~" + root.ID} {
		_, err := f.Thread(t.Context(), f.eve, root.ID, social.Cut{Cursor: cursor})
		wantKind(t, "cursor "+cursor, err, social.Invalid, "cursor")
	}
}
