package fanout_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"grapevine/services/notify"
	"grapevine/services/schema"
	"grapevine/services/social"
	"grapevine/store"
)

func (w *world) notify() *notify.Service {
	return notify.New(notify.Config{Rows: w.rows, Posts: w.posts, Users: w.users, Relations: w.graph})
}

// told gives what an account is told, newest first, as "KIND by NAMES", with the
// count where it is not that of the names, and * where it is not read.
func (w *world) told(who social.Identity, grouped bool) []string {
	w.t.Helper()
	page, err := w.notify().List(w.t.Context(), who, grouped, social.Cut{Limit: social.MaxPage})
	w.must(err)
	var all []string
	for _, n := range page.Items {
		var names []string
		for _, u := range n.Actors {
			names = append(names, u.Username)
		}
		line := fmt.Sprintf("%s by %s", n.Kind, strings.Join(names, ","))
		if n.Count != len(names) {
			line += fmt.Sprintf(" of %d", n.Count)
		}
		if !n.Read {
			line += "*"
		}
		all = append(all, line)
	}
	return all
}

func (w *world) wantTold(who social.Identity, what string, want ...string) {
	w.t.Helper()
	synctest.Wait()
	if got := w.told(who, false); !slices.Equal(got, want) {
		w.t.Errorf("%s: told %q, want %q", what, got, want)
	}
}

// tick makes the next act later than the last.
func tick() { time.Sleep(2 * time.Millisecond) }

func TestAnAccountIsToldWhatOthersDoAndNoMoreWhenTheyTakeItBack(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start(newLog(w), true, nil)
		ann, bob := w.signUp("ann"), w.signUp("bob")
		id := w.post(ann, social.NewPost{Text: "hello @ann"})
		var reply, mention string
		for _, act := range []struct {
			kind     string
			do, undo func() error
		}{
			{"like", func() error { return w.posts.Like(w.t.Context(), bob, id) }, func() error { return w.posts.Unlike(w.t.Context(), bob, id) }},
			{"repost", func() error { return w.posts.Repost(w.t.Context(), bob, id) }, func() error { return w.posts.Unrepost(w.t.Context(), bob, id) }},
			{"follow", func() error { return w.graph.Follow(w.t.Context(), bob, bob.User, ann.User) }, func() error { return w.graph.Unfollow(w.t.Context(), bob, bob.User, ann.User) }},
			{
				"reply", func() error { reply = w.post(bob, social.NewPost{Text: "yes @ann", ReplyTo: id}); return nil },
				func() error { return w.posts.Delete(w.t.Context(), bob, reply) },
			},
			{
				"mention", func() error { mention = w.post(bob, social.NewPost{Text: "oh @ann"}); return nil },
				func() error { return w.posts.Delete(w.t.Context(), bob, mention) },
			},
			{
				"friend_request", func() error { _, err := w.graph.Befriend(w.t.Context(), bob, bob.User, ann.User); return err },
				func() error { return w.graph.Unfriend(w.t.Context(), bob, bob.User, ann.User) },
			},
		} {
			tick()
			w.must(act.do())
			w.wantTold(ann, act.kind, act.kind+" by bob*")
			w.wantTold(bob, "who did it", []string{}...)
			w.must(act.undo())
			w.wantTold(ann, "after the end of "+act.kind)
			if left := w.rowsOf(schema.FamilyNotification, ann); len(left) > 0 {
				t.Errorf("%s taken back leaves %d rows", act.kind, len(left))
			}
		}
	})
}

func TestAnEditTellsWhomItMentionsAnewAndNoLongerWhomItDoesNot(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start(newLog(w), true, nil)
		ann, bob, cat := w.signUp("ann"), w.signUp("bob"), w.signUp("cat")
		id := w.post(ann, social.NewPost{Text: "hello @bob"})
		edit := func(text string) {
			tick()
			_, err := w.posts.Edit(w.t.Context(), ann, id, text)
			w.must(err)
			synctest.Wait()
		}
		w.wantTold(bob, "mentioned", "mention by ann*")
		w.must(w.notify().Read(w.t.Context(), bob, w.rowsOf(schema.FamilyNotification, bob)[0]))
		edit("hello @cat @ann")
		w.wantTold(bob, "no longer mentioned")
		w.wantTold(cat, "mentioned by an edit", "mention by ann*")
		w.wantTold(ann, "mentioned by herself")
		edit("hello @bob")
		w.wantTold(bob, "mentioned again", "mention by ann")
		w.wantTold(cat, "no longer mentioned")
		edit("hello @cat")
		w.must(w.posts.Delete(w.t.Context(), ann, id))
		synctest.Wait()
		for _, who := range []social.Identity{bob, cat} {
			if left := append(w.rowsOf(schema.FamilyMentioned, who), w.rowsOf(schema.FamilyNotification, who)...); len(left) > 0 {
				t.Errorf("the deleted post leaves %q", left)
			}
		}
	})
}

func TestADirectPostStaysForThoseWhomItsFirstTextNamed(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start(newLog(w), true, nil)
		ann, bob, cat := w.signUp("ann"), w.signUp("bob"), w.signUp("cat")
		id := w.post(ann, social.NewPost{Text: "hello @bob", Visibility: social.Direct})
		tick()
		p, err := w.posts.Edit(w.t.Context(), ann, id, "hello @cat")
		w.must(err)
		w.wantTold(bob, "named by the first text", "mention by ann*")
		w.wantTold(cat, "named by an edit")
		if _, err := w.posts.Get(w.t.Context(), cat, id); social.KindOf(err) != social.NotFound {
			t.Errorf("whom the edit named reads the post: %v", err)
		}
		if !slices.Equal(p.Mentions, []string{bob.User}) {
			t.Errorf("it mentions %v", p.Mentions)
		}
	})
}

// What was told once is not told in other words when the log is read again, as by a
// node that lost its disk.
func TestWhoWasAnsweredIsNotToldOfAMentionWhenTheAnsweredPostIsGone(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start(newLog(w), true, nil)
		ann, bob, cat := w.signUp("ann"), w.signUp("bob"), w.signUp("cat")
		id := w.post(ann, social.NewPost{Text: "hello"})
		reply := w.post(bob, social.NewPost{Text: "yes @ann @cat", ReplyTo: id})
		w.wantTold(ann, "answered", "reply by bob*")
		w.must(w.posts.Delete(w.t.Context(), ann, id))
		w.wantTold(ann, "the answered post is deleted")
		tick()
		_, err := w.posts.Edit(w.t.Context(), bob, reply, "no @ann @cat")
		w.must(err)
		w.start(newLog(w), true, nil) // from the beginning of the log
		w.wantTold(ann, "all is derived again")
		w.wantTold(cat, "mentioned beside", "mention by bob*")
	})
}

func TestNobodyIsToldOfOwnActs(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start(newLog(w), true, nil)
		ann := w.signUp("ann")
		id := w.post(ann, social.NewPost{Text: "hello @ann"})
		w.must(w.posts.Like(w.t.Context(), ann, id))
		w.must(w.posts.Repost(w.t.Context(), ann, id))
		w.post(ann, social.NewPost{Text: "again @ann", ReplyTo: id})
		w.wantTold(ann, "own acts")
	})
}

func TestWhoAskedFirstIsToldOfTheAcceptance(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start(newLog(w), true, nil)
		ann, bob := w.signUp("ann"), w.signUp("bob")
		for _, who := range []struct{ asks, is social.Identity }{{ann, bob}, {bob, ann}} {
			tick()
			_, err := w.graph.Befriend(w.t.Context(), who.asks, who.asks.User, who.is.User)
			w.must(err)
		}
		w.wantTold(ann, "who asked", "friend_accept by bob*")
		w.wantTold(bob, "who was asked", "friend_request by ann*")
	})
}

func TestActsOfOneKindBecomeOneNotification(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start(newLog(w), true, nil)
		ann := w.signUp("ann")
		one, two := w.post(ann, social.NewPost{Text: "one"}), w.post(ann, social.NewPost{Text: "two"})
		for _, name := range []string{"bob", "cat", "dan", "eve"} {
			who := w.signUp(name)
			tick()
			w.must(w.posts.Like(w.t.Context(), who, one))
			tick()
			w.follow(who, ann)
			if name == "bob" {
				tick()
				w.must(w.posts.Like(w.t.Context(), who, two))
				tick()
				w.must(w.posts.Repost(w.t.Context(), who, one))
			}
		}
		synctest.Wait()
		want := []string{"follow by eve,dan,cat of 4*", "like by eve,dan,cat of 4*", "repost by bob*", "like by bob*"}
		if got := w.told(ann, true); !slices.Equal(got, want) {
			t.Errorf("told %q, want %q", got, want)
		}
		if got := w.told(ann, false); len(got) != 10 {
			t.Errorf("one by one: %q", got)
		}
	})
}

func TestDerivingAgainTellsNothingTwice(t *testing.T) {
	inBubble(t, func(w *world) {
		first := w.start(newLog(w), true, nil)
		ann, bob := w.signUp("ann"), w.signUp("bob")
		id := w.post(ann, social.NewPost{Text: "x"})
		w.must(w.posts.Like(w.t.Context(), bob, id))
		w.follow(bob, ann)
		w.post(bob, social.NewPost{Text: "@ann"})
		synctest.Wait()
		rows := w.rowsOf(schema.FamilyNotification, ann)
		first.stop()
		time.Sleep(time.Hour)
		again := w.start(newLog(w), true, nil) // from the beginning of the log, as another leader
		synctest.Wait()
		wantIDs(t, "notifications", w.rowsOf(schema.FamilyNotification, ann), rows)
		again.stop()
		// A mirror that is put anew, as when two nodes both lead, moves nothing.
		liked, err := w.rows.Get(w.t.Context(), schema.Like(id, bob.User))
		w.must(err)
		value, _ := liked.Last()
		_, err = w.rows.Write(w.t.Context(), store.Write{Mutations: []store.Mutation{{Key: schema.Like(id, bob.User), Op: store.Put, Value: value.Value}}})
		w.must(err)
		w.start(newLog(w), true, nil)
		synctest.Wait()
		wantIDs(t, "notifications after a mirror came anew", w.rowsOf(schema.FamilyNotification, ann), rows)
		if len(rows) != 3 {
			t.Errorf("%d notifications, want 3", len(rows))
		}
	})
}

func TestWhatIsDoneAgainIsToldAnewOnce(t *testing.T) {
	inBubble(t, func(w *world) {
		l := newLog(w)
		w.start(l, true, nil)
		ann, bob := w.signUp("ann"), w.signUp("bob")
		id := w.post(ann, social.NewPost{Text: "x"})
		w.must(w.posts.Like(w.t.Context(), bob, id))
		synctest.Wait()
		before := w.rowsOf(schema.FamilyNotification, ann)
		l.hold(true) // the end and the new like are seen at once
		w.must(w.posts.Unlike(w.t.Context(), bob, id))
		time.Sleep(time.Minute)
		w.must(w.posts.Like(w.t.Context(), bob, id))
		l.hold(false)
		time.Sleep(time.Second)
		w.follow(bob, ann) // wakes the worker
		w.wantTold(ann, "liked again", "follow by bob*", "like by bob*")
		page, err := w.notify().List(w.t.Context(), ann, false, social.Cut{})
		w.must(err)
		if page.Items[1].ID <= before[0] {
			t.Error("the second like is told as the first")
		}
	})
}

func TestAnInboxKeepsTheNewest(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start(newLog(w), true, nil)
		ann, bob := w.signUp("ann"), w.signUp("bob")
		newest := ""
		for i := range social.MaxNotifications + 500 {
			newest = w.post(bob, social.NewPost{Text: fmt.Sprintf("%d for @ann", i)})
		}
		synctest.Wait()
		if n := len(w.rowsOf(schema.FamilyNotification, ann)); n < social.MaxNotifications || n > social.MaxNotifications+400 {
			t.Errorf("%d rows are kept", n)
		}
		page, err := w.notify().List(w.t.Context(), ann, true, social.Cut{Limit: 1})
		w.must(err)
		if len(page.Items) != 1 {
			t.Errorf("%+v", page)
			return
		}
		if !strings.Contains(string(page.Items[0].Post), newest) || page.Unread != social.MaxUnread {
			t.Errorf("the newest is %s; %d unread", page.Items[0].Post, page.Unread)
		}
	})
}

func TestADeletedAccountIsInNobodysInboxAndNoChannel(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start(newLog(w), true, nil)
		ann, bob := w.signUp("ann"), w.signUp("bob")
		id := w.post(ann, social.NewPost{Text: "x"})
		his := w.post(bob, social.NewPost{Text: "@ann", ReplyTo: id})
		w.must(w.posts.Like(w.t.Context(), bob, id))
		w.must(w.posts.Repost(w.t.Context(), bob, id))
		w.follow(bob, ann)
		w.follow(ann, bob)
		w.must(w.posts.Like(w.t.Context(), ann, his))
		_, err := w.notify().Publish(w.t.Context(), bob, social.NewChannelMessage{Channel: "news", Message: "hi"})
		w.must(err)
		_, err = w.notify().Prefer(w.t.Context(), bob, social.NotificationPreferences{Like: social.NotifyFollowing})
		w.must(err)
		synctest.Wait()
		w.must(w.notify().Read(w.t.Context(), bob, social.NewID(0, time.Now())))
		if len(w.told(ann, false)) != 4 || len(w.told(bob, false)) != 2 {
			t.Fatalf("told %q and %q", w.told(ann, false), w.told(bob, false))
		}
		w.must(w.users.Delete(w.t.Context(), bob, bob.User))
		synctest.Wait()
		w.wantTold(ann, "after the end of the account")
		for _, f := range []store.Family{
			schema.FamilyNotification, schema.FamilyNotificationRead, schema.FamilyNotifyPreference,
			schema.FamilyPublished, schema.FamilyChannelMessage,
		} {
			if keys := w.rows.Keys(f); len(keys) > 0 {
				t.Errorf("left: %v", keys)
			}
		}
	})
}

func TestAMessageIsInItsChannelAndTheOldestGo(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start(newLog(w), true, nil)
		ann, bob := w.signUp("ann"), w.signUp("bob")
		say := func(who social.Identity, text string) string {
			tick()
			m, err := w.notify().Publish(w.t.Context(), who, social.NewChannelMessage{Channel: "News", Message: text})
			w.must(err)
			return m.ID
		}
		say(bob, "old")
		time.Sleep(social.ChannelHistory + time.Hour)
		for i := range social.MaxChannelHistory + 200 {
			say(ann, fmt.Sprint(i))
		}
		last := say(bob, "last")
		synctest.Wait()
		page, err := w.notify().History(w.t.Context(), ann, "news", social.Cut{Limit: 2})
		w.must(err)
		if len(page.Items) != 2 || page.Items[0].ID != last || page.Items[0].Author != bob.User || page.Items[0].Channel != "news" {
			t.Errorf("the newest are %+v", page.Items)
		}
		for _, f := range []store.Family{schema.FamilyChannelMessage, schema.FamilyPublished} {
			if n := len(w.rows.Keys(f)); n < social.MaxChannelHistory || n > social.MaxChannelHistory+150 {
				t.Errorf("%d rows of family %d are kept", n, f)
			}
		}
		wantIDs(t, "what bob published", w.rowsOf(schema.FamilyPublished, bob), []string{last})
	})
}

func TestAMessageThatComesAfterItsAuthorsEndGoes(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start(newLog(w), true, nil)
		ann := w.signUp("ann")
		w.must(w.users.Delete(w.t.Context(), ann, ann.User))
		synctest.Wait()
		_, err := w.notify().Publish(w.t.Context(), ann, social.NewChannelMessage{Channel: "news", Message: "from beyond"})
		w.must(err)
		m := social.ChannelMessage{ID: social.NewID(1, time.Now()), Channel: "news", Author: ann.User, Message: "late"}
		_, err = w.rows.Write(w.t.Context(), store.Write{Mutations: []store.Mutation{
			{Key: schema.ChannelMessage(m.Channel, m.ID), Op: store.Put, Value: schema.EncodeMessage(m)},
		}})
		w.must(err)
		synctest.Wait()
		if keys := append(w.rows.Keys(schema.FamilyPublished), w.rows.Keys(schema.FamilyChannelMessage)...); len(keys) > 0 {
			t.Errorf("left: %v", keys)
		}
	})
}
