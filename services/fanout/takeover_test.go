package fanout_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"grapevine/crdt"
	"grapevine/services/fanout"
	"grapevine/services/schema"
	"grapevine/services/servicetest"
	"grapevine/services/social"
	"grapevine/store"
)

func TestTheLeaderAnnouncesWhatItDidAndOthersLeaveIt(t *testing.T) {
	inBubble(t, func(w *world) {
		leader := w.start(newLog(w), true, nil)
		other := w.start(newLog(w), false, nil)
		ann, bob := w.signUp("ann"), w.signUp("bob")
		w.follow(ann, bob)
		relay(leader, other, time.Minute)
		wantIDs(t, "followers", w.rowsOf(schema.FamilyFollower, bob), []string{ann.User})
		changes, _ := w.rows.Changes(t.Context(), 0, 1000)
		if len(changes) != 7 { // two claims, two accounts, the follow, its mirror and what bob is told
			t.Errorf("%d changes: the work was done twice", len(changes))
		}
		if got := other.log.saved(); got != 7 {
			t.Errorf("the other's cursor is at %d, want 7", got)
		}
	})
}

// relay hands from's announcements to the others for a while.
func relay(from, to *node, d time.Duration) {
	deadline := time.After(d)
	for {
		select {
		case done := <-from.told:
			to.Done(done)
		case <-deadline:
			return
		}
	}
}

func TestWorkThatNobodyAnnouncesIsTakenOverAndNotBefore(t *testing.T) {
	inBubble(t, func(w *world) {
		ann, bob := w.signUp("ann"), w.signUp("bob")
		other := w.start(newLog(w), false, nil)
		w.follow(ann, bob)
		time.Sleep(4900 * time.Millisecond)
		synctest.Wait()
		wantIDs(t, "followers at 4.9 s", w.rowsOf(schema.FamilyFollower, bob), nil)
		if got := other.log.saved(); got >= 5 {
			t.Errorf("the cursor passed the undone change: %d", got)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		wantIDs(t, "followers at 5.9 s", w.rowsOf(schema.FamilyFollower, bob), []string{ann.User})
	})
}

func TestLeadershipThatFallsToANodeMakesItActAtOnce(t *testing.T) {
	inBubble(t, func(w *world) {
		ann, bob := w.signUp("ann"), w.signUp("bob")
		other := w.start(newLog(w), false, nil)
		w.follow(ann, bob)
		time.Sleep(time.Second)
		other.leads.Store(true)
		time.Sleep(200 * time.Millisecond)
		synctest.Wait()
		wantIDs(t, "followers", w.rowsOf(schema.FamilyFollower, bob), []string{ann.User})
	})
}

func TestABusyLeaderIsGivenTime(t *testing.T) {
	inBubble(t, func(w *world) {
		ann, bob := w.signUp("ann"), w.signUp("bob")
		other := w.start(newLog(w), false, nil)
		w.follow(ann, bob)
		synctest.Wait()
		changes, _ := w.rows.Changes(t.Context(), 4, 1)
		for range 20 { // the leader goes on announcing, just not this
			time.Sleep(time.Second)
			other.Done([]store.Seen{{Partition: changes[0].Partition}})
		}
		synctest.Wait()
		wantIDs(t, "followers after 20 s", w.rowsOf(schema.FamilyFollower, bob), nil)
		for range 20 {
			time.Sleep(time.Second)
			other.Done([]store.Seen{{Partition: changes[0].Partition}})
		}
		synctest.Wait()
		wantIDs(t, "followers after 40 s", w.rowsOf(schema.FamilyFollower, bob), []string{ann.User})
	})
}

// TestAnAnnouncementBeforeTheChangeDoesNotCount: it comes from the other side of a
// cut, where nobody knew what the change meets here. What is there already is not
// written again.
func TestAnAnnouncementBeforeTheChangeDoesNotCount(t *testing.T) {
	inBubble(t, func(w *world) {
		leader := w.start(newLog(w), true, nil)
		ann, bob := w.signUp("ann"), w.signUp("bob")
		w.follow(ann, bob)
		time.Sleep(time.Second)
		late := newLog(w)
		late.hold(true)
		other := w.start(late, false, nil)
		for len(leader.told) > 0 {
			other.Done(<-leader.told)
		}
		late.hold(false)
		w.signUp("eve")
		synctest.Wait()
		if got := late.saved(); got >= 6 {
			t.Errorf("cursor %d: the follow was taken for done", got)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := late.saved(); got < 6 {
			t.Errorf("cursor %d: the follow was not looked at", got)
		}
	})
}

// TestWhatIsThereOfAnEarlierFollowIsPutAnew: elsewhere the unfollow that came between was
// acted on, and what ended with it here is on its way.
func TestWhatIsThereOfAnEarlierFollowIsPutAnew(t *testing.T) {
	inBubble(t, func(w *world) {
		first := w.start(newLog(w), true, nil)
		ann, bob := w.signUp("ann"), w.signUp("bob")
		post := w.post(bob, social.NewPost{Text: "x"})
		w.follow(ann, bob)
		synctest.Wait()
		first.stop()
		w.must(w.graph.Unfollow(t.Context(), ann, "@ann", "@bob"))
		time.Sleep(time.Second)
		w.follow(ann, bob)
		w.start(newLog(w), true, nil) // does it all again
		synctest.Wait()
		follow, err := w.rows.Get(t.Context(), schema.Following(ann.User, bob.User))
		w.must(err)
		for _, k := range []store.Key{schema.Follower(bob.User, ann.User), schema.Home(ann.User, post)} {
			if row, err := w.rows.Get(t.Context(), k); err != nil || row.Time() < follow.Time() {
				t.Errorf("%s is of before the follow: %v", k, err)
			}
		}
	})
}

func TestDoingEverythingAgainWritesNothing(t *testing.T) {
	inBubble(t, func(w *world) {
		first := w.start(newLog(w), true, nil)
		ann, bob, eve := w.signUp("ann"), w.signUp("bob"), w.signUp("eve")
		w.follow(ann, bob)
		w.follow(eve, bob)
		synctest.Wait()
		w.post(bob, social.NewPost{Text: "x"})
		gone := w.post(bob, social.NewPost{Text: "x"})
		synctest.Wait()
		w.must(w.posts.Delete(t.Context(), bob, gone))
		synctest.Wait()
		first.stop()
		_, before := w.rows.Counts()
		w.start(newLog(w), true, nil) // with a cursor of its own, at the beginning
		synctest.Wait()
		if _, after := w.rows.Counts(); after != before {
			t.Errorf("%d writes", after-before)
		}
	})
}

func TestTheCursorIsDurableAndPassesNothingUndone(t *testing.T) {
	inBubble(t, func(w *world) {
		l := newLog(w)
		n := w.start(l, true, nil)
		ann, bob := w.signUp("ann"), w.signUp("bob")
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if got := l.saved(); got != 4 {
			t.Errorf("cursor %d, want 4", got)
		}
		w.rows.Fail(func(keys []store.Key, write bool) error {
			if write && keys[0].Family == schema.FamilyFollower {
				return store.ErrUnavailable
			}
			return nil
		})
		w.follow(ann, bob)
		w.post(ann, social.NewPost{Text: "x"})
		time.Sleep(time.Minute)
		n.stop()
		if got := l.saved(); got != 4 {
			t.Errorf("cursor %d after a failure, want 4", got)
		}
		w.rows.Fail(nil)
		w.start(l, true, nil)
		synctest.Wait()
		wantIDs(t, "followers", w.rowsOf(schema.FamilyFollower, bob), []string{ann.User})
	})
}

func TestAChangeThatCannotSucceedIsPassed(t *testing.T) {
	inBubble(t, func(w *world) {
		l := newLog(w)
		w.start(l, true, nil)
		ann, bob := w.signUp("ann"), w.signUp("bob")
		w.follow(bob, ann)
		synctest.Wait()
		l.hold(true)
		// An entry that no version of this code wrote, in one batch with a good post.
		bad := store.Mutation{Key: schema.AuthorPost(ann.User, social.NewID(1, time.Now())), Op: store.Put, Value: []byte{0xff}}
		_, err := w.rows.Write(t.Context(), store.Write{Mutations: []store.Mutation{bad}})
		w.must(err)
		id := w.post(ann, social.NewPost{Text: "x"})
		synctest.Wait()
		l.hold(false)
		w.signUp("eve")
		time.Sleep(10 * time.Second)
		synctest.Wait()
		wantIDs(t, "home", w.home(bob), []string{id})
		changes, _ := w.rows.Changes(t.Context(), 0, 1000)
		if got, want := l.saved(), changes[len(changes)-1].Seq; got != want {
			t.Errorf("cursor %d, want %d", got, want)
		}
	})
}

func TestAFullBacklogStopsReadingAndGoesOn(t *testing.T) {
	inBubble(t, func(w *world) {
		n := w.start(newLog(w), false, func(c *fanout.Config) { c.MaxPending = 3 })
		ann := w.signUp("ann")
		for range 20 {
			w.post(ann, social.NewPost{Text: "x"})
		}
		synctest.Wait()
		n.leads.Store(true)
		time.Sleep(time.Minute)
		synctest.Wait()
		changes, _ := w.rows.Changes(t.Context(), 0, 1000)
		if got, want := n.log.saved(), changes[len(changes)-1].Seq; got != want {
			t.Errorf("cursor %d, want %d", got, want)
		}
	})
}

// asked counts the reads that asked a majority, and others.
type asked struct {
	*servicetest.Store
	majority, one atomic.Int64
}

func (a *asked) Get(ctx context.Context, k store.Key) (crdt.Row, error) {
	if r := store.RequestOf(ctx); r != nil && r.Consistency == store.Quorum {
		a.majority.Add(1)
	} else {
		a.one.Add(1)
	}
	return a.Store.Get(ctx, k)
}

func TestOnlyWhoTakesOverFromALeaderAsksAMajority(t *testing.T) {
	inBubble(t, func(w *world) {
		ann, bob := w.signUp("ann"), w.signUp("bob")
		leader, other := &asked{Store: w.rows}, &asked{Store: w.rows}
		w.start(newLog(w), true, func(c *fanout.Config) { c.Rows = leader })
		synctest.Wait()
		w.start(newLog(w), false, func(c *fanout.Config) { c.Rows = other })
		synctest.Wait()
		w.follow(ann, bob)
		time.Sleep(time.Minute)
		synctest.Wait()
		if leader.one.Load() == 0 || leader.majority.Load() != 0 {
			t.Errorf("the leader asked %d majorities and %d single owners", leader.majority.Load(), leader.one.Load())
		}
		if other.majority.Load() == 0 || other.one.Load() != 0 {
			t.Errorf("who took over asked %d majorities and %d single owners", other.majority.Load(), other.one.Load())
		}
	})
}

func TestHistoryThatComesWithACopyOfAPartitionIsNotDoneAgain(t *testing.T) {
	inBubble(t, func(w *world) {
		ann, bob, eve := w.signUp("ann"), w.signUp("bob"), w.signUp("eve")
		l := newLog(w)
		l.hold(true)
		w.start(l, false, nil)
		w.follow(bob, ann)
		time.Sleep(8 * 24 * time.Hour)
		l.hold(false) // the newcomer learns of an old follow, and of a new one
		w.follow(eve, ann)
		time.Sleep(time.Minute)
		synctest.Wait()
		wantIDs(t, "followers", w.rowsOf(schema.FamilyFollower, ann), []string{eve.User})
	})
}

// TestHomesConvergeToTheModel lets two workers, of which either may lead, stop or
// fail at any time, follow random acts, and compares with what a naive reading of
// the truth gives, with authors who become broad at one follower too many, at two, or
// never.
func TestHomesConvergeToTheModel(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(string(rune('a'+seed)), func(t *testing.T) {
			inBubble(t, func(w *world) { converge(w, rand.New(rand.NewPCG(seed, 1))) })
		})
	}
}

func converge(w *world, r *rand.Rand) {
	logs := []*log{newLog(w), newLog(w)}
	few := pushTo(r.IntN(3))
	nodes := []*node{w.start(logs[0], true, few), w.start(logs[1], false, few)}
	var people []social.Identity
	for _, name := range strings.Split("abcde", "") {
		people = append(people, w.signUp(name))
	}
	author := map[string]social.Identity{}
	var ids []string
	for range 150 {
		a, b := people[r.IntN(len(people))], people[r.IntN(len(people))]
		switch act := r.IntN(12); {
		case act < 3 && a != b:
			w.follow(a, b)
		case act < 5 && a != b:
			w.unfollow(a, b)
		case act < 8:
			id := w.post(a, social.NewPost{Text: "x"})
			ids, author[id] = append(ids, id), a
		case act == 8 && len(ids) > 0:
			i := r.IntN(len(ids))
			w.must(w.posts.Delete(w.t.Context(), author[ids[i]], ids[i]))
			ids = slices.Delete(ids, i, i+1)
		case act == 9: // a node restarts
			i := r.IntN(2)
			nodes[i].stop()
			nodes[i] = w.start(logs[i], nodes[i].leads.Load(), few)
		case act == 10: // the other leads
			nodes[0].leads.Store(!nodes[0].leads.Load())
			nodes[1].leads.Store(!nodes[0].leads.Load())
		case act == 11:
			for i := range nodes {
				for len(nodes[i].told) > 0 {
					nodes[1-i].Done(<-nodes[i].told)
				}
			}
		}
		time.Sleep(time.Duration(r.IntN(300)) * time.Millisecond)
	}
	time.Sleep(5 * time.Minute)
	synctest.Wait()
	for _, reader := range people {
		var want []string
		following := w.rowsOf(schema.FamilyFollowing, reader)
		for _, id := range slices.Backward(ids) {
			if author[id] == reader || slices.Contains(following, author[id].User) {
				want = append(want, id)
			}
		}
		want = want[:min(len(want), social.DefaultPage)]
		wantIDs(w.t, "home", w.shown(reader), want)
	}
}
