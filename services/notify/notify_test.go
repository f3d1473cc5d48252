package notify_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"grapevine/crdt/hlc"
	"grapevine/services/graph"
	"grapevine/services/notify"
	"grapevine/services/posts"
	"grapevine/services/schema"
	"grapevine/services/servicetest"
	"grapevine/services/social"
	"grapevine/services/users"
	"grapevine/store"
)

// house is the services over one store. What fan-out would write, tests put.
type house struct {
	*notify.Service
	t     *testing.T
	rows  *servicetest.Store
	users *users.Service
	graph *graph.Service
	posts *posts.Service
	now   time.Time
	ada   social.Identity
}

func build(t *testing.T) *house {
	t.Helper()
	h := &house{t: t, now: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)}
	now := func() time.Time { return h.now }
	h.rows = servicetest.New(now)
	var err error
	h.users, err = users.New(users.Config{Rows: h.rows, Now: now, HashCost: users.Cost{Memory: 8, Time: 1, Threads: 1}})
	h.must(err)
	h.graph, err = graph.New(graph.Config{Rows: h.rows, Users: h.users, Now: now})
	h.must(err)
	h.posts, err = posts.New(posts.Config{Rows: h.rows, Users: h.users, Relations: h.graph, Now: now})
	h.must(err)
	h.Service = notify.New(notify.Config{Rows: h.rows, Posts: h.posts, Users: h.users, Relations: h.graph, Now: now})
	h.ada = h.signUp("ada")
	return h
}

func (h *house) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) signUp(name string) social.Identity {
	h.t.Helper()
	s, err := h.users.Create(h.t.Context(), social.NewUser{Username: name, Password: "correct horse"})
	h.must(err)
	return social.Identity{User: s.User.ID}
}

func (h *house) put(k store.Key, value []byte) {
	h.t.Helper()
	_, err := h.rows.Write(h.t.Context(), store.Write{Mutations: []store.Mutation{{Key: k, Op: store.Put, Value: value}}})
	h.must(err)
}

// tell writes what fan-out writes when something was done a second after the last.
func (h *house) tell(told schema.Told) string {
	h.t.Helper()
	h.now = h.now.Add(time.Second)
	return h.tellOf(told, h.now)
}

func (h *house) tellOf(told schema.Told, at time.Time) string {
	h.t.Helper()
	cause := schema.Cause{At: hlc.At(at), By: told.Actor}
	id := told.ID(h.ada.User, cause.At)
	h.put(told.Cause(h.ada.User), schema.EncodeCause(cause))
	h.put(schema.Notification(h.ada.User, id), schema.EncodeTold(told))
	return id
}

func (h *house) post(who social.Identity, text string, v social.Visibility) string {
	h.t.Helper()
	p, err := h.posts.Create(h.t.Context(), who, social.NewPost{Text: text, Visibility: v})
	h.must(err)
	return p.ID
}

func (h *house) page(grouped bool, cut social.Cut) social.NotificationPage[json.RawMessage] {
	h.t.Helper()
	p, err := h.List(h.t.Context(), h.ada, grouped, cut)
	h.must(err)
	return p
}

func idsOf(p social.NotificationPage[json.RawMessage]) []string {
	ids := []string{}
	for _, n := range p.Items {
		ids = append(ids, n.ID)
	}
	return ids
}

func TestPagesOfAnInboxGoBothWaysAndGroupsAreWhole(t *testing.T) {
	t.Parallel()
	h := build(t)
	var liked []string
	for i := range 3 {
		liked = append(liked, h.post(h.ada, fmt.Sprint(i), social.Public))
	}
	count := map[string]int{}
	for i := range 30 {
		h.tell(schema.Told{Kind: social.NotifyLike, Post: liked[i%3], Actor: h.signUp(fmt.Sprintf("fan%d", i)).User})
		count["like:"+liked[i%3]]++
	}
	all := h.page(true, social.Cut{})
	if len(all.Items) != 3 || all.Unread != 30 {
		t.Fatalf("%d items, %d unread", len(all.Items), all.Unread)
	}
	var down []string
	cut := social.Cut{Limit: 1}
	for {
		p := h.page(true, cut)
		down = append(down, idsOf(p)...)
		if n := p.Items[0]; n.Count != count[n.GroupKey] || len(n.Actors) != social.MaxActors {
			t.Errorf("%+v", n)
		}
		if p.Next == "" {
			up := h.page(true, social.Cut{Limit: 2, Cursor: p.Prev})
			if !slices.Equal(idsOf(up), idsOf(all)[:2]) {
				t.Errorf("newer are %v of %v", idsOf(up), idsOf(all))
			}
			break
		}
		cut.Cursor = p.Next
	}
	if !slices.Equal(down, idsOf(all)) {
		t.Errorf("by one: %v, want %v", down, idsOf(all))
	}
	if singles := h.page(false, social.Cut{}); len(singles.Items) != 30 {
		t.Errorf("%d one by one", len(singles.Items))
	}
}

func TestAFollowOfAnotherDayIsAnotherItem(t *testing.T) {
	t.Parallel()
	h := build(t)
	for i, name := range []string{"bob", "cat", "dan"} {
		h.tellOf(schema.Told{Kind: social.NotifyFollow, Actor: h.signUp(name).User}, h.now.Add(time.Duration(i)*8*time.Hour))
	}
	p := h.page(true, social.Cut{})
	if len(p.Items) != 2 || p.Items[0].GroupKey != "follow:2026-11-24" || p.Items[1].Count != 2 {
		t.Errorf("%+v", p.Items)
	}
}

func TestWhatIsGoneOrNotToBeSeenIsNotTold(t *testing.T) {
	t.Parallel()
	h := build(t)
	bob := h.signUp("bob")
	mine := h.post(h.ada, "mine", social.Public)
	secret := h.post(bob, "@ada secret", social.Followers)
	like := schema.Told{Kind: social.NotifyLike, Post: mine, Actor: bob.User}
	likeID := h.tell(like)
	mentionID := h.tell(schema.Told{Kind: social.NotifyMention, Post: secret, Actor: bob.User})
	want := func(what string, want ...string) {
		t.Helper()
		p := h.page(true, social.Cut{})
		if !slices.Equal(idsOf(p), append([]string{}, want...)) || p.Unread != len(want) {
			t.Errorf("%s: %v with %d unread, want %v", what, idsOf(p), p.Unread, want)
		}
		raw, err := h.Notifications(t.Context(), h.ada, []string{mentionID, "no id", likeID})
		h.must(err)
		if len(raw) != 3 || (raw[0] != nil) != slices.Contains(want, mentionID) || raw[1] != nil || (raw[2] != nil) != slices.Contains(want, likeID) {
			t.Errorf("%s: by id %s, want %v", what, raw, want)
		}
	}
	want("a post for followers, and no follower", likeID)
	h.must(h.graph.Follow(t.Context(), h.ada, h.ada.User, bob.User))
	want("a follower", mentionID, likeID)
	_, err := h.Prefer(t.Context(), h.ada, social.NotificationPreferences{Mention: social.NotifyOff, Like: social.NotifyFollowing})
	h.must(err)
	want("mentions not wanted", likeID)
	_, err = h.Prefer(t.Context(), h.ada, social.NotificationPreferences{Mention: social.NotifyAll})
	h.must(err)
	h.must(h.graph.Mute(t.Context(), h.ada, h.ada.User, bob.User))
	want("muted")
	h.must(h.graph.Unmute(t.Context(), h.ada, h.ada.User, bob.User))
	h.put(schema.BlockedBy(h.ada.User, bob.User), nil)
	want("blocked")
	_, err = h.rows.Write(t.Context(), store.Write{Mutations: []store.Mutation{{Key: schema.BlockedBy(h.ada.User, bob.User), Op: store.Remove}}})
	h.must(err)
	again := h.now.Add(time.Minute)
	h.put(schema.Like(mine, bob.User), schema.EncodeCause(schema.Cause{At: hlc.At(again)}))
	want("a like that is another by now", mentionID)
	likeID = h.tellOf(like, again)
	want("and is told", likeID, mentionID)
	h.must(h.posts.Delete(t.Context(), h.ada, mine))
	want("of a post that is gone", mentionID)
	h.must(h.posts.Delete(t.Context(), bob, secret))
	want("nothing is left")
}

func TestMarkersUniteAndOnlyWhatWasThereIsRead(t *testing.T) {
	t.Parallel()
	h := build(t)
	mine := h.post(h.ada, "mine", social.Public)
	like := func(name string, at time.Time) string {
		return h.tellOf(schema.Told{Kind: social.NotifyLike, Post: mine, Actor: h.signUp(name).User}, at)
	}
	one, two, three := like("bob", h.now.Add(1*time.Second)), like("cat", h.now.Add(2*time.Second)), like("dan", h.now.Add(3*time.Second))
	unread := func(want ...string) {
		t.Helper()
		var got []string
		for _, n := range h.page(false, social.Cut{}).Items {
			if !n.Read {
				got = append(got, n.ID)
			}
		}
		n, err := h.Unread(t.Context(), h.ada)
		h.must(err)
		if !slices.Equal(got, want) || n != len(want) {
			t.Errorf("unread are %v (%d), want %v", got, n, want)
		}
	}
	unread(three, two, one)
	h.must(h.Read(t.Context(), h.ada, two))
	unread(three)
	h.must(h.Read(t.Context(), h.ada, one)) // takes nothing back
	unread(three)
	h.rows.Concurrently(schema.NotificationRead(h.ada.User, three), schema.EncodeReadMark([]string{three}))
	unread()
	late := like("eve", h.now.Add(1500*time.Millisecond))
	unread(late)
	h.must(h.Read(t.Context(), h.ada, "7ZZZZZZZZZZZZZZZZZZZZZZZZZ"))
	unread()
	later := like("fay", h.now.Add(time.Hour))
	unread(later)
	if n := len(h.rows.Keys(schema.FamilyNotificationRead)); n != 1 {
		t.Errorf("%d markers are kept", n)
	}
}

func TestConcurrentPreferencesOfTwoKindsBothHold(t *testing.T) {
	t.Parallel()
	h := build(t)
	_, err := h.Prefer(t.Context(), h.ada, social.NotificationPreferences{Like: social.NotifyOff})
	h.must(err)
	h.rows.Concurrently(schema.NotifyPreference(h.ada.User, social.NotifyFollow), []byte(social.NotifyFollowing))
	h.rows.Concurrently(schema.NotifyPreference(h.ada.User, social.NotifyLike), []byte(social.NotifyAll)) // later
	p, err := h.Preferences(t.Context(), h.ada)
	h.must(err)
	if p.Follow != social.NotifyFollowing || p.Like != social.NotifyAll || p.Mention != social.NotifyAll {
		t.Errorf("%+v", p)
	}
	if _, err := h.Prefer(t.Context(), h.ada, social.NotificationPreferences{Reply: "never"}); social.KindOf(err) != social.Invalid || !strings.Contains(err.Error(), "reply") {
		t.Errorf("a preference that is none: %v", err)
	}
}

func TestAMessageWithAKeyIsPublishedOnce(t *testing.T) {
	t.Parallel()
	h := build(t)
	in := social.NewChannelMessage{Channel: "News", Message: "hello", Key: "k"}
	first, err := h.Publish(t.Context(), h.ada, in)
	h.must(err)
	h.now = h.now.Add(time.Second)
	again, err := h.Publish(t.Context(), h.ada, in)
	h.must(err)
	if first != again || first.Channel != "news" {
		t.Errorf("%+v, then %+v", first, again)
	}
	if n := len(h.rows.Keys(schema.FamilyPublished)); n != 1 {
		t.Errorf("%d messages", n)
	}
	// The same key of a post is another.
	if _, err := h.posts.Create(t.Context(), h.ada, social.NewPost{Text: "x", Key: "k"}); err != nil {
		t.Errorf("a post with the key of a message: %v", err)
	}
	_, err = h.rows.Write(t.Context(), store.Write{Mutations: []store.Mutation{{Key: schema.Published(h.ada.User, first.ID), Op: store.Remove}}})
	h.must(err)
	if _, err := h.Publish(t.Context(), h.ada, in); social.KindOf(err) != social.Conflict {
		t.Errorf("again when the first is gone: %v", err)
	}
}

func TestAChannelShowsWhatIsNewAndNotHidden(t *testing.T) {
	t.Parallel()
	h := build(t)
	bob, cat := h.signUp("bob"), h.signUp("cat")
	say := func(who social.Identity, text string) string {
		h.now = h.now.Add(time.Second)
		m := social.ChannelMessage{ID: social.NewID(1, h.now), Channel: "news", Author: who.User, Message: text}
		h.put(schema.ChannelMessage(m.Channel, m.ID), schema.EncodeMessage(m))
		return m.ID
	}
	say(bob, "old")
	h.now = h.now.Add(social.ChannelHistory)
	one, two, three := say(bob, "one"), say(cat, "two"), say(h.ada, "three")
	want := func(what string, want ...string) {
		t.Helper()
		p, err := h.History(t.Context(), h.ada, "NEWS", social.Cut{})
		h.must(err)
		raw, err := h.Messages(t.Context(), h.ada, "News", []string{one, two, three, "gone"})
		h.must(err)
		var got, each []string
		for _, m := range p.Items {
			got = append(got, m.Message)
		}
		for i := range raw {
			var m social.ChannelMessage
			if raw[len(raw)-1-i] != nil {
				h.must(json.Unmarshal(raw[len(raw)-1-i], &m))
				each = append(each, m.Message)
			}
		}
		if !slices.Equal(got, want) || !slices.Equal(each, want) {
			t.Errorf("%s: %q and %q, want %q", what, got, each, want)
		}
	}
	want("all", "three", "two", "one")
	h.must(h.graph.Mute(t.Context(), h.ada, h.ada.User, cat.User))
	want("one muted", "three", "one")
	h.must(h.graph.Block(t.Context(), h.ada, h.ada.User, bob.User))
	want("one blocked", "three")
	for _, name := range []string{"", "a b", "a/b", strings.Repeat("x", social.MaxChannel+1), "é"} {
		if _, err := h.History(t.Context(), h.ada, name, social.Cut{}); social.KindOf(err) != social.Invalid {
			t.Errorf("channel %q: %v", name, err)
		}
	}
}

func TestNobodyWithoutALogInIsToldAnything(t *testing.T) {
	t.Parallel()
	h := build(t)
	nobody := social.Identity{}
	_, list := h.List(t.Context(), nobody, true, social.Cut{})
	_, unread := h.Unread(t.Context(), nobody)
	_, each := h.Notifications(t.Context(), nobody, nil)
	_, messages := h.Messages(t.Context(), nobody, "news", nil)
	_, history := h.History(t.Context(), nobody, "news", social.Cut{})
	_, publish := h.Publish(t.Context(), nobody, social.NewChannelMessage{Channel: "news", Message: "x"})
	_, preferences := h.Preferences(t.Context(), nobody)
	for i, err := range []error{list, unread, each, messages, history, publish, preferences, h.Read(t.Context(), nobody, h.ada.User)} {
		if social.KindOf(err) != social.Unauthenticated {
			t.Errorf("%d: %v", i, err)
		}
	}
}
