package users_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"grapevine/services/schema"
	"grapevine/services/social"
	"grapevine/services/users"
	"grapevine/store"
)

func TestLogInTellsNeitherNameNorPassword(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	session, _ := f.signUp(t, "ann")
	again, err := f.LogIn(t.Context(), "ANN", "correct horse")
	if err != nil || again.User != session.User || again.Token == session.Token {
		t.Errorf("log in: %+v, %v", again.User, err)
	}
	_, wrongPassword := f.LogIn(t.Context(), "ann", "wrong horse")
	_, unknownName := f.LogIn(t.Context(), "bob", "wrong horse")
	_, impossibleName := f.LogIn(t.Context(), "b b", "wrong horse")
	_, impossiblePassword := f.LogIn(t.Context(), "ann", "x")
	for _, err := range []error{wrongPassword, unknownName, impossibleName, impossiblePassword} {
		wantKind(t, "log-in", err, social.Unauthenticated, "")
		if err.Error() != wrongPassword.Error() {
			t.Errorf("%q differs from %q", err, wrongPassword)
		}
	}
}

func TestLogOutEndsThatTokenAlone(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	session, who := f.signUp(t, "ann")
	other, err := f.LogIn(t.Context(), "ann", "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	if err := f.LogOut(t.Context(), who); err != nil {
		t.Fatal(err)
	}
	_, err = f.Authenticate(t.Context(), session.Token)
	wantKind(t, "the logged-out token", err, social.Unauthenticated, "")
	if _, err := f.Authenticate(t.Context(), other.Token); err != nil {
		t.Errorf("the other token: %v", err)
	}
}

func TestLogOutSweepsRevocationsOfExpiredTokens(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	_, who := f.signUp(t, "ann")
	if err := f.LogOut(t.Context(), who); err != nil {
		t.Fatal(err)
	}
	f.clock.pass(32 * 24 * time.Hour)
	session, err := f.LogIn(t.Context(), "ann", "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	if who, err = f.Authenticate(t.Context(), session.Token); err != nil {
		t.Fatal(err)
	}
	if err := f.LogOut(t.Context(), who); err != nil {
		t.Fatal(err)
	}
	if keys := f.rows.Keys(schema.FamilyRevoked); len(keys) != 1 || schema.Other(keys[0]) != who.TokenID {
		t.Errorf("revocations %v, want that of %s", keys, who.TokenID)
	}
}

func TestATokenIsRefusedWhenForgedExpiredOrOfADeletedUser(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	session, who := f.signUp(t, "ann")
	stranger := newFixture(t)
	foreign, err := users.New(users.Config{Rows: f.rows, Secret: [32]byte{1}, Now: f.clock.now, HashCost: cheap})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stranger.Authenticate(t.Context(), session.Token); err == nil {
		t.Error("a token of a user that does not exist is accepted")
	}
	_, err = foreign.Authenticate(t.Context(), session.Token)
	wantKind(t, "a token of another cluster", err, social.Unauthenticated, "")
	for _, token := range []string{"", "x", "v4.local.", session.Token + "x", strings.Repeat("v4.local.x", 1000)} {
		_, err := f.Authenticate(t.Context(), token)
		wantKind(t, "a forged token", err, social.Unauthenticated, "")
	}
	f.clock.pass(30*24*time.Hour + time.Second)
	_, err = f.Authenticate(t.Context(), session.Token)
	wantKind(t, "an expired token", err, social.Unauthenticated, "")

	again, err := f.LogIn(t.Context(), "ann", "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Authenticate(t.Context(), again.Token); err != nil {
		t.Fatal(err)
	}
	if err := f.Delete(t.Context(), who, who.User); err != nil {
		t.Fatal(err)
	}
	_, err = f.Authenticate(t.Context(), again.Token)
	wantKind(t, "a token of a deleted user", err, social.Unauthenticated, "")
}

func TestATokenInUseIsNotLookedUpAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	session, _ := f.signUp(t, "ann")
	before, _ := f.rows.Counts()
	for range 10 {
		if _, err := f.Authenticate(t.Context(), session.Token); err != nil {
			t.Fatal(err)
		}
	}
	if after, _ := f.rows.Counts(); after != before {
		t.Errorf("%d reads", after-before)
	}
}

func TestAValidTokenIsAcceptedWhileItsOwnersCannotBeReached(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	session, who := f.signUp(t, "ann")
	if err := f.LogOut(t.Context(), who); err != nil { // forget what is known of the token
		t.Fatal(err)
	}
	f.rows.Fail(func([]store.Key, bool) error { return store.ErrUnavailable })
	if _, err := f.Authenticate(t.Context(), session.Token); err != nil {
		t.Errorf("%v", err)
	}
	f.rows.Fail(func([]store.Key, bool) error { return store.ErrBehind })
	if _, err := f.Authenticate(t.Context(), session.Token); !errors.Is(err, store.ErrBehind) {
		t.Errorf("%v, want ErrBehind", err)
	}
}

func TestASignUpWhoseRequestEndedWritesNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := f.Create(ctx, social.NewUser{Username: "ann", Password: "correct horse"})
	if _, writes := f.rows.Counts(); !errors.Is(err, context.Canceled) || writes != 0 {
		t.Errorf("%v after %d writes, want Canceled", err, writes)
	}
}

func BenchmarkAuthenticate(b *testing.B) {
	f := newFixture(b)
	session, _ := f.signUp(b, "ann")
	for b.Loop() {
		if _, err := f.Authenticate(b.Context(), session.Token); err != nil {
			b.Fatal(err)
		}
	}
}
