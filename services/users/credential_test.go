package users_test

import (
	"errors"
	"testing"
	"time"

	"grapevine/services/schema"
	"grapevine/services/social"
	"grapevine/services/users"
	"grapevine/store"
)

func TestANewPasswordEndsAllEarlierTokensAlsoOfAFasterClock(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	first, who := f.signUp(t, "ann")
	f.clock.pass(time.Hour) // a node whose clock is ahead
	fast, err := f.LogIn(t.Context(), "ann", "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	f.clock.pass(-time.Hour)
	if err := f.SetPassword(t.Context(), who, "@ann", "correct horse", "battery staple"); err != nil {
		t.Fatal(err)
	}
	for _, token := range []string{first.Token, fast.Token} {
		_, err := f.Authenticate(t.Context(), token)
		wantKind(t, "an earlier token", err, social.Unauthenticated, "")
	}
	_, err = f.LogIn(t.Context(), "ann", "correct horse")
	wantKind(t, "the old password", err, social.Unauthenticated, "")
	again, err := f.LogIn(t.Context(), "ann", "battery staple")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Authenticate(t.Context(), again.Token); err != nil {
		t.Errorf("a token by the new password: %v", err)
	}
}

func TestAPasswordChangesOnlyWithThePresentOne(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	session, ann := f.signUp(t, "ann")
	_, bob := f.signUp(t, "bob")
	for _, c := range []struct {
		what          string
		who           social.Identity
		current, next string
		kind          social.Kind
		field         string
	}{
		{"a wrong password", ann, "wrong horse", "battery staple", social.Forbidden, "current_password"},
		{"one that could not have been set", ann, "x", "battery staple", social.Forbidden, "current_password"},
		{"a short new one", ann, "correct horse", "short", social.Invalid, "new_password"},
		{"another's", bob, "correct horse", "battery staple", social.Forbidden, ""},
		{"nobody's", social.Identity{}, "correct horse", "battery staple", social.Unauthenticated, ""},
	} {
		wantKind(t, c.what, f.SetPassword(t.Context(), c.who, "@ann", c.current, c.next), c.kind, c.field)
	}
	if _, err := f.Authenticate(t.Context(), session.Token); err != nil {
		t.Errorf("the token after refusals: %v", err)
	}
}

func TestLoggingOutEverywhereKeepsThePassword(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	session, ann := f.signUp(t, "ann")
	if err := f.LogOutEverywhere(t.Context(), ann); err != nil {
		t.Fatal(err)
	}
	_, err := f.Authenticate(t.Context(), session.Token)
	wantKind(t, "an earlier token", err, social.Unauthenticated, "")
	if _, err := f.LogIn(t.Context(), "ann", "correct horse"); err != nil {
		t.Error(err)
	}
	wantKind(t, "of nobody", f.LogOutEverywhere(t.Context(), social.Identity{}), social.Unauthenticated, "")
}

// This node has not heard of the latest generation, and cannot ask.
func TestATokenOfALaterGenerationIsAcceptedWhereNobodyCanBeAsked(t *testing.T) {
	t.Parallel()
	f, behind := newFixture(t), newFixture(t)
	early, ann := f.signUp(t, "ann")
	copyAccount(t, f, behind, ann.User)
	if err := f.LogOutEverywhere(t.Context(), ann); err != nil {
		t.Fatal(err)
	}
	late, err := f.LogIn(t.Context(), "ann", "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	alone, err := users.New(users.Config{Rows: noMajority{behind.rows}, Now: f.clock.now, HashCost: cheap})
	if err != nil {
		t.Fatal(err)
	}
	for _, token := range []string{early.Token, late.Token} {
		if _, err := alone.Authenticate(t.Context(), token); err != nil {
			t.Error(err)
		}
	}
	alone, err = users.New(users.Config{Rows: noMajority{f.rows}, Now: f.clock.now, HashCost: cheap})
	if err != nil {
		t.Fatal(err)
	}
	_, err = alone.Authenticate(t.Context(), early.Token)
	wantKind(t, "an earlier token where the end is known", err, social.Unauthenticated, "")
}

// copyAccount brings an account as it is to another store.
func copyAccount(t *testing.T, from, to fixture, user string) {
	t.Helper()
	for _, k := range []store.Key{schema.User(user), schema.Credential(user)} {
		row, err := from.rows.Get(t.Context(), k)
		if err != nil {
			t.Fatal(err)
		}
		birth, _ := row.Last()
		if _, err := to.rows.Write(t.Context(), store.Write{Mutations: []store.Mutation{{Key: k, Op: store.Put, Value: birth.Value}}}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAPasswordWhoseAccountTheOwnerHasNotSeenIsBehind(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	_, ann := f.signUp(t, "ann")
	f.rows.Fail(failWritesOf(schema.FamilyCredential, store.ErrNotFound))
	if err := f.SetPassword(t.Context(), ann, ann.User, "correct horse", "battery staple"); !errors.Is(err, store.ErrBehind) {
		t.Errorf("%v, want ErrBehind", err)
	}
}
