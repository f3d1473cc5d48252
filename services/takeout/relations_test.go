package takeout_test

import (
	"strings"
	"testing"

	"grapevine/services/social"
)

// standing gives an account one of everything that an archive holds beside posts:
// friends with bob, cyd blocked, dan muted, and bob in a list.
func (w *world) standing(ann, bob, cyd, dan social.Identity) (list string) {
	w.t.Helper()
	_, err := w.graph.Befriend(w.t.Context(), ann, ann.User, bob.User)
	w.must(err)
	w.must(w.graph.Block(w.t.Context(), ann, ann.User, cyd.User))
	w.must(w.graph.Mute(w.t.Context(), ann, ann.User, dan.User))
	l, err := w.lists.Create(w.t.Context(), ann, social.NewList{Title: "friends"})
	w.must(err)
	w.must(w.lists.Add(w.t.Context(), ann, l.ID, bob.User))
	return l.ID
}

func TestLikesRelationsAndListsAreTakenIntoAnotherNetworkOnce(t *testing.T) {
	t.Parallel()
	old, w := newWorld(t), newWorld(t)
	ann, bob, cyd, dan := old.signUp("ann"), old.signUp("bob"), old.signUp("cyd"), old.signUp("dan")
	old.standing(ann, bob, cyd, dan)
	own, bobs := old.post(ann, social.NewPost{Text: "own"}), old.post(bob, social.NewPost{Text: "bob's"})
	old.must(old.posts.Like(t.Context(), ann, own.ID))
	old.must(old.posts.Like(t.Context(), ann, bobs.ID))
	file := old.export(ann)

	w.at = old.at
	me, others := w.signUp("me"), map[string]social.Identity{}
	for _, name := range []string{"bob", "cyd", "dan"} {
		others[name] = w.signUp(name)
	}
	for range 2 {
		done := w.take(me, file)
		if done.Likes != 1 || skipped(done, "like", social.SkipNoSuchPost) != 1 || done.Friends != 1 ||
			done.Blocks != 1 || done.Mutes != 1 || done.Members != 1 || done.Lists+skipped(done, "list", social.SkipExists) != 1 {
			t.Errorf("done %+v", done)
		}
	}
	for name, want := range map[string]social.Relation{"bob": {Requested: true}, "cyd": {Blocking: true}, "dan": {Muting: true}} {
		if got, err := w.graph.Relation(t.Context(), me, me.User, others[name].User); err != nil || got != want {
			t.Errorf("%s: %+v, %v, want %+v", name, got, err, want)
		}
	}
	all, err := w.lists.List(t.Context(), me, social.Cut{})
	if err != nil || len(all.Items) != 1 || all.Items[0].Title != "friends" {
		t.Fatalf("lists %+v, %v", all.Items, err)
	}
	members, err := w.lists.Members(t.Context(), me, all.Items[0].ID, social.Cut{})
	if err != nil || len(members.Items) != 1 || members.Items[0].ID != others["bob"].User {
		t.Errorf("members %+v, %v", members.Items, err)
	}
	liked, _, err := w.posts.ArchiveLikes(t.Context(), me.User, "", 10)
	if mine := w.shown(me, me); err != nil || len(liked) != 1 || liked[0] != mine[0].ID {
		t.Errorf("likes %v, %v, want that of the own post", liked, err)
	}
}

func TestAnAccountThatTakesItsOwnArchiveStaysAsItWas(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ann := w.signUp("ann")
	w.standing(ann, w.signUp("bob"), w.signUp("cyd"), w.signUp("dan"))
	w.must(w.posts.Like(t.Context(), ann, w.post(ann, social.NewPost{Text: "own"}).ID))
	before := w.export(ann)
	done := w.take(ann, before)
	if done.Lists != 0 || skipped(done, "list", social.SkipExists) != 1 || done.Likes != 1 || done.Members != 1 {
		t.Errorf("done %+v", done)
	}
	if after := w.export(ann); after != before {
		t.Errorf("before\n%s\nafter\n%s", before, after)
	}
}

func TestWhatALineOfAnArchiveNamesMustBeThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ann := w.signUp("ann")
	done := w.take(ann, header+strings.Join([]string{
		`{"type":"like","post":"x"}`, `{"type":"like","post":7}`, `{"type":"block","username":"nobody"}`, `{"type":"mute","username":"ann"}`,
		`{"type":"list","id":"x","title":"t"}`, `{"type":"list","id":[]}`, `{"type":"list-member","list":"x","username":"ann"}`,
		`{"type":"list-member","list":"x","username":"nobody"}`, `{"type":"friend","username":"ann"}`,
	}, "\n"))
	for _, want := range [][2]string{
		{"like", social.SkipInvalid}, {"like", social.SkipMalformed}, {"block", social.SkipNoSuchUser}, {"mute", social.SkipYourself},
		{"list", social.SkipInvalid}, {"list", social.SkipMalformed}, {"list-member", social.SkipNoSuchList},
		{"list-member", social.SkipNoSuchUser}, {"friend", social.SkipYourself},
	} {
		if skipped(done, want[0], want[1]) != 1 {
			t.Errorf("no %v among %+v", want, done.Skipped)
		}
	}
}
