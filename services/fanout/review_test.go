package fanout_test

import (
	"context"
	"fmt"
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

// act is what one account did, and the row that mirrors it where it was done.
type act struct{ truth, mirror store.Key }

// acts makes one of each kind, and gives them when they are mirrored.
func (w *world) acts() map[string]act {
	w.t.Helper()
	ann, bob := w.signUp("ann"), w.signUp("bob")
	post := w.post(bob, social.NewPost{Text: "x"})
	list := w.listOf(ann, bob)
	hook := w.hook(ann, social.MessageEvent+"room")
	made := map[string]act{
		"follow":  {schema.Following(ann.User, bob.User), schema.Follower(bob.User, ann.User)},
		"friend":  {schema.Agreed(ann.User, bob.User), schema.Asked(bob.User, ann.User)},
		"mute":    {schema.Mute(ann.User, bob.User), schema.MutedBy(bob.User, ann.User)},
		"like":    {schema.Liked(ann.User, post), schema.Like(post, ann.User)},
		"repost":  {schema.Reposted(ann.User, post), schema.Repost(post, ann.User)},
		"member":  {schema.ListMember(ann.User, list, bob.User), schema.InList(bob.User, ann.User, list)},
		"webhook": {schema.WebhookChannel(ann.User, hook, "room"), schema.WebhookListener("room", ann.User, hook)},
	}
	w.must(w.graph.Follow(w.t.Context(), ann, ann.User, bob.User))
	w.must(w.graph.Mute(w.t.Context(), ann, ann.User, bob.User))
	w.must(w.posts.Like(w.t.Context(), ann, post))
	_, err := w.graph.Befriend(w.t.Context(), ann, ann.User, bob.User)
	w.must(err)
	w.must(w.posts.Repost(w.t.Context(), ann, post))
	eve := w.signUp("eve") // whom a block does not part from what is done above
	w.must(w.graph.Block(w.t.Context(), ann, ann.User, eve.User))
	made["block"] = act{schema.Block(ann.User, eve.User), schema.BlockedBy(eve.User, ann.User)}
	w.rest()
	for kind, a := range made {
		w.wantRow(kind, a.truth, true)
		w.wantRow(kind, a.mirror, true)
	}
	return made
}

// rest lets time pass until all was looked at once more.
func (w *world) rest() {
	time.Sleep(time.Minute)
	synctest.Wait()
}

func (w *world) wantRow(what string, k store.Key, exists bool) {
	w.t.Helper()
	rows, err := w.rows.GetMany(w.t.Context(), []store.Key{k})
	w.must(err)
	if rows[0].Exists() != exists {
		w.t.Errorf("%s: %s exists: %v, want %v", what, k, rows[0].Exists(), exists)
	}
}

func TestAMirrorThatOutlivedItsTruthGoes(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start(newLog(w), true, nil)
		for kind, a := range w.acts() {
			w.write(store.Mutation{Key: a.truth, Op: store.Remove})
			w.rest()
			w.rows.Concurrently(a.mirror, nil) // a birth that the removal did not see
			w.rest()
			w.wantRow(kind, a.truth, false)
			w.wantRow(kind, a.mirror, false)
		}
	})
}

func TestAMirrorThatWentWithAnEarlierActComesBack(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start(newLog(w), true, nil)
		for kind, a := range w.acts() {
			w.write(store.Mutation{Key: a.mirror, Op: store.Remove})
			w.rest()
			w.wantRow(kind, a.truth, true)
			w.wantRow(kind, a.mirror, true)
		}
	})
}

func TestWhatFollowsFromAMirrorComesRightWithIt(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start(newLog(w), true, nil)
		ann, bob := w.signUp("ann"), w.signUp("bob")
		post := w.post(bob, social.NewPost{Text: "x"})
		w.follow(ann, bob)
		w.rest()
		told := w.rowsOf(schema.FamilyNotification, bob)
		mirror := schema.Follower(bob.User, ann.User)
		w.write(store.Mutation{Key: mirror, Op: store.Remove})
		w.rest()
		wantIDs(t, "home", w.home(ann), []string{post})
		wantIDs(t, "told, once and of the same", w.rowsOf(schema.FamilyNotification, bob), told)
		w.unfollow(ann, bob)
		w.rest()
		w.rows.Concurrently(mirror, nil)
		w.rest()
		wantIDs(t, "home after the unfollow", w.home(ann), nil)
		wantIDs(t, "told after the unfollow", w.rowsOf(schema.FamilyNotification, bob), nil)
	})
}

// TestEveryOwnerLooks has a node that leads nothing, and to which the leader announced
// all that happened: what met where the leader did not see it, only the node can tell.
func TestEveryOwnerLooks(t *testing.T) {
	inBubble(t, func(w *world) {
		other := w.start(newLog(w), false, nil)
		ann, bob := w.signUp("ann"), w.signUp("bob")
		mirror := schema.Follower(bob.User, ann.User)
		w.rows.Concurrently(mirror, nil)
		synctest.Wait()
		changes, err := w.rows.Changes(t.Context(), 0, 1000)
		w.must(err)
		last := changes[len(changes)-1]
		other.Done([]store.Seen{{Partition: last.Partition, Dot: last.Dot}})
		w.rest()
		w.wantRow("the mirror", mirror, false)
	})
}

// majorities is rows of which a majority cannot be asked, or not of all.
type majorities struct {
	*servicetest.Store
	away  atomic.Bool
	asked atomic.Int64
}

func (m *majorities) GetMany(ctx context.Context, ks []store.Key) ([]crdt.Row, error) {
	if r := store.RequestOf(ctx); r != nil && r.Consistency == store.Quorum {
		m.asked.Add(1)
		if m.away.Load() {
			return nil, store.ErrUnavailable
		}
	}
	return m.Store.GetMany(ctx, ks)
}

func TestAMirrorStaysUntilAMajorityHasNotItsTruth(t *testing.T) {
	inBubble(t, func(w *world) {
		rows := &majorities{Store: w.rows}
		rows.away.Store(true)
		w.start(newLog(w), true, func(c *fanout.Config) { c.Rows = rows })
		ann, bob := w.signUp("ann"), w.signUp("bob")
		mirror := schema.Follower(bob.User, ann.User)
		w.rows.Concurrently(mirror, nil) // its truth may be on its way
		w.rest()
		w.wantRow("without a majority", mirror, true)
		rows.away.Store(false)
		w.rest()
		w.wantRow("with one", mirror, false)
	})
}

func TestMirrorsThatAreRightCostOneReadOfManyAndNoWrite(t *testing.T) {
	inBubble(t, func(w *world) {
		rows := &majorities{Store: w.rows}
		w.start(newLog(w), true, func(c *fanout.Config) { c.Rows = rows })
		hub := w.signUp("hub")
		for i := range 100 {
			w.write(store.Mutation{Key: schema.Following(social.NewID(uint16(i), time.Now()), hub.User), Op: store.Put})
		}
		time.Sleep(4 * time.Second) // all is done, and nothing was looked at
		synctest.Wait()
		readsBefore, writesBefore := w.rows.Counts()
		w.rest()
		reads, writes := w.rows.Counts()
		if n := reads - readsBefore; n == 0 || n > 4 || writes != writesBefore || rows.asked.Load() != 0 {
			t.Errorf("%d reads, %d of them of majorities, and %d writes", n, rows.asked.Load(), writes-writesBefore)
		}
	})
}

func TestAPairThatCannotBeReadHoldsUpNoOther(t *testing.T) {
	inBubble(t, func(w *world) {
		l := newLog(w)
		n := w.start(l, true, nil)
		ann, bob, eve := w.signUp("ann"), w.signUp("bob"), w.signUp("eve")
		for i := 0; partitionOf(eve) == partitionOf(ann); i++ {
			eve = w.signUp(fmt.Sprint("eve", i))
		}
		w.rows.Fail(func(keys []store.Key, _ bool) error {
			for _, k := range keys {
				if k.Family == schema.FamilyFollowing && servicetest.PartitionOf(k.Slot) == partitionOf(ann) {
					return store.ErrUnavailable
				}
			}
			return nil
		})
		far, near := schema.Follower(bob.User, ann.User), schema.Follower(bob.User, eve.User)
		w.rows.Concurrently(far, nil)
		w.rows.Concurrently(near, nil)
		w.rest()
		w.rows.Fail(nil)
		w.wantRow("the near one", near, false)
		w.wantRow("the far one", far, true)
		n.stop() // what could not be read is looked at after the next start
		w.start(l, true, nil)
		w.rest()
		w.wantRow("the far one", far, false)
	})
}

func TestMoreThanMayWaitIsLookedAtLater(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start(newLog(w), true, func(c *fanout.Config) { c.MaxPending = 3 })
		hub := w.signUp("hub")
		for i := range 20 {
			w.rows.Concurrently(schema.Follower(hub.User, social.NewID(uint16(i), time.Now())), nil)
		}
		w.rest()
		wantIDs(t, "followers", w.rowsOf(schema.FamilyFollower, hub), nil)
	})
}

func partitionOf(who social.Identity) store.Partition {
	return servicetest.PartitionOf(schema.User(who.User).Slot)
}
