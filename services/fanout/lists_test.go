package fanout_test

import (
	"testing"
	"testing/synctest"
	"time"

	"grapevine/services/lists"
	"grapevine/services/schema"
	"grapevine/services/social"
	"grapevine/store"
)

// listOf makes a list of a user's with members.
func (w *world) listOf(who social.Identity, members ...social.Identity) string {
	w.t.Helper()
	l, err := w.lists().Create(w.t.Context(), who, social.NewList{Title: "a list"})
	w.must(err)
	for _, m := range members {
		w.must(w.lists().Add(w.t.Context(), who, l.ID, m.User))
	}
	return l.ID
}

func (w *world) lists() *lists.Service {
	return lists.New(lists.Config{Rows: w.rows, Users: w.users, Relations: w.graph})
}

// left checks what is left of lists: the lists, the memberships and their mirrors.
func (w *world) left(lists, members int) {
	w.t.Helper()
	synctest.Wait()
	for f, want := range map[store.Family]int{schema.FamilyList: lists, schema.FamilyListMember: members, schema.FamilyListed: members} {
		if keys := w.rows.Keys(f); len(keys) != want {
			w.t.Errorf("family %d: %v, want %d rows", f, keys, want)
		}
	}
}

func TestMembershipsEndWithTheList(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start(newLog(w), true, nil)
		ann, bob, eve := w.signUp("ann"), w.signUp("bob"), w.signUp("eve")
		gone, kept := w.listOf(ann, bob, eve), w.listOf(ann, bob)
		w.left(2, 3)
		w.must(w.lists().Remove(t.Context(), ann, gone, "@eve"))
		w.left(2, 2)
		w.must(w.lists().Delete(t.Context(), ann, gone))
		w.left(1, 1)
		wantIDs(t, "bob is in", w.rowsOf(schema.FamilyListed, bob), []string{ann.User + "/" + kept})
	})
}

func TestAListGoesWithItsOwnerAndAMembershipWithItsMember(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start(newLog(w), true, nil)
		ann, bob, eve := w.signUp("ann"), w.signUp("bob"), w.signUp("eve")
		w.listOf(ann, bob, eve)
		w.listOf(bob, ann, eve)
		w.left(2, 4)
		w.must(w.users.Delete(t.Context(), eve, "@eve"))
		w.left(2, 2)
		w.must(w.users.Delete(t.Context(), ann, "@ann"))
		w.left(1, 0)
	})
}

// TestAMembershipMadeWhileItsListOrMemberGoesDoesNotStay: it was made on the other
// side of a split.
func TestAMembershipMadeWhileItsListOrMemberGoesDoesNotStay(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start(newLog(w), true, nil)
		ann, bob, eve := w.signUp("ann"), w.signUp("bob"), w.signUp("eve")
		gone, kept := w.listOf(ann), w.listOf(ann)
		w.must(w.lists().Delete(t.Context(), ann, gone))
		w.must(w.users.Delete(t.Context(), eve, "@eve"))
		synctest.Wait()
		w.rows.Concurrently(schema.ListMember(ann.User, gone, bob.User), nil)
		w.rows.Concurrently(schema.ListMember(ann.User, kept, eve.User), nil)
		time.Sleep(time.Second)
		w.left(1, 0)
	})
}

// TestAMembershipThatIsKnownBeforeItsListIsDeletedGoes: who deleted the list did not
// know of it.
func TestAMembershipThatIsKnownBeforeItsListIsDeletedGoes(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start(newLog(w), true, nil)
		ann, bob, eve := w.signUp("ann"), w.signUp("bob"), w.signUp("eve")
		list := w.listOf(ann, bob, eve)
		synctest.Wait()
		remove := store.Mutation{Key: schema.UserList(ann.User, list), Op: store.Remove}
		_, err := w.rows.Write(t.Context(), store.Write{Mutations: []store.Mutation{remove}})
		w.must(err)
		w.left(0, 0)
	})
}
