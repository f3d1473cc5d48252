package fanout_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"grapevine/services/fanout"
	"grapevine/services/schema"
	"grapevine/services/social"
	"grapevine/store"
)

// pushTo makes workers that write posts to the homes of so many followers. 0 means
// the default.
func pushTo(limit int) func(*fanout.Config) {
	return func(c *fanout.Config) { c.PushLimit = limit }
}

// crowd is an author with followers.
func (w *world) crowd(names ...string) (author social.Identity, followers []social.Identity) {
	w.t.Helper()
	author = w.signUp("author")
	for _, name := range names {
		follower := w.signUp(name)
		w.follow(follower, author)
		followers = append(followers, follower)
	}
	synctest.Wait()
	return author, followers
}

func (w *world) says(who social.Identity) string {
	w.t.Helper()
	id := w.post(who, social.NewPost{Text: "x"})
	synctest.Wait()
	return id
}

// sees checks the first page of a home, posts given oldest first.
func (w *world) sees(who social.Identity, posts ...string) {
	w.t.Helper()
	slices.Reverse(posts)
	wantIDs(w.t, "home shows", w.shown(who), posts)
}

func TestBeyondThePushLimitPostsAreMergedAndNotWritten(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start(newLog(w), true, pushTo(2))
		author, readers := w.crowd("ann", "bob")
		first := w.says(author)
		wantIDs(t, "home at the limit", w.home(readers[0]), []string{first})
		wantIDs(t, "merged at the limit", w.rowsOf(schema.FamilyMerged, readers[0]), nil)
		eve := w.signUp("eve")
		w.follow(eve, author)
		synctest.Wait()
		second := w.says(author)
		third := w.says(author)
		own := w.says(readers[0])
		if homes := w.rows.Keys(schema.FamilyHome); slices.ContainsFunc(homes, func(k store.Key) bool {
			owner, id, _ := schema.Split(k)
			return id == third && owner != author.User
		}) {
			t.Errorf("a post of a broad author was written to homes: %v", homes)
		}
		w.sees(readers[0], first, second, third, own)
		w.sees(readers[1], first, second, third)
		w.sees(eve, first, second, third)
	})
}

func TestWhoFollowsABroadAuthorLateSeesWhatWasAndWhatComes(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start(newLog(w), true, pushTo(1))
		author, _ := w.crowd("ann", "bob")
		first := w.says(author)
		eve := w.signUp("eve")
		w.follow(eve, author)
		synctest.Wait()
		wantIDs(t, "written", w.home(eve), nil)
		w.sees(eve, first)
		second := w.says(author)
		w.sees(eve, first, second)
	})
}

func TestWhoUnfollowsABroadAuthorSeesNothingMoreAtOnce(t *testing.T) {
	inBubble(t, func(w *world) {
		n := w.start(newLog(w), true, pushTo(1))
		author, readers := w.crowd("ann", "bob")
		w.sees(readers[1], w.says(author), w.says(author)) // the first may have been written to this home
		n.stop()
		w.unfollow(readers[1], author) // and nobody acts on it
		if got := w.shown(readers[1]); len(got) > 1 {
			t.Errorf("home still shows %v", got)
		}
		w.start(n.log, true, pushTo(1))
		time.Sleep(time.Minute)
		synctest.Wait()
		wantIDs(t, "merged", w.rowsOf(schema.FamilyMerged, readers[1]), nil)
		w.sees(readers[1])
		w.follow(readers[1], author)
		synctest.Wait()
		if got := w.shown(readers[1]); len(got) != 2 {
			t.Errorf("after another follow home shows %v", got)
		}
	})
}

// TestFollowersOfTheOtherSideOfASplitAreMergedWhenItHeals: one node made the author
// broad while another saw to a follower that the first did not know.
func TestFollowersOfTheOtherSideOfASplitAreMergedWhenItHeals(t *testing.T) {
	inBubble(t, func(w *world) {
		author, eve := w.signUp("author"), w.signUp("eve")
		// What the side without eve left: the mark, and a post that was not pushed.
		id := w.post(author, social.NewPost{Text: "x"})
		w.rows.Concurrently(schema.Follower(author.User, eve.User), nil)
		w.rows.Concurrently(schema.Following(eve.User, author.User), nil)
		w.rows.Concurrently(schema.Broad(author.User), nil)
		other := newLog(w)
		other.hold(true)
		n := w.start(other, false, nil)
		changes, err := w.rows.Changes(t.Context(), 0, 100)
		w.must(err)
		synctest.Wait()
		other.hold(false)
		w.signUp("bob")
		synctest.Wait()
		for _, c := range changes { // another announces all, and did not know of the mark
			n.Done([]store.Seen{{Partition: c.Partition, Dot: c.Dot}})
		}
		time.Sleep(time.Second)
		synctest.Wait()
		wantIDs(t, "merged", w.rowsOf(schema.FamilyMerged, eve), []string{author.User})
		w.sees(eve, id)
	})
}

func TestARowOfWhoNoLongerFollowsGoesHoweverLateItComes(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start(newLog(w), true, nil)
		ann, bob := w.signUp("ann"), w.signUp("bob")
		w.rows.Concurrently(schema.Merged(ann.User, bob.User), nil)
		time.Sleep(time.Second)
		synctest.Wait()
		wantIDs(t, "merged", w.rowsOf(schema.FamilyMerged, ann), nil)
	})
}

// TestARemovalThatWasUnderWayDoesNotEndALaterFollow: it is another node's, of the time
// before the reader followed again.
func TestARemovalThatWasUnderWayDoesNotEndALaterFollow(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start(newLog(w), true, pushTo(1))
		author, readers := w.crowd("ann", "bob")
		w.says(author)
		_, err := w.rows.Write(t.Context(), store.Write{Mutations: []store.Mutation{
			{Key: schema.Merged(readers[0].User, author.User), Op: store.Remove},
		}})
		w.must(err)
		synctest.Wait()
		wantIDs(t, "merged", w.rowsOf(schema.FamilyMerged, readers[0]), []string{author.User})
	})
}

func TestAPostThatWasPushedLeavesHomesAlsoWhenItsAuthorIsBroad(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start(newLog(w), true, pushTo(1))
		author, readers := w.crowd("ann")
		pushed := w.says(author)
		eve := w.signUp("eve")
		w.follow(eve, author)
		synctest.Wait()
		merged := w.says(author)
		w.must(w.posts.Delete(t.Context(), author, pushed))
		w.must(w.posts.Delete(t.Context(), author, merged))
		synctest.Wait()
		if slices.Contains(w.home(readers[0]), pushed) {
			t.Error("the entry of a deleted post stays")
		}
		w.sees(readers[0])
		wantIDs(t, "author's posts", w.rowsOf(schema.FamilyAuthorPost, author), nil)
	})
}

func TestABroadAccountThatIsDeletedLeavesNothing(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start(newLog(w), true, pushTo(1))
		author, readers := w.crowd("ann", "bob")
		w.says(author)
		w.must(w.users.Delete(t.Context(), author, "@author"))
		synctest.Wait()
		for _, f := range []store.Family{schema.FamilyBroad, schema.FamilyMerged, schema.FamilyFollower, schema.FamilyAuthorPost} {
			if keys := w.rows.Keys(f); len(keys) > 0 {
				t.Errorf("left: %v", keys)
			}
		}
		w.sees(readers[0])
		w.rows.Concurrently(schema.Broad(author.User), nil) // one who did not know of the deletion
		synctest.Wait()
		if keys := w.rows.Keys(schema.FamilyBroad); len(keys) > 0 {
			t.Errorf("the mark of nobody stays: %v", keys)
		}
	})
}

func TestAReaderThatIsDeletedHasNothingMerged(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start(newLog(w), true, pushTo(1))
		author, readers := w.crowd("ann", "bob")
		w.says(author)
		w.must(w.users.Delete(t.Context(), readers[0], "@ann"))
		synctest.Wait()
		wantIDs(t, "merged for ann", w.rowsOf(schema.FamilyMerged, readers[0]), nil)
		wantIDs(t, "merged for bob", w.rowsOf(schema.FamilyMerged, readers[1]), []string{author.User})
	})
}
