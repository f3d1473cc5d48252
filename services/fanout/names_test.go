package fanout_test

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"grapevine/services/fanout"
	"grapevine/services/schema"
	"grapevine/services/servicetest"
	"grapevine/services/social"
	"grapevine/store"
)

// signUpBeyond signs up on the other side of a split, where a name that is taken
// here is free. The account is here; its claim is on the way.
func (w *world) signUpBeyond(name string) social.Identity {
	w.t.Helper()
	who := w.signUp("beyond")
	row, err := w.rows.Get(w.t.Context(), schema.Credential(who.User))
	w.must(err)
	credential, err := schema.DecodeCredential(row)
	w.must(err)
	w.write(store.Mutation{Key: schema.Name("beyond"), Op: store.Remove})
	w.write(
		store.Mutation{Key: schema.User(who.User), Op: store.Put, Value: schema.EncodeUser(social.User{Username: name})},
		store.Mutation{Key: schema.Credential(who.User), Op: store.Put, Value: schema.EncodeCredential(name, credential.PHC)},
	)
	return who
}

func (w *world) write(ms ...store.Mutation) {
	w.t.Helper()
	_, err := w.rows.Write(w.t.Context(), store.Write{Mutations: ms})
	w.must(err)
}

// meet brings the claim of an account to a name.
func (w *world) meet(who social.Identity, name string) {
	w.rows.Concurrently(schema.Name(name), []byte(who.User))
}

func (w *world) user(who social.Identity) social.User {
	w.t.Helper()
	u, err := w.users.Get(w.t.Context(), who.User)
	w.must(err)
	return u
}

func TestTheLaterOfTwoClaimsToANameGetsAnotherAndIsTold(t *testing.T) {
	inBubble(t, func(w *world) {
		ann := w.signUp("ann")
		time.Sleep(time.Second)
		other := w.signUpBeyond("ann")
		w.meet(other, "ann")
		w.start(newLog(w), true, nil)
		synctest.Wait()
		if u := w.user(ann); u.Username != "ann" {
			t.Errorf("the earlier claim is by %s", u.Username)
		}
		u := w.user(other)
		if u.Username != social.SubstituteName("ann", other.User, 0) || u.DisplayName != u.Username {
			t.Errorf("the later claimant is %+v", u)
		}
		session, err := w.users.LogIn(w.t.Context(), u.Username, "correct horse")
		w.must(err)
		if session.User.ID != other.User {
			t.Errorf("%s logs in as %s", u.Username, session.User.ID)
		}
		notices, err := w.users.Notices(w.t.Context(), other)
		w.must(err)
		if len(notices) != 1 || notices[0].OldUsername != "ann" || notices[0].NewUsername != u.Username || notices[0].Kind != social.NoticeRenamed {
			t.Errorf("it is told %+v", notices)
		}
		w.must(w.users.Dismiss(w.t.Context(), other, "@"+u.Username, notices[0].ID))
		if notices, _ := w.users.Notices(w.t.Context(), other); len(notices) != 0 {
			t.Errorf("after it was dismissed: %+v", notices)
		}
	})
}

func TestAnAccountThatComesAfterItsClaimWasLostGetsAnotherName(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start(newLog(w), true, nil)
		w.signUp("ann")
		time.Sleep(time.Second)
		id := social.Identity{User: social.NewID(3, time.Now())}
		w.meet(id, "ann")
		synctest.Wait()
		w.write(
			store.Mutation{Key: schema.User(id.User), Op: store.Put, Value: schema.EncodeUser(social.User{Username: "ann"})},
			store.Mutation{Key: schema.Credential(id.User), Op: store.Put, Value: schema.EncodeCredential("ann", "$")},
		)
		synctest.Wait()
		if u := w.user(id); u.Username != social.SubstituteName("ann", id.User, 0) {
			t.Errorf("it bears the name %s", u.Username)
		}
	})
}

// A follower of the partition hears that another node has acted on each claim, but
// that node may have seen one alone.
func TestClaimsAreSettledWhereTheyMeetWhoeverLeadsAndHasToldOfThem(t *testing.T) {
	inBubble(t, func(w *world) {
		l := newLog(w)
		l.hold(true)
		n := w.start(l, false, nil)
		ann := w.signUp("ann")
		time.Sleep(time.Second)
		other := w.signUpBeyond("ann")
		w.meet(other, "ann")
		changes, err := w.rows.Changes(w.t.Context(), 0, 100)
		w.must(err)
		var told []store.Seen
		for _, c := range changes {
			told = append(told, store.Seen{Partition: c.Partition, Dot: c.Dot})
		}
		n.Done(told)
		l.hold(false)
		w.write(store.Mutation{Key: schema.Following(ann.User, other.User), Op: store.Put}) // wakes the worker
		synctest.Wait()
		if u := w.user(other); u.Username == "ann" {
			t.Error("both accounts bear the name")
		}
	})
}

func TestManyNodesThatSettleClaimsAgree(t *testing.T) {
	inBubble(t, func(w *world) {
		w.signUp("ann")
		time.Sleep(time.Second)
		other := w.signUpBeyond("ann")
		w.meet(other, "ann")
		for range 3 {
			w.start(newLog(w), true, func(c *fanout.Config) { c.TakeOver = time.Second })
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := w.rows.Keys(schema.FamilyNotice); len(got) != 1 {
			t.Errorf("notices %v, want one", got)
		}
		if names := w.rows.Keys(schema.FamilyName); len(names) != 2 {
			t.Errorf("names %v, want ann and its substitute", names)
		}
	})
}

func TestASubstituteThatIsTakenIsPassedOver(t *testing.T) {
	inBubble(t, func(w *world) {
		w.signUp("ann")
		time.Sleep(time.Second)
		other := w.signUpBeyond("ann")
		w.signUp(social.SubstituteName("ann", other.User, 0))
		w.meet(other, "ann")
		w.start(newLog(w), true, nil)
		synctest.Wait()
		if u := w.user(other); u.Username != social.SubstituteName("ann", other.User, 1) {
			t.Errorf("the later claimant is %+v", u)
		}
	})
}

func TestARenamedAccountsOldNameIsFree(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start(newLog(w), true, nil)
		ann := w.signUp("ann")
		name := "anna"
		_, err := w.users.Update(w.t.Context(), ann, "@ann", social.UserPatch{Username: &name})
		w.must(err)
		synctest.Wait()
		if got := w.rows.Keys(schema.FamilyFormerName); len(got) != 0 {
			t.Errorf("former names %v are left", got)
		}
		bob := w.signUp("ann")
		if u := w.user(bob); u.Username != "ann" {
			t.Errorf("%+v", u)
		}
		back := "ann"
		_, err = w.users.Update(w.t.Context(), ann, "@anna", social.UserPatch{Username: &back})
		if social.KindOf(err) != social.Conflict {
			t.Errorf("a return to a name that another took: %v", err)
		}
	})
}

func TestADepartedAccountLeavesNeitherNoticesNorNames(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start(newLog(w), true, nil)
		w.signUp("ann")
		time.Sleep(time.Second)
		other := w.signUpBeyond("ann")
		w.meet(other, "ann")
		synctest.Wait()
		name := "renamed"
		_, err := w.users.Update(w.t.Context(), other, other.User, social.UserPatch{Username: &name})
		w.must(err)
		w.must(w.users.Delete(w.t.Context(), other, other.User))
		synctest.Wait()
		for _, f := range []store.Family{schema.FamilyNotice, schema.FamilyFormerName} {
			if keys := w.rows.Keys(f); len(keys) != 0 {
				t.Errorf("%v are left", keys)
			}
		}
		if names := w.rows.Keys(schema.FamilyName); len(names) != 1 || names[0].Sort != "ann" {
			t.Errorf("names %v, want the first account's", names)
		}
	})
}

// The claim may be the earliest.
func TestAnAccountWhoseClaimHasNotArrivedKeepsItsName(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start(newLog(w), true, nil)
		w.signUp("ann")
		time.Sleep(time.Second)
		other := w.signUpBeyond("ann")
		synctest.Wait()
		if u := w.user(other); u.Username != "ann" {
			t.Errorf("before its claim: %+v", u)
		}
		w.meet(other, "ann")
		synctest.Wait()
		if u := w.user(other); u.Username == "ann" {
			t.Error("after its claim both bear the name")
		}
	})
}

func (w *world) claimants(name string) []string {
	w.t.Helper()
	row, err := w.rows.Get(w.t.Context(), schema.Name(name))
	w.must(err)
	var users []string
	for _, claim := range row.Births {
		users = append(users, string(claim.Value))
	}
	return users
}

func TestALaterClaimHoldsWhenTheEarlierIsReleasedBeforeTheyAreSettled(t *testing.T) {
	inBubble(t, func(w *world) {
		// Only the partition of the account that goes is looked at at first.
		partitionOf := func(k store.Key) store.Partition { return servicetest.PartitionOf(k.Slot) }
		ann, name := w.signUp("ann"), "ann"
		for i := 0; partitionOf(schema.User(ann.User)) == partitionOf(schema.Name(name)); i++ {
			name = fmt.Sprint("ann", i)
			ann = w.signUp(name)
		}
		time.Sleep(time.Second)
		other := w.signUpBeyond(name)
		for partitionOf(schema.User(ann.User)) == partitionOf(schema.User(other.User)) {
			w.write(store.Mutation{Key: schema.User(other.User), Op: store.Remove})
			other = w.signUpBeyond(name)
		}
		w.meet(other, name)
		anna := "anna"
		_, err := w.users.Update(w.t.Context(), ann, ann.User, social.UserPatch{Username: &anna})
		w.must(err)
		var settles atomic.Bool
		w.start(newLog(w), true, func(c *fanout.Config) {
			c.Lags = func(p store.Partition) bool {
				return p != partitionOf(schema.User(ann.User)) && !settles.Load()
			}
		})
		synctest.Wait()
		settles.Store(true)
		time.Sleep(time.Minute)
		if u, claims := w.user(other), w.claimants(name); u.Username != name || !slices.Equal(claims, []string{other.User}) {
			t.Errorf("%s bears the name %s, whose claims are by %v", other.User, u.Username, claims)
		}
	})
}

// Another node has released the name, and its user is about to bear it again.
func TestANameThatItsFormerBearerClaimedAgainIsNotReleased(t *testing.T) {
	inBubble(t, func(w *world) {
		ann := w.signUp("ann")
		name := "anna"
		_, err := w.users.Update(w.t.Context(), ann, ann.User, social.UserPatch{Username: &name})
		w.must(err)
		time.Sleep(time.Second)
		w.write(store.Mutation{Key: schema.Name("ann"), Op: store.Put, Value: []byte(ann.User)})
		w.start(newLog(w), true, nil)
		synctest.Wait()
		if claims := w.claimants("ann"); !slices.Equal(claims, []string{ann.User}) {
			t.Errorf("the name is claimed by %v", claims)
		}
		if left := w.rows.Keys(schema.FamilyFormerName); len(left) != 0 {
			t.Errorf("former names %v are left", left)
		}
	})
}

func TestALostClaimEndsWithTheNameThatItWasMadeFor(t *testing.T) {
	inBubble(t, func(w *world) {
		ann := w.signUp("ann")
		time.Sleep(time.Second)
		w.meet(w.signUpBeyond("ann"), "ann")
		w.start(newLog(w), true, nil)
		synctest.Wait()
		if claims := w.claimants("ann"); !slices.Equal(claims, []string{ann.User}) {
			t.Errorf("the name is claimed by %v", claims)
		}
	})
}
