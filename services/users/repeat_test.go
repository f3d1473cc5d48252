package users_test

import (
	"strings"
	"sync"
	"testing"

	"grapevine/services/schema"
	"grapevine/services/social"
	"grapevine/store"
)

func keyed(name, password, key string) social.NewUser {
	return social.NewUser{Username: name, Password: password, Key: key}
}

func TestASignUpThatIsRepeatedWithItsKeyGivesTheSameAccount(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	first, err := f.Create(t.Context(), keyed("ada", "correct horse", "k"))
	if err != nil {
		t.Fatal(err)
	}
	again, err := f.Create(t.Context(), keyed("Ada", "correct horse", "k"))
	if err != nil || again.User != first.User {
		t.Fatalf("%+v, want %+v: %v", again.User, first.User, err)
	}
	if who, err := f.Authenticate(t.Context(), again.Token); err != nil || who.User != first.User.ID {
		t.Errorf("the second token speaks for %v: %v", who, err)
	}
	if users := f.rows.Keys(schema.FamilyUser); len(users) != 1 {
		t.Errorf("%d accounts", len(users))
	}
	_, err = f.Create(t.Context(), keyed("ada", "battery staple", "k"))
	wantKind(t, "another password", err, social.Conflict, "Idempotency-Key")
	_, err = f.Create(t.Context(), keyed("ada", "correct horse", "other"))
	wantKind(t, "another key", err, social.Conflict, "username")
	_, err = f.Create(t.Context(), keyed("ada", "correct horse", ""))
	wantKind(t, "no key", err, social.Conflict, "username")
	_, err = f.Create(t.Context(), keyed("eve", "correct horse", strings.Repeat("k", social.MaxKey+1)))
	wantKind(t, "a long key", err, social.Invalid, "Idempotency-Key")
}

func TestASignUpThatEndedHalfWayIsCompletedByItsRepetition(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.rows.Fail(failWritesOf(schema.FamilyUser, store.ErrUncertain))
	if _, err := f.Create(t.Context(), keyed("ada", "correct horse", "k")); err == nil {
		t.Fatal("the account was written")
	}
	f.rows.Fail(nil)
	_, err := f.Create(t.Context(), keyed("ada", "correct horse", "other"))
	wantKind(t, "somebody else", err, social.Conflict, "username")
	session, err := f.Create(t.Context(), keyed("ada", "correct horse", "k"))
	if err != nil {
		t.Fatal(err)
	}
	if u, err := f.Get(t.Context(), "@ada"); err != nil || u != session.User {
		t.Errorf("%+v, want %+v: %v", u, session.User, err)
	}
	if _, err := f.LogIn(t.Context(), "ada", "correct horse"); err != nil {
		t.Error(err)
	}
}

func TestADeletedAccountDoesNotComeBackByItsKey(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	session, err := f.Create(t.Context(), keyed("ada", "correct horse", "k"))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Delete(t.Context(), social.Identity{User: session.User.ID}, session.User.ID); err != nil {
		t.Fatal(err)
	}
	_, err = f.Create(t.Context(), keyed("ada", "correct horse", "k"))
	wantKind(t, "a deleted account", err, social.Conflict, "username")
}

func TestSignUpsAtOnceWithOneKeyMakeOneAccount(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var made sync.WaitGroup
	ids := make([]string, 8)
	for i := range ids {
		made.Go(func() {
			for {
				session, err := f.Create(t.Context(), keyed("ada", "correct horse", "k"))
				if err == nil {
					ids[i] = session.User.ID
					return
				}
				if social.KindOf(err) != social.Internal {
					t.Errorf("%v", err)
					return
				}
			}
		})
	}
	made.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Errorf("accounts %q", ids)
		}
	}
}
