package fanout_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"grapevine/services/schema"
	"grapevine/services/social"
)

// society is the whole network as one would write it down: what there is, and rules
// of one line that say what each sees.
type society struct {
	people  []social.Identity
	names   []string
	posts   map[string]social.Post // those that were not deleted, reposts among them
	texts   map[string][]string    // of each, oldest first
	follows map[[2]string]bool
	likes   map[[2]string]bool // who, post
}

func (n *society) sees(viewer string, p social.Post) bool {
	if p.RepostOf != "" {
		_, ok := n.posts[p.RepostOf]
		return ok
	}
	switch {
	case p.Author == viewer || p.Visibility == social.Public:
		return true
	case p.Visibility == social.Followers:
		return n.follows[[2]string{viewer, p.Author}]
	default:
		return slices.Contains(p.Mentions, viewer)
	}
}

// seen gives the posts that a viewer sees and that a rule picks, newest first.
func (n *society) seen(viewer string, rule func(p social.Post) bool) []string {
	var ids []string
	for _, id := range slices.Sorted(maps.Keys(n.posts)) {
		if p := n.posts[id]; n.sees(viewer, p) && rule(p) {
			ids = append(ids, id)
		}
	}
	slices.Reverse(ids)
	return ids
}

func (n *society) home(viewer string) []string {
	return n.seen(viewer, func(p social.Post) bool {
		return p.Author == viewer || p.Visibility == social.Direct || n.follows[[2]string{viewer, p.Author}]
	})
}

func (n *society) replies(to string) []string {
	var ids []string
	for _, id := range slices.Sorted(maps.Keys(n.posts)) {
		if n.posts[id].ReplyTo == to {
			ids = append(ids, id)
		}
	}
	return ids
}

// below gives what a viewer sees under a post, depth first.
func (n *society) below(viewer, id string) (ids []string) {
	for _, reply := range n.replies(id) {
		if n.sees(viewer, n.posts[reply]) {
			ids = append(append(ids, reply), n.below(viewer, reply)...)
		}
	}
	return ids
}

func (n *society) counts(id string) (c social.PostCounts) {
	for like := range n.likes {
		if like[1] == id {
			c.Likes++
		}
	}
	for _, p := range n.posts {
		if p.RepostOf == id {
			c.Reposts++
		}
	}
	for _, reply := range n.replies(id) {
		if n.posts[reply].Visibility == social.Public {
			c.Replies++
		}
	}
	return c
}

func (n *society) remove(id string) {
	delete(n.posts, id)
	delete(n.texts, id)
	maps.DeleteFunc(n.likes, func(like [2]string, _ bool) bool { return like[1] == id })
	maps.DeleteFunc(n.posts, func(_ string, p social.Post) bool { return p.RepostOf == id })
}

// TestAllThatIsShownIsWhatANaiveModelShows has people act at random, and compares
// every list and count with the model fed with the same acts. In every other run an
// author with two followers is broad.
func TestAllThatIsShownIsWhatANaiveModelShows(t *testing.T) {
	t.Parallel()
	for seed := range uint64(6) {
		t.Run(fmt.Sprint("seed-", seed), func(t *testing.T) {
			inBubble(t, func(w *world) {
				w.start(newLog(w), true, pushTo(int(seed%2)))
				n := &society{
					posts: map[string]social.Post{}, texts: map[string][]string{},
					follows: map[[2]string]bool{}, likes: map[[2]string]bool{},
				}
				for i := range 4 {
					n.names = append(n.names, fmt.Sprint("p", i))
					n.people = append(n.people, w.signUp(n.names[i]))
				}
				acts := &acts{w, n, rand.New(rand.NewPCG(seed, 7))}
				for range 5 {
					for range 25 {
						acts.one()
						time.Sleep(time.Millisecond)
					}
					synctest.Wait()
					acts.compare()
				}
			})
		})
	}
}

type acts struct {
	*world
	n      *society
	random *rand.Rand
}

func (a *acts) anybody() social.Identity { return a.n.people[a.random.IntN(len(a.n.people))] }

// any gives a post that a viewer sees, or none, which is false.
func (a *acts) any(viewer string, rule func(social.Post) bool) (social.Post, bool) {
	ids := a.n.seen(viewer, rule)
	if len(ids) == 0 {
		return social.Post{}, false
	}
	return a.n.posts[ids[a.random.IntN(len(ids))]], true
}

func (a *acts) text() string {
	words := []string{"word"}
	for range a.random.IntN(3) {
		words = append(words, fmt.Sprint("#tag", a.random.IntN(3)))
	}
	for range a.random.IntN(3) {
		words = append(words, "@"+a.n.names[a.random.IntN(len(a.n.names))])
	}
	return strings.Join(words, " ")
}

// mentioned gives the ids of those whom a text names.
func (n *society) mentioned(text string) []string {
	var ids []string
	for i, name := range n.names {
		if slices.Contains(strings.Fields(text), "@"+name) {
			ids = append(ids, n.people[i].User)
		}
	}
	return ids
}

func written(p social.Post) bool { return p.RepostOf == "" }

func (a *acts) one() {
	who := a.anybody()
	mine := func(p social.Post) bool { return p.Author == who.User }
	switch k := a.random.IntN(20); {
	case k < 6:
		a.create(who)
	case k < 8:
		if p, ok := a.any(who.User, func(p social.Post) bool { return mine(p) && written(p) }); ok {
			text := a.text()
			_, err := a.posts.Edit(a.t.Context(), who, p.ID, text)
			a.must(err)
			p.Tags = social.Tags(text)
			if p.Visibility != social.Direct {
				p.Mentions = a.n.mentioned(text)
			}
			a.n.posts[p.ID] = p
			a.n.texts[p.ID] = append(a.n.texts[p.ID], text)
		}
	case k < 9:
		if p, ok := a.any(who.User, mine); ok {
			a.must(a.posts.Delete(a.t.Context(), who, p.ID))
			a.n.remove(p.ID)
		}
	case k < 12:
		if p, ok := a.any(who.User, written); ok {
			a.must(a.posts.Like(a.t.Context(), who, p.ID))
			a.n.likes[[2]string{who.User, p.ID}] = true
		}
	case k < 13:
		if p, ok := a.any(who.User, written); ok {
			a.must(a.posts.Unlike(a.t.Context(), who, p.ID))
			delete(a.n.likes, [2]string{who.User, p.ID})
		}
	case k < 17:
		a.pass(who, k < 16)
	default:
		other := a.anybody()
		edge := [2]string{who.User, other.User}
		switch {
		case who == other:
		case a.n.follows[edge]:
			a.unfollow(who, other)
			delete(a.n.follows, edge)
		default:
			a.follow(who, other)
			a.n.follows[edge] = true
		}
		synctest.Wait() // who left and came back gets no more than the newest of what there was
	}
}

func (a *acts) create(who social.Identity) {
	in := social.NewPost{Text: a.text(), Visibility: []social.Visibility{"", "", social.Followers, social.Direct}[a.random.IntN(4)]}
	if p, ok := a.any(who.User, func(social.Post) bool { return true }); ok && a.random.IntN(2) == 0 {
		in.ReplyTo = p.ID
	}
	p, err := a.posts.Create(a.t.Context(), who, in)
	a.must(err)
	if original := a.n.posts[in.ReplyTo].RepostOf; original != "" {
		in.ReplyTo = original
	}
	if p.ReplyTo != in.ReplyTo || !slices.Equal(p.Tags, social.Tags(in.Text)) {
		a.t.Errorf("%+v became %+v", in, p)
	}
	a.n.posts[p.ID], a.n.texts[p.ID] = p, []string{in.Text}
}

// pass reposts a post, or takes a repost back.
func (a *acts) pass(who social.Identity, on bool) {
	p, ok := a.any(who.User, func(p social.Post) bool { return written(p) && p.Visibility == social.Public })
	if !ok {
		return
	}
	maps.DeleteFunc(a.n.posts, func(_ string, r social.Post) bool {
		return !on && r.RepostOf == p.ID && r.Author == who.User
	})
	if !on {
		a.must(a.posts.Unrepost(a.t.Context(), who, p.ID))
		return
	}
	a.must(a.posts.Repost(a.t.Context(), who, p.ID))
	row, err := a.rows.Get(a.t.Context(), schema.Reposted(who.User, p.ID))
	a.must(err)
	last, _ := row.Last()
	id := string(last.Value)
	a.n.posts[id] = social.Post{ID: id, Author: who.User, Visibility: social.Public, RepostOf: p.ID}
}

// compare looks at everything through the eyes of everybody.
func (a *acts) compare() {
	a.t.Helper()
	for _, viewer := range append([]social.Identity{{}}, a.n.people...) {
		a.lists(viewer)
		for id, p := range a.n.posts {
			a.compareOne(viewer, id, p)
		}
	}
}

func (a *acts) lists(viewer social.Identity) {
	a.t.Helper()
	ctx, me := a.t.Context(), viewer.User
	type page = social.Page[json.RawMessage]
	type lister = func(f social.PostFilter, cut social.Cut) (page, error)
	check := func(what string, get lister, rule func(social.Post) bool) {
		replies := true
		for _, f := range []social.PostFilter{{}, {Tag: "tag1"}, {Author: "@p1"}, {Replies: &replies}} {
			want := a.n.seen(me, func(p social.Post) bool {
				subject := p
				if p.RepostOf != "" {
					subject = a.n.posts[p.RepostOf]
				}
				return rule(p) && (f.Tag == "" || slices.Contains(subject.Tags, f.Tag)) &&
					(f.Author == "" || p.Author == a.n.people[1].User) && (f.Replies == nil || p.ReplyTo != "")
			})
			a.bothWays(fmt.Sprintf("%s of %.6s with %+v", what, me, f), func(cut social.Cut) (page, error) { return get(f, cut) }, want)
		}
	}
	check("public", func(f social.PostFilter, cut social.Cut) (page, error) {
		p, _, err := a.timelines.Public(ctx, viewer, f, cut)
		return p, err
	}, func(p social.Post) bool { return written(p) && p.Visibility == social.Public })
	check("author", func(f social.PostFilter, cut social.Cut) (page, error) {
		f.Author = ""
		return a.posts.ByAuthor(ctx, viewer, "@p1", f, cut)
	}, func(p social.Post) bool { return p.Author == a.n.people[1].User })
	check("tag", func(f social.PostFilter, cut social.Cut) (page, error) {
		f.Tag = ""
		return a.timelines.Tagged(ctx, viewer, "TAG1", f, cut)
	}, func(p social.Post) bool {
		return p.Visibility == social.Public && slices.Contains(p.Tags, "tag1")
	})
	if viewer.Anonymous() {
		return
	}
	homes := a.n.home(me)
	check("home", func(f social.PostFilter, cut social.Cut) (page, error) {
		return a.timelines.Home(ctx, viewer, f, cut)
	}, func(p social.Post) bool { return slices.Contains(homes, p.ID) })
	check("mentions", func(f social.PostFilter, cut social.Cut) (page, error) {
		return a.timelines.Mentions(ctx, viewer, f, cut)
	}, func(p social.Post) bool { return p.Author != me && slices.Contains(p.Mentions, me) })
}

// bothWays walks down a list by next and up by prev.
func (a *acts) bothWays(what string, get func(social.Cut) (social.Page[json.RawMessage], error), want []string) {
	a.t.Helper()
	cut := social.Cut{Limit: 1 + a.random.IntN(30)}
	var down, up, lowest []string
	for {
		p, err := get(cut)
		a.must(err)
		down = append(down, a.ids(p.Items)...)
		if p.Next == "" {
			lowest, cut.Cursor = a.ids(p.Items), p.Prev
			break
		}
		cut.Cursor = p.Next
	}
	wantIDs(a.t, what, down, want)
	for cut.Cursor != "" {
		p, err := get(cut)
		a.must(err)
		if len(p.Items) == 0 {
			break
		}
		up, cut.Cursor = append(a.ids(p.Items), up...), p.Prev
	}
	wantIDs(a.t, what+", upwards", append(up, lowest...), want)
}

func (a *acts) ids(raw []json.RawMessage) (ids []string) {
	for _, item := range raw {
		var p social.Post
		a.must(json.Unmarshal(item, &p))
		ids = append(ids, p.ID)
		if p.RepostOf != "" && (p.Reposted == nil || p.Reposted.ID != p.RepostOf) {
			a.t.Errorf("repost %s shows %+v", p.ID, p.Reposted)
		}
	}
	return ids
}

// compareOne compares one post, its counts, its thread and its history.
func (a *acts) compareOne(viewer social.Identity, id string, p social.Post) {
	a.t.Helper()
	raw, err := a.posts.EncodedOne(a.t.Context(), viewer, id)
	if !a.n.sees(viewer.User, p) {
		if social.KindOf(err) != social.NotFound {
			a.t.Errorf("%s is shown: %v", id, err)
		}
		return
	}
	a.must(err)
	var got social.Post
	a.must(json.Unmarshal(raw, &got))
	if !written(p) {
		return
	}
	if *got.Counts != a.n.counts(id) || !slices.Equal(got.Tags, p.Tags) {
		a.t.Errorf("%s has %+v %v, want %+v %v", id, *got.Counts, got.Tags, a.n.counts(id), p.Tags)
	}
	if !viewer.Anonymous() && got.Viewer.Liked != a.n.likes[[2]string{viewer.User, id}] {
		a.t.Errorf("%s is liked by its viewer: %t", id, got.Viewer.Liked)
	}
	var below []string
	for cut := (social.Cut{Limit: 1 + a.random.IntN(10)}); ; {
		thread, err := a.posts.Thread(a.t.Context(), viewer, id, cut)
		a.must(err)
		below = append(below, a.ids(thread.Descendants)...)
		if cut.Cursor = thread.Next; thread.Next == "" {
			break
		}
	}
	wantIDs(a.t, "thread of "+id, below, a.n.below(viewer.User, id))
	history, err := a.posts.History(a.t.Context(), viewer, id, social.Cut{Limit: social.MaxPage})
	a.must(err)
	texts := slices.Clone(a.n.texts[id])
	slices.Reverse(texts)
	for i, v := range history.Items {
		if len(history.Items) != len(texts) || v.Text != texts[i] {
			a.t.Errorf("history of %s: %+v, want %q", id, history.Items, texts)
			break
		}
	}
}
