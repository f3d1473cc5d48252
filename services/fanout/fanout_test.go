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

func wantIDs(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func TestAFollowIsMirrored(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start(newLog(w), true, nil)
		ann, bob := w.signUp("ann"), w.signUp("bob")
		w.follow(ann, bob)
		synctest.Wait()
		wantIDs(t, "followers", w.rowsOf(schema.FamilyFollower, bob), []string{ann.User})
		w.unfollow(ann, bob)
		synctest.Wait()
		wantIDs(t, "followers after the unfollow", w.rowsOf(schema.FamilyFollower, bob), nil)
	})
}

func TestAPostReachesItsReadersAlone(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start(newLog(w), true, nil)
		ann, bob, eve := w.signUp("ann"), w.signUp("bob"), w.signUp("eve")
		w.follow(bob, ann)
		synctest.Wait()
		public := w.post(ann, social.NewPost{Text: "x"})
		followers := w.post(ann, social.NewPost{Text: "@eve", Visibility: social.Followers})
		direct := w.post(ann, social.NewPost{Text: "@eve", Visibility: social.Direct})
		synctest.Wait()
		wantIDs(t, "author", w.home(ann), []string{public, followers, direct})
		wantIDs(t, "follower", w.home(bob), []string{public, followers})
		wantIDs(t, "mentioned", w.home(eve), []string{direct})
		wantIDs(t, "shown", w.shown(bob), []string{followers, public})
	})
}

func TestADeletedPostLeavesAllHomesAndNothingBehind(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start(newLog(w), true, nil)
		ann, bob, eve := w.signUp("ann"), w.signUp("bob"), w.signUp("eve")
		w.follow(bob, ann)
		synctest.Wait()
		kept := w.post(ann, social.NewPost{Text: "x"})
		for _, v := range []social.Visibility{social.Public, social.Direct} {
			id := w.post(ann, social.NewPost{Text: "@eve", Visibility: v})
			synctest.Wait()
			w.must(w.posts.Delete(t.Context(), ann, id))
			synctest.Wait()
		}
		wantIDs(t, "author", w.home(ann), []string{kept})
		wantIDs(t, "follower", w.home(bob), []string{kept})
		wantIDs(t, "mentioned", w.home(eve), nil)
		wantIDs(t, "author's list", w.rowsOf(schema.FamilyAuthorPost, ann), []string{kept})
	})
}

func TestWhatTellsOfADeletionStaysUntilTheHomesAreClean(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start(newLog(w), true, nil)
		ann, bob := w.signUp("ann"), w.signUp("bob")
		w.follow(bob, ann)
		synctest.Wait()
		id := w.post(ann, social.NewPost{Text: "x"})
		synctest.Wait()
		w.rows.Fail(func(keys []store.Key, write bool) error {
			if owner, _, _ := schema.Split(keys[0]); write && owner == bob.User {
				return store.ErrUnavailable
			}
			return nil
		})
		w.must(w.posts.Delete(t.Context(), ann, id))
		time.Sleep(time.Minute)
		wantIDs(t, "author's list while a home is out of reach", w.rowsOf(schema.FamilyAuthorPost, ann), []string{id})
		w.rows.Fail(nil)
		time.Sleep(time.Minute)
		wantIDs(t, "author's list", w.rowsOf(schema.FamilyAuthorPost, ann), nil)
		wantIDs(t, "follower's home", w.home(bob), nil)
	})
}

func TestAnEditCostsNoWrite(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start(newLog(w), true, nil)
		ann, bob := w.signUp("ann"), w.signUp("bob")
		w.follow(bob, ann)
		id := w.post(ann, social.NewPost{Text: "x"})
		synctest.Wait()
		_, before := w.rows.Counts()
		_, err := w.posts.Edit(t.Context(), ann, id, "y")
		w.must(err)
		synctest.Wait()
		if _, after := w.rows.Counts(); after != before+1 {
			t.Errorf("%d writes, want that of the edit", after-before)
		}
	})
}

func TestANewFollowerGetsTheNewestPostsAndLosesThemByLeaving(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start(newLog(w), true, func(c *fanout.Config) { c.Backfill = 3 })
		ann, bob := w.signUp("ann"), w.signUp("bob")
		direct := w.post(ann, social.NewPost{Text: "@bob", Visibility: social.Direct})
		var ids []string
		for range 5 {
			ids = append(ids, w.post(ann, social.NewPost{Text: "x"}))
		}
		own := w.post(bob, social.NewPost{Text: "x"})
		w.follow(bob, ann)
		synctest.Wait()
		wantIDs(t, "home", w.home(bob), append([]string{direct}, append(slices.Clone(ids[2:]), own)...))
		w.unfollow(bob, ann)
		synctest.Wait()
		wantIDs(t, "home after leaving", w.home(bob), []string{direct, own})
	})
}

func TestANewFollowerGetsNoDeletedPost(t *testing.T) {
	inBubble(t, func(w *world) {
		l := newLog(w)
		w.start(l, true, nil)
		ann, bob := w.signUp("ann"), w.signUp("bob")
		id := w.post(ann, social.NewPost{Text: "x"})
		synctest.Wait()
		l.hold(true) // so that the deletion and the follower are acted on together
		w.must(w.posts.Delete(t.Context(), ann, id))
		follower := store.Mutation{Key: schema.Follower(ann.User, bob.User), Op: store.Put}
		_, err := w.rows.Write(t.Context(), store.Write{Mutations: []store.Mutation{follower}})
		w.must(err)
		synctest.Wait()
		l.hold(false)
		w.signUp("eve")
		synctest.Wait()
		wantIDs(t, "home", w.home(bob), nil)
	})
}

func TestAPostAtTheMomentOfAFollowIsDelivered(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start(newLog(w), true, nil)
		ann, bob := w.signUp("ann"), w.signUp("bob")
		w.follow(bob, ann)
		id := w.post(ann, social.NewPost{Text: "x"}) // the follow may not be mirrored yet
		synctest.Wait()
		wantIDs(t, "home", w.home(bob), []string{id})
	})
}

func TestADeletedAccountTakesEverythingWithIt(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start(newLog(w), true, nil)
		ann, bob, eve := w.signUp("ann"), w.signUp("bob"), w.signUp("eve")
		w.follow(ann, bob)
		w.follow(bob, ann)
		w.follow(eve, bob)
		synctest.Wait()
		for range 120 {
			w.post(ann, social.NewPost{Text: "x", Key: time.Now().String()})
		}
		w.post(ann, social.NewPost{Text: "@eve", Visibility: social.Direct})
		bobs := w.post(bob, social.NewPost{Text: "x"})
		w.must(w.users.LogOut(t.Context(), ann))
		synctest.Wait()
		w.must(w.users.Delete(t.Context(), ann, "@ann"))
		synctest.Wait()
		wantIDs(t, "bob's home", w.home(bob), []string{bobs})
		wantIDs(t, "eve's home", w.home(eve), []string{bobs})
		wantIDs(t, "bob's followers", w.rowsOf(schema.FamilyFollower, bob), []string{eve.User})
		wantIDs(t, "bob's following", w.rowsOf(schema.FamilyFollowing, bob), nil)
		for f := schema.FamilyUser; f <= schema.FamilyFormerName; f++ {
			for _, k := range w.rows.Keys(f) {
				if owner, other, _ := schema.Split(k); owner == ann.User || other == ann.User {
					t.Errorf("family %d: %v is left", f, k)
				}
			}
		}
		if got := len(w.rows.Keys(schema.FamilyPost)); got != 1 {
			t.Errorf("%d posts are left, want bob's", got)
		}
		w.signUp("ann") // the name is free
	})
}

func TestADepartureInterruptedAnywhereIsFinished(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start(newLog(w), true, nil)
		ann, bob := w.signUp("ann"), w.signUp("bob")
		w.follow(bob, ann)
		w.follow(ann, bob)
		synctest.Wait()
		for range 5 {
			w.post(ann, social.NewPost{Text: "x"})
		}
		synctest.Wait()
		w.must(w.users.Delete(t.Context(), ann, "@ann"))
		calls := 0
		w.rows.Fail(func([]store.Key, bool) error {
			if calls++; calls%3 == 0 { // every third call, wherever that is
				return store.ErrUnavailable
			}
			return nil
		})
		time.Sleep(time.Hour)
		w.rows.Fail(nil)
		time.Sleep(time.Minute)
		synctest.Wait()
		wantIDs(t, "bob's home", w.home(bob), nil)
		if keys := w.rows.Keys(schema.FamilyCredential); len(keys) != 1 {
			t.Errorf("credentials %v, want bob's", keys)
		}
		w.signUp("ann")
	})
}

// TestOfTwoPostsMadeWithOneKeyBothStay: a request that slept on a stopped node may
// take effect after its repetition was answered, or before. Nobody can know which
// of the two the client was told of.
func TestOfTwoPostsMadeWithOneKeyBothStay(t *testing.T) {
	inBubble(t, func(w *world) {
		ann := w.signUp("ann")
		first := w.post(ann, social.NewPost{Text: "x", Key: "k"})
		second := w.post(ann, social.NewPost{Text: "x"})
		w.rows.Concurrently(schema.Idempotency(ann.User, "k"), []byte(second))
		w.start(newLog(w), true, nil)
		synctest.Wait()
		wantIDs(t, "home", w.home(ann), []string{first, second})
		wantIDs(t, "author's list", w.rowsOf(schema.FamilyAuthorPost, ann), []string{first, second})
	})
}

func TestAnIdleWorkerDoesNothing(t *testing.T) {
	inBubble(t, func(w *world) {
		n := w.start(newLog(w), true, nil)
		ann, bob := w.signUp("ann"), w.signUp("bob")
		w.follow(ann, bob)
		time.Sleep(30 * time.Second)
		synctest.Wait()
		n.log.mu.Lock()
		logReads := n.log.reads
		n.log.mu.Unlock()
		reads, writes := w.rows.Counts()
		time.Sleep(time.Hour)
		synctest.Wait()
		n.log.mu.Lock()
		defer n.log.mu.Unlock()
		if r, wr := w.rows.Counts(); n.log.reads != logReads || r != reads || wr != writes {
			t.Errorf("%d log reads, %d reads, %d writes in an idle hour", n.log.reads-logReads, r-reads, wr-writes)
		}
	})
}
