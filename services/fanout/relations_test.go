package fanout_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"grapevine/services/schema"
	"grapevine/services/social"
	"grapevine/store"
)

// edge leads from one account to another, by their ids.
type edge struct{ from, to string }

func (e edge) back() edge { return edge{e.to, e.from} }

// network is a naive model of how accounts stand to one another.
type network struct {
	follows, agreed, blocks, mutes map[edge]bool
	posts                          map[string][]string // by author, oldest first
}

func newNetwork() *network {
	return &network{map[edge]bool{}, map[edge]bool{}, map[edge]bool{}, map[edge]bool{}, map[string][]string{}}
}

func (n *network) barred(e edge) bool { return n.blocks[e] || n.blocks[e.back()] }

// from gives whom edges that lead from an account and hold lead to, ascending.
func from(edges map[edge]bool, who string, holds func(edge) bool) []string {
	ids := []string{}
	for e := range edges {
		if edges[e] && e.from == who && (holds == nil || holds(e)) {
			ids = append(ids, e.to)
		}
	}
	slices.Sort(ids)
	return ids
}

// turned gives edges the other way.
func turned(edges map[edge]bool) map[edge]bool {
	back := map[edge]bool{}
	for e, on := range edges {
		back[e.back()] = on
	}
	return back
}

func (n *network) friends(who string) []string {
	either := maps.Clone(n.follows)
	for e, on := range n.agreed {
		either[e] = either[e] || on
	}
	return from(either, who, func(e edge) bool {
		return n.follows[e] && n.follows[e.back()] || n.agreed[e] && n.agreed[e.back()]
	})
}

// home gives the newest posts that an account finds at home, the newest first.
func (n *network) home(who string) []string {
	ids := slices.Clone(n.posts[who])
	for _, author := range from(n.follows, who, func(e edge) bool { return !n.mutes[e] }) {
		ids = append(ids, n.posts[author]...)
	}
	slices.Sort(ids)
	slices.Reverse(ids)
	return ids[:min(len(ids), social.DefaultPage)]
}

// act does something to the model and says whether it may be done.
func (n *network) act(what string, e edge) bool {
	switch what {
	case "follow", "befriend":
		if n.barred(e) {
			return false
		}
		if what == "follow" {
			n.follows[e] = true
		} else {
			n.agreed[e] = true
		}
	case "unfollow":
		n.follows[e] = false
	case "unfriend":
		n.agreed[e], n.agreed[e.back()] = false, false
	case "block":
		n.blocks[e] = true
		for _, side := range []edge{e, e.back()} {
			n.follows[side], n.agreed[side] = false, false
		}
	case "unblock":
		n.blocks[e] = false
	case "mute":
		n.mutes[e] = true
	case "unmute":
		n.mutes[e] = false
	}
	return true
}

// do does the same through the services.
func (w *world) do(what string, e edge) error {
	befriend := func(ctx context.Context, who social.Identity, ref, other string) error {
		_, err := w.graph.Befriend(ctx, who, ref, other)
		return err
	}
	acts := map[string]func(context.Context, social.Identity, string, string) error{
		"follow": w.graph.Follow, "unfollow": w.graph.Unfollow, "befriend": befriend, "unfriend": w.graph.Unfriend,
		"block": w.graph.Block, "unblock": w.graph.Unblock, "mute": w.graph.Mute, "unmute": w.graph.Unmute,
	}
	return acts[what](w.t.Context(), social.Identity{User: e.from}, e.from, e.to)
}

// ids reads a list to its end.
func (w *world) ids(list func(social.Cut) (social.Page[social.User], error)) []string {
	w.t.Helper()
	ids := []string{}
	for cut := (social.Cut{Limit: 3}); ; {
		page, err := list(cut)
		w.must(err)
		for _, u := range page.Items {
			ids = append(ids, u.ID)
		}
		if cut.Cursor = page.Next; cut.Cursor == "" {
			return ids
		}
	}
}

// compare compares all that is to be seen of an account with the model.
func (w *world) compare(n *network, id string) {
	w.t.Helper()
	who, ctx := social.Identity{User: id}, w.t.Context()
	public := func(list func(context.Context, string, social.Cut) (social.Page[social.User], error)) []string {
		return w.ids(func(c social.Cut) (social.Page[social.User], error) { return list(ctx, id, c) })
	}
	requests := func(d social.RequestDirection) []string {
		return w.ids(func(c social.Cut) (social.Page[social.User], error) { return w.graph.Requests(ctx, who, id, d, c) })
	}
	own := func(list func(context.Context, social.Identity, string, social.Cut) (social.Page[social.User], error)) []string {
		return w.ids(func(c social.Cut) (social.Page[social.User], error) { return list(ctx, who, id, c) })
	}
	open := func(e edge) bool { return !n.agreed[e.back()] }
	for what, lists := range map[string][2][]string{
		"following": {public(w.graph.Following), from(n.follows, id, nil)},
		"followers": {public(w.graph.Followers), from(turned(n.follows), id, nil)},
		"friends":   {public(w.graph.Friends), n.friends(id)},
		"asked":     {requests(social.Outgoing), from(n.agreed, id, open)},
		"asking":    {requests(social.Incoming), from(turned(n.agreed), id, func(e edge) bool { return !n.agreed[e] })},
		"blocks":    {own(w.graph.Blocks), from(n.blocks, id, nil)},
		"mutes":     {own(w.graph.Mutes), from(n.mutes, id, nil)},
		"home":      {w.shown(who), n.home(id)},
	} {
		wantIDs(w.t, what+" of "+id, lists[0], lists[1])
	}
	got, err := w.graph.Counts(ctx, id)
	w.must(err)
	want := social.RelationCounts{
		Following: len(from(n.follows, id, nil)), Followers: len(from(turned(n.follows), id, nil)), Friends: len(n.friends(id)),
	}
	if got != want {
		w.t.Errorf("counts of %s: %+v, want %+v", id, got, want)
	}
}

func TestRandomRelationsAreThoseOfANaiveModel(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint("seed-", seed), func(t *testing.T) {
			inBubble(t, func(w *world) { w.relateAtRandom(rand.New(rand.NewPCG(seed, 1))) })
		})
	}
}

// relateAtRandom lets accounts do anything to each other, sometimes before what
// follows from the last act is written, and compares what came of it now and then.
func (w *world) relateAtRandom(random *rand.Rand) {
	w.start(newLog(w), true, nil)
	n := newNetwork()
	var ids []string
	for i := range 5 {
		ids = append(ids, w.signUp(fmt.Sprint("user", i)).User)
	}
	acts := []string{"follow", "follow", "follow", "befriend", "befriend", "unfollow", "unfriend", "block", "unblock", "mute", "unmute", "post"}
	for i := range 400 {
		e := edge{ids[random.IntN(5)], ids[random.IntN(5)]}
		what := acts[random.IntN(len(acts))]
		switch {
		case what == "post":
			n.posts[e.from] = append(n.posts[e.from], w.post(social.Identity{User: e.from}, social.NewPost{Text: "x"}))
		case e.from != e.to:
			if err, may := w.do(what, e), n.act(what, e); (err == nil) != may || err != nil && social.KindOf(err) != social.Forbidden {
				w.t.Fatalf("act %d, %s: %v, want it to be allowed: %v", i, what, err, may)
			}
		}
		if random.IntN(2) == 0 {
			synctest.Wait()
		}
		if i%40 == 39 {
			synctest.Wait()
			for _, id := range ids {
				w.compare(n, id)
			}
			wantNone(w, schema.FamilyEnded)
		}
		if w.t.Failed() {
			w.t.Fatalf("after act %d", i)
		}
	}
}

func wantNone(w *world, f store.Family) {
	w.t.Helper()
	if keys := w.rows.Keys(f); len(keys) > 0 {
		w.t.Errorf("family %d: %v is left", f, keys)
	}
}

// A follow that was checked before a block, and written after it, finds the block in
// the blocker's slot; so does a friend request.
func TestAFollowThatPassesABlockOnItsWayIsEnded(t *testing.T) {
	for _, blockFirst := range []bool{true, false} {
		t.Run(fmt.Sprint("block first: ", blockFirst), func(t *testing.T) {
			inBubble(t, func(w *world) {
				w.start(newLog(w), true, nil)
				ann, bob := w.signUp("ann"), w.signUp("bob")
				id := w.post(ann, social.NewPost{Text: "x"})
				writes := []store.Key{
					schema.Following(bob.User, ann.User), schema.Agreed(bob.User, ann.User),
					schema.Following(ann.User, bob.User), schema.Agreed(ann.User, bob.User),
				}
				if blockFirst {
					w.must(w.graph.Block(t.Context(), ann, ann.User, bob.User))
					synctest.Wait()
				}
				for _, k := range writes {
					_, err := w.rows.Write(t.Context(), store.Write{Mutations: []store.Mutation{{Key: k, Op: store.Put}}})
					w.must(err)
				}
				if !blockFirst {
					synctest.Wait()
					_, err := w.rows.Write(t.Context(), store.Write{Mutations: []store.Mutation{{Key: schema.Block(ann.User, bob.User), Op: store.Put}}})
					w.must(err)
				}
				synctest.Wait()
				for f := range map[store.Family]bool{
					schema.FamilyFollowing: true, schema.FamilyFollower: true, schema.FamilyAgreed: true, schema.FamilyAsked: true,
				} {
					wantNone(w, f)
				}
				wantIDs(t, "ann's home", w.home(ann), []string{id})
				wantIDs(t, "bob's home", w.home(bob), nil)
			})
		})
	}
}

// Nobody acts on any of this before all has happened.
func TestAnEndingEndsWhatCameBeforeItAndNothingLater(t *testing.T) {
	for name, c := range map[string]struct {
		acts     []string // "> " are ann's, "< " are bob's
		agreed   [2]bool  // ann, bob
		followed bool     // bob follows ann
	}{
		"declined":                            {acts: []string{"<befriend", "<follow", ">unfriend"}, followed: true},
		"declined and asked again":            {acts: []string{"<befriend", ">unfriend", "<befriend"}, agreed: [2]bool{false, true}},
		"declined, then asked the other way":  {acts: []string{"<befriend", ">unfriend", ">befriend"}, agreed: [2]bool{true, false}},
		"blocked":                             {acts: []string{"<befriend", "<follow", ">block"}},
		"blocked and unblocked":               {acts: []string{"<befriend", "<follow", ">block", ">unblock"}},
		"unblocked and followed again":        {acts: []string{"<befriend", "<follow", ">block", ">unblock", "<follow"}, followed: true},
		"unblocked and asked again":           {acts: []string{"<befriend", ">block", ">unblock", "<befriend"}, agreed: [2]bool{false, true}},
		"unblocked and asked the other way":   {acts: []string{"<befriend", ">block", ">unblock", ">befriend"}, agreed: [2]bool{true, false}},
		"removed by both and asked once more": {acts: []string{"<befriend", ">befriend", ">unfriend", "<unfriend", "<befriend"}, agreed: [2]bool{false, true}},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				ann, bob := w.signUp("ann"), w.signUp("bob")
				for _, act := range c.acts {
					e := edge{ann.User, bob.User}
					if act[0] == '<' {
						e = e.back()
					}
					w.must(w.do(act[1:], e))
				}
				w.start(newLog(w), true, nil)
				synctest.Wait()
				for i, want := range []bool{c.agreed[0], c.agreed[1], c.followed, c.agreed[1]} {
					k := []store.Key{
						schema.Agreed(ann.User, bob.User), schema.Agreed(bob.User, ann.User),
						schema.Following(bob.User, ann.User), schema.Asked(ann.User, bob.User),
					}[i]
					if got := slices.Contains(w.rows.Keys(k.Family), k); got != want {
						t.Errorf("%v is there: %v", k, got)
					}
				}
				wantNone(w, schema.FamilyEnded)
			})
		})
	}
}

func TestAskingOneWhoseRequestWasJustEndedMakesNoFriends(t *testing.T) {
	inBubble(t, func(w *world) {
		ann, bob := w.signUp("ann"), w.signUp("bob")
		for _, c := range []struct {
			before func() error
			want   social.Friendship
		}{
			{func() error { return w.do("befriend", edge{bob.User, ann.User}) }, social.Friends},
			{func() error { return w.do("unfriend", edge{ann.User, bob.User}) }, social.Requested},
		} {
			w.must(c.before())
			got, err := w.graph.Befriend(t.Context(), ann, ann.User, bob.User)
			w.must(err)
			if got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		}
	})
}

func TestEndingsOutlastFailures(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start(newLog(w), true, nil)
		ann, bob := w.signUp("ann"), w.signUp("bob")
		for _, e := range []edge{{ann.User, bob.User}, {bob.User, ann.User}} {
			w.must(w.do("befriend", e))
			w.must(w.do("follow", e))
		}
		synctest.Wait()
		w.must(w.do("block", edge{ann.User, bob.User}))
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
		synctest.Wait()
		n := newNetwork()
		n.act("block", edge{ann.User, bob.User})
		w.compare(n, ann.User)
		w.compare(n, bob.User)
		wantNone(w, schema.FamilyEnded)
	})
}

func TestADeletedAccountLeavesNoRelationBehind(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start(newLog(w), true, nil)
		ann, bob, eve := w.signUp("ann"), w.signUp("bob"), w.signUp("eve")
		for _, what := range []string{"befriend", "follow", "mute"} {
			w.must(w.do(what, edge{ann.User, bob.User}))
			w.must(w.do(what, edge{bob.User, ann.User}))
		}
		w.must(w.do("block", edge{ann.User, eve.User}))
		w.must(w.do("block", edge{eve.User, ann.User}))
		w.must(w.do("mute", edge{eve.User, bob.User}))
		synctest.Wait()
		w.must(w.users.Delete(t.Context(), ann, ann.User))
		synctest.Wait()
		for f := schema.FamilyAgreed; f <= schema.FamilyMutedBy; f++ {
			for _, k := range w.rows.Keys(f) {
				if owner, other, _ := schema.Split(k); owner == ann.User || other == ann.User {
					t.Errorf("family %d: %v is left", f, k)
				}
			}
		}
		wantIDs(t, "whom eve mutes", w.rowsOf(schema.FamilyMute, eve), []string{bob.User})
		if err := w.do("follow", edge{bob.User, ann.User}); !errors.As(err, new(*social.Error)) {
			t.Errorf("following a deleted account: %v", err)
		}
	})
}
