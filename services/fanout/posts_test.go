package fanout_test

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"grapevine/services/schema"
	"grapevine/services/social"
	"grapevine/store"
)

// everyFamily is all families of rows that there may be.
func everyFamily() []store.Family {
	var all []store.Family
	for f := range store.Family(255) {
		all = append(all, f)
	}
	return all
}

// tells gives the keys of all rows that name an id, in their key or in their value.
func (w *world) tells(id string) []store.Key {
	var keys []store.Key
	for _, f := range everyFamily() {
		for _, k := range w.rows.Keys(f) {
			owner, other, _ := schema.Split(k)
			if owner == id || other == id {
				keys = append(keys, k)
			}
		}
	}
	return keys
}

func (w *world) besides(f store.Family, post string) []string {
	return w.rowsOf(f, social.Identity{User: post})
}

func (w *world) tagged(tag string) []string {
	return w.rowsOf(schema.FamilyTagged, social.Identity{User: tag})
}

func TestALikeIsMirroredBesideThePost(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start(newLog(w), true, nil)
		ann, bob := w.signUp("ann"), w.signUp("bob")
		id := w.post(ann, social.NewPost{Text: "x"})
		w.must(w.posts.Like(t.Context(), bob, id))
		w.must(w.posts.Like(t.Context(), bob, id))
		synctest.Wait()
		wantIDs(t, "likes", w.besides(schema.FamilyLike, id), []string{bob.User})
		w.must(w.posts.Unlike(t.Context(), bob, id))
		w.must(w.posts.Unlike(t.Context(), bob, id))
		synctest.Wait()
		wantIDs(t, "likes after the end", w.besides(schema.FamilyLike, id), nil)
	})
}

func TestARepostReachesFollowersAndGoesWithTheOriginal(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start(newLog(w), true, nil)
		ann, bob, eve := w.signUp("ann"), w.signUp("bob"), w.signUp("eve")
		w.follow(eve, bob)
		synctest.Wait()
		id := w.post(ann, social.NewPost{Text: "x"})
		time.Sleep(time.Millisecond)
		w.must(w.posts.Repost(t.Context(), bob, id))
		w.must(w.posts.Repost(t.Context(), bob, id))
		synctest.Wait()
		reposts := w.rowsOf(schema.FamilyAuthorPost, bob)
		if len(reposts) != 1 {
			t.Fatalf("reposts %v, want one", reposts)
		}
		wantIDs(t, "eve's home", w.shown(eve), reposts)
		wantIDs(t, "reposters", w.besides(schema.FamilyRepost, id), []string{bob.User})
		w.must(w.posts.Unrepost(t.Context(), bob, id))
		synctest.Wait()
		wantIDs(t, "eve's home after the end", w.home(eve), nil)
		wantIDs(t, "reposters after the end", w.besides(schema.FamilyRepost, id), nil)
		w.must(w.posts.Repost(t.Context(), bob, id))
		synctest.Wait()
		w.must(w.posts.Delete(t.Context(), ann, id))
		synctest.Wait()
		wantIDs(t, "eve's home without the original", w.home(eve), nil)
		if left := w.tells(id); left != nil {
			t.Errorf("%v are left of the original", left)
		}
		wantIDs(t, "bob's posts", w.rowsOf(schema.FamilyAuthorPost, bob), nil)
	})
}

func TestADeletedRepostCanBeMadeAgain(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start(newLog(w), true, nil)
		ann, bob := w.signUp("ann"), w.signUp("bob")
		id := w.post(ann, social.NewPost{Text: "x"})
		w.must(w.posts.Repost(t.Context(), bob, id))
		synctest.Wait()
		w.must(w.posts.Delete(t.Context(), bob, w.rowsOf(schema.FamilyAuthorPost, bob)[0]))
		synctest.Wait()
		wantIDs(t, "reposters", w.besides(schema.FamilyRepost, id), nil)
		w.must(w.posts.Repost(t.Context(), bob, id))
		synctest.Wait()
		wantIDs(t, "reposters", w.besides(schema.FamilyRepost, id), []string{bob.User})
	})
}

func TestOfTwoRepostsOfOnePostTheEarlierStays(t *testing.T) {
	inBubble(t, func(w *world) {
		ann, bob := w.signUp("ann"), w.signUp("bob")
		id := w.post(ann, social.NewPost{Text: "x"})
		w.must(w.posts.Repost(t.Context(), bob, id))
		first := w.rowsOf(schema.FamilyAuthorPost, bob)
		second := w.post(bob, social.NewPost{Text: "stands for the repost on the other side of a split"})
		w.rows.Concurrently(schema.Reposted(bob.User, id), []byte(second))
		w.start(newLog(w), true, nil)
		synctest.Wait()
		wantIDs(t, "bob's posts", w.rowsOf(schema.FamilyAuthorPost, bob), first)
	})
}

func TestTagsFollowEditsAndDeletions(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start(newLog(w), true, nil)
		ann := w.signUp("ann")
		id := w.post(ann, social.NewPost{Text: "#One #two"})
		hidden := w.post(ann, social.NewPost{Text: "#one", Visibility: social.Followers})
		synctest.Wait()
		wantIDs(t, "one", w.tagged("one"), []string{id})
		for _, text := range []string{"#two #three", "#four", "#two #four"} {
			_, err := w.posts.Edit(t.Context(), ann, id, text)
			w.must(err)
			_, err = w.posts.Edit(t.Context(), ann, hidden, text)
			w.must(err)
			synctest.Wait()
			for _, tag := range []string{"one", "two", "three", "four"} {
				want := []string{id}
				if !slices.Contains(social.Tags(text), tag) {
					want = nil
				}
				wantIDs(t, tag+" after "+text, w.tagged(tag), want)
			}
		}
		w.must(w.posts.Delete(t.Context(), ann, id))
		synctest.Wait()
		if left := w.tells(id); left != nil {
			t.Errorf("%v are left", left)
		}
	})
}

func TestMentionsAndRepliesAreListedWhereTheyBelong(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start(newLog(w), true, nil)
		ann, bob := w.signUp("ann"), w.signUp("bob")
		id := w.post(ann, social.NewPost{Text: "@bob @ann"})
		reply := w.post(bob, social.NewPost{Text: "@ann", ReplyTo: id, Visibility: social.Followers})
		synctest.Wait()
		wantIDs(t, "bob's mentions", w.rowsOf(schema.FamilyMentioned, bob), []string{id})
		wantIDs(t, "ann's mentions", w.rowsOf(schema.FamilyMentioned, ann), []string{reply})
		wantIDs(t, "replies", w.besides(schema.FamilyReply, id), []string{reply})
		w.must(w.posts.Delete(t.Context(), bob, reply))
		synctest.Wait()
		wantIDs(t, "ann's mentions", w.rowsOf(schema.FamilyMentioned, ann), nil)
		wantIDs(t, "replies", w.besides(schema.FamilyReply, id), nil)
	})
}

// TestCountsTellNobodyOfAReplyThatNotAllMaySee: those who may see it find it in the
// thread all the same.
func TestCountsTellNobodyOfAReplyThatNotAllMaySee(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start(newLog(w), true, nil)
		ann, bob, eve := w.signUp("ann"), w.signUp("bob"), w.signUp("eve")
		id := w.post(ann, social.NewPost{Text: "x"})
		line := w.post(bob, social.NewPost{Text: "@ann", ReplyTo: id, Visibility: social.Direct})
		under := w.post(ann, social.NewPost{Text: "@bob", ReplyTo: line, Visibility: social.Direct})
		synctest.Wait()
		replies := func(reader social.Identity) (count int, below []string) {
			thread, err := w.posts.Thread(t.Context(), reader, id, social.Cut{Limit: 10})
			w.must(err)
			var shown social.Post
			w.must(json.Unmarshal(thread.Post, &shown))
			for _, raw := range thread.Descendants {
				var p social.Post
				w.must(json.Unmarshal(raw, &p))
				below = append(below, p.ID)
			}
			return shown.Counts.Replies, below
		}
		for _, c := range []struct {
			reader social.Identity
			below  []string
		}{{ann, []string{line, under}}, {bob, []string{line, under}}, {eve, nil}} {
			if n, below := replies(c.reader); n != 0 || !slices.Equal(below, c.below) {
				t.Errorf("%d replies, %v below, want none and %v", n, below, c.below)
			}
		}
		open := w.post(bob, social.NewPost{Text: "x", ReplyTo: id})
		synctest.Wait()
		if n, below := replies(eve); n != 1 || !slices.Equal(below, []string{open}) {
			t.Errorf("with a public one, %d replies, %v below", n, below)
		}
		w.must(w.posts.Delete(t.Context(), bob, line))
		synctest.Wait()
		wantIDs(t, "what is not counted", w.besides(schema.FamilyUncounted, id), nil)
		if n, _ := replies(eve); n != 1 {
			t.Errorf("after the deletion of the direct one, %d replies", n)
		}
	})
}

// TestWhatComesToADeletedPostGoes: a like is acknowledged before the deletion of the
// post, and its mirror is written after all that was beside the post had gone.
func TestWhatComesToADeletedPostGoes(t *testing.T) {
	inBubble(t, func(w *world) {
		l := newLog(w)
		w.start(l, true, nil)
		ann, bob := w.signUp("ann"), w.signUp("bob")
		id := w.post(ann, social.NewPost{Text: "x"})
		synctest.Wait()
		w.rows.Fail(func(keys []store.Key, write bool) error {
			if write && keys[0].Family >= schema.FamilyLike && keys[0].Family <= schema.FamilyReply && keys[0].Family != schema.FamilyReposted {
				return store.ErrUnavailable // no mirror comes through
			}
			return nil
		})
		w.must(w.posts.Like(t.Context(), bob, id))
		w.must(w.posts.Repost(t.Context(), bob, id))
		reply := w.post(bob, social.NewPost{Text: "x", ReplyTo: id})
		synctest.Wait()
		w.rows.Fail(nil)
		w.must(w.posts.Delete(t.Context(), ann, id))
		time.Sleep(time.Minute)
		if left := w.tells(id); left != nil {
			t.Errorf("%v are left", left)
		}
		wantIDs(t, "bob's posts", w.rowsOf(schema.FamilyAuthorPost, bob), []string{reply})
	})
}

func TestADeletedAccountTakesWhatItDidWithPosts(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start(newLog(w), true, nil)
		ann, bob := w.signUp("ann"), w.signUp("bob")
		w.follow(bob, ann)
		w.follow(ann, bob)
		synctest.Wait()
		anns := []string{w.post(ann, social.NewPost{Text: "#tag @bob"}), w.post(ann, social.NewPost{Text: "x"})}
		bobs := w.post(bob, social.NewPost{Text: "#tag @ann"})
		_, err := w.posts.Edit(t.Context(), ann, anns[1], "#edited")
		w.must(err)
		anns = append(anns, w.post(ann, social.NewPost{Text: "y", ReplyTo: bobs}))
		reply := w.post(bob, social.NewPost{Text: "y", ReplyTo: anns[0]})
		for _, who := range []social.Identity{ann, bob} {
			for _, id := range append(anns, bobs) {
				w.must(w.posts.Like(t.Context(), who, id))
				w.must(w.posts.Repost(t.Context(), who, id))
			}
		}
		synctest.Wait()
		w.must(w.users.Delete(t.Context(), ann, "@ann"))
		calls := 0
		w.rows.Fail(func([]store.Key, bool) error {
			if calls++; calls%3 == 0 {
				return store.ErrUnavailable
			}
			return nil
		})
		time.Sleep(time.Hour)
		w.rows.Fail(nil)
		time.Sleep(time.Minute)
		for _, id := range append(anns, ann.User) {
			left := w.tells(id)
			left = slices.DeleteFunc(left, func(k store.Key) bool { return k == schema.Departed(ann.User) })
			if len(left) > 0 {
				t.Errorf("of %s %v are left", id, left)
			}
		}
		wantIDs(t, "likes of bob's post", w.besides(schema.FamilyLike, bobs), []string{bob.User})
		wantIDs(t, "reposts of bob's post", w.besides(schema.FamilyRepost, bobs), []string{bob.User})
		if posts := w.rowsOf(schema.FamilyAuthorPost, bob); len(posts) != 3 || posts[0] != bobs || !slices.Contains(posts, reply) {
			t.Errorf("bob has %v, want his post, his reply and his repost of his own", posts)
		}
		wantIDs(t, "the tag", w.tagged("tag"), []string{bobs})
	})
}

// TestInterruptedAnywhereConsequencesComeToBe acts while every so many calls of
// the store fail, and compares the mirrors with the truth in the end.
func TestInterruptedAnywhereConsequencesComeToBe(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start(newLog(w), true, nil)
		people := []social.Identity{w.signUp("ann"), w.signUp("bob"), w.signUp("eve")}
		random := rand.New(rand.NewPCG(1, 2))
		var ids []string
		for i := range 10 {
			ids = append(ids, w.post(people[i%3], social.NewPost{Text: "#tag"}))
		}
		calls := 0
		w.rows.Fail(func(_ []store.Key, _ bool) error {
			if calls++; calls%5 == 0 {
				return store.ErrUnavailable
			}
			return nil
		})
		for range 300 {
			who, id := people[random.IntN(3)], ids[random.IntN(len(ids))]
			switch random.IntN(9) {
			case 0, 1, 2:
				_ = w.posts.Like(t.Context(), who, id)
			case 3, 4:
				_ = w.posts.Unlike(t.Context(), who, id)
			case 5, 6:
				_ = w.posts.Repost(t.Context(), who, id)
			case 7:
				_ = w.posts.Unrepost(t.Context(), who, id)
			case 8:
				if random.IntN(10) == 0 {
					_ = w.posts.Delete(t.Context(), who, id)
				}
			}
			time.Sleep(time.Duration(random.IntN(20)) * time.Millisecond)
		}
		time.Sleep(10 * time.Minute)
		w.rows.Fail(nil)
		time.Sleep(10 * time.Minute)
		w.mirrorsAre(schema.FamilyLike, schema.FamilyLiked)
		w.mirrorsAre(schema.FamilyRepost, schema.FamilyReposted)
		for _, k := range w.rows.Keys(schema.FamilyReposted) {
			if _, err := w.rows.Get(t.Context(), schema.Post(schema.Other(k))); err != nil {
				t.Errorf("a repost is left of %s: %v", schema.Other(k), err)
			}
		}
	})
}

// mirrorsAre checks that the rows of one family are those of another with the
// halves of their keys exchanged.
func (w *world) mirrorsAre(mirror, truth store.Family) {
	w.t.Helper()
	halves := func(f store.Family, turn bool) (all []string) {
		for _, k := range w.rows.Keys(f) {
			a, b, _ := schema.Split(k)
			if turn {
				a, b = b, a
			}
			all = append(all, a+"/"+b)
		}
		slices.Sort(all)
		return all
	}
	wantIDs(w.t, "mirrors", halves(mirror, true), halves(truth, false))
}
