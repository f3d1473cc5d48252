package users_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"grapevine/crdt"
	"grapevine/services/schema"
	"grapevine/services/servicetest"
	"grapevine/services/social"
	"grapevine/services/users"
	"grapevine/store"
)

// cheap is the least Argon2id takes, so that tests do not wait for it.
var cheap = users.Cost{Memory: 8, Time: 1, Threads: 1}

// clock is a wall clock that tests move.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

type fixture struct {
	*users.Service
	rows  *servicetest.Store
	clock *clock
}

func newFixture(t testing.TB) fixture {
	t.Helper()
	c := &clock{at: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	rows := servicetest.New(c.now)
	s, err := users.New(users.Config{Rows: rows, Now: c.now, Current: rows.Current, HashCost: cheap})
	if err != nil {
		t.Fatal(err)
	}
	rows.OnChange(s.Invalidate)
	return fixture{s, rows, c}
}

func (f fixture) signUp(t testing.TB, name string) (social.Session, social.Identity) {
	t.Helper()
	session, err := f.Create(t.Context(), social.NewUser{Username: name, Password: "correct horse"})
	if err != nil {
		t.Fatalf("sign up %s: %v", name, err)
	}
	who, err := f.Authenticate(t.Context(), session.Token)
	if err != nil {
		t.Fatalf("authenticate %s: %v", name, err)
	}
	return session, who
}

func wantKind(t *testing.T, what string, err error, kind social.Kind, field string) {
	t.Helper()
	var e *social.Error
	if !errors.As(err, &e) || e.Kind != kind || e.Field != field {
		t.Errorf("%s: %v, want kind %d of field %q", what, err, kind, field)
	}
}

func TestSigningUpLogsIn(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	session, who := f.signUp(t, "Ann")
	if u := session.User; u.Username != "ann" || u.DisplayName != "ann" || who.User != u.ID {
		t.Errorf("user %+v, identity %+v", u, who)
	}
	if want := f.clock.now().Add(30 * 24 * time.Hour); !session.ExpiresAt.Equal(want) || !who.Expires.Equal(want) {
		t.Errorf("expires at %v, want %v", session.ExpiresAt, want)
	}
	got, err := f.Get(t.Context(), "@ANN")
	if err != nil || got != session.User {
		t.Errorf("Get gives %+v, %v, want %+v", got, err, session.User)
	}
}

func TestInvalidSignUpsNameTheField(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	valid := func(change func(*social.NewUser)) social.NewUser {
		n := social.NewUser{Username: "bob", Password: "12345678"}
		change(&n)
		return n
	}
	for _, c := range []struct {
		field string
		n     social.NewUser
	}{
		{"username", valid(func(n *social.NewUser) { n.Username = "" })},
		{"username", valid(func(n *social.NewUser) { n.Username = "b ob" })},
		{"username", valid(func(n *social.NewUser) { n.Username = "böb" })},
		{"username", valid(func(n *social.NewUser) { n.Username = strings.Repeat("b", 33) })},
		{"password", valid(func(n *social.NewUser) { n.Password = "1234567" })},
		{"password", valid(func(n *social.NewUser) { n.Password = strings.Repeat("1", 257) })},
		{"password", valid(func(n *social.NewUser) { n.Password = "\xff2345678" })},
		{"display_name", valid(func(n *social.NewUser) { n.DisplayName = strings.Repeat("é", 65) })},
		{"display_name", valid(func(n *social.NewUser) { n.DisplayName = "a\x00b" })},
		{"display_name", valid(func(n *social.NewUser) { n.DisplayName = "a\nb" })},
		{"display_name", valid(func(n *social.NewUser) { n.DisplayName = "  " })},
		{"display_name", valid(func(n *social.NewUser) { n.DisplayName = "\xc3\x28" })},
		{"bio", valid(func(n *social.NewUser) { n.Bio = strings.Repeat("é", 501) })},
		{"bio", valid(func(n *social.NewUser) { n.Bio = "a\x1b[2Jb" })},
	} {
		_, err := f.Create(t.Context(), c.n)
		wantKind(t, fmt.Sprintf("%+v", c.n), err, social.Invalid, c.field)
	}
	longest := valid(func(n *social.NewUser) {
		n.Username, n.DisplayName, n.Bio = strings.Repeat("B", 32), strings.Repeat("é", 64), strings.Repeat("é", 498)+"\n\t"
	})
	if _, err := f.Create(t.Context(), longest); err != nil {
		t.Errorf("the longest texts: %v", err)
	}
}

func TestAUsernameIsTakenOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const n = 8
	errs := make(chan error, n)
	for range n {
		go func() {
			_, err := f.Create(t.Context(), social.NewUser{Username: "ann", Password: "correct horse"})
			errs <- err
		}()
	}
	won := 0
	for range n {
		if err := <-errs; err == nil {
			won++
		} else {
			wantKind(t, "second sign-up", err, social.Conflict, "username")
		}
	}
	if won != 1 {
		t.Errorf("%d sign-ups of one name", won)
	}
}

func TestTheEarlierOfTwoClaimsHolds(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	session, _ := f.signUp(t, "ann")
	f.rows.Concurrently(schema.Name("ann"), []byte(social.NewID(1, f.clock.now())))
	got, err := f.Resolve(t.Context(), "@ann")
	if err != nil || got != session.User.ID {
		t.Errorf("@ann is %s, %v, want %s", got, err, session.User.ID)
	}
}

// failWritesOf makes writes to a family fail.
func failWritesOf(family store.Family, err error) func([]store.Key, bool) error {
	return func(keys []store.Key, write bool) error {
		if write && slices.ContainsFunc(keys, func(k store.Key) bool { return k.Family == family }) {
			return err
		}
		return nil
	}
}

func TestASignUpThatCertainlyFailedGivesTheNameBack(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.rows.Fail(failWritesOf(schema.FamilyUser, store.ErrNoSpace))
	_, err := f.Create(t.Context(), social.NewUser{Username: "ann", Password: "correct horse"})
	if !errors.Is(err, store.ErrNoSpace) {
		t.Fatalf("%v, want ErrNoSpace", err)
	}
	f.rows.Fail(nil)
	f.signUp(t, "ann")
}

func TestAnAbandonedClaimIsTakenOverOnceItIsOld(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	// The account may have been written, so the claim stays.
	f.rows.Fail(failWritesOf(schema.FamilyUser, store.ErrUnavailable))
	if _, err := f.Create(t.Context(), social.NewUser{Username: "ann", Password: "correct horse"}); err == nil {
		t.Fatal("sign-up without a reachable owner succeeded")
	}
	f.rows.Fail(nil)
	_, err := f.Create(t.Context(), social.NewUser{Username: "ann", Password: "correct horse"})
	wantKind(t, "a young claim", err, social.Conflict, "username")
	f.clock.pass(61 * time.Second)
	f.signUp(t, "ann")
	f.clock.pass(time.Hour)
	_, err = f.Create(t.Context(), social.NewUser{Username: "ann", Password: "correct horse"})
	wantKind(t, "a living claim", err, social.Conflict, "username")
}

// meeting lets two sign-ups go on only when both have found a claim abandoned.
type meeting struct {
	store.Rows
	both sync.WaitGroup
}

func (m *meeting) GetMany(ctx context.Context, ks []store.Key) ([]crdt.Row, error) {
	rows, err := m.Rows.GetMany(ctx, ks)
	m.both.Done()
	m.both.Wait()
	return rows, err
}

func TestAnAbandonedClaimHasOneSuccessor(t *testing.T) {
	t.Parallel()
	c := &clock{at: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	rows := servicetest.New(c.now)
	rows.Concurrently(schema.Name("ann"), []byte(social.NewID(1, c.now())))
	c.pass(time.Hour)
	m := &meeting{Rows: rows}
	m.both.Add(2)
	s, err := users.New(users.Config{Rows: m, Now: c.now, HashCost: cheap})
	if err != nil {
		t.Fatal(err)
	}
	errs := make(chan error)
	for range 2 {
		go func() {
			_, err := s.Create(t.Context(), social.NewUser{Username: "ann", Password: "correct horse"})
			errs <- err
		}()
	}
	first, second := <-errs, <-errs
	if (first == nil) == (second == nil) {
		t.Fatalf("%v and %v, want one success", first, second)
	}
	wantKind(t, "the other", errors.Join(first, second), social.Conflict, "username")
}

func TestADeletedUsersNameStaysTakenUntilFanOutReleasesIt(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	_, who := f.signUp(t, "ann")
	f.clock.pass(time.Hour)
	if err := f.Delete(t.Context(), who, "@ann"); err != nil {
		t.Fatal(err)
	}
	_, err := f.Create(t.Context(), social.NewUser{Username: "ann", Password: "correct horse"})
	wantKind(t, "sign-up during the departure", err, social.Conflict, "username")
}

func TestAnAccountChangesOnlyWithItsOwnToken(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	_, ann := f.signUp(t, "ann")
	_, bob := f.signUp(t, "bob")
	bio := "new"
	_, err := f.Update(t.Context(), bob, "@ann", social.UserPatch{Bio: &bio})
	wantKind(t, "another's update", err, social.Forbidden, "")
	wantKind(t, "another's delete", f.Delete(t.Context(), bob, "@ann"), social.Forbidden, "")
	wantKind(t, "anonymous delete", f.Delete(t.Context(), social.Identity{}, "@ann"), social.Unauthenticated, "")
	wantKind(t, "delete of nobody", f.Delete(t.Context(), bob, "@nobody"), social.NotFound, "")
	u, err := f.Update(t.Context(), ann, "@ann", social.UserPatch{Bio: &bio})
	if got, _ := f.Get(t.Context(), ann.User); err != nil || got != u || u.Bio != "new" {
		t.Errorf("update gives %+v, %v, then %+v", u, err, got)
	}
}

func TestUpdateChangesOnlyWhatIsGiven(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	_, ann := f.signUp(t, "ann")
	name, empty, long := "Ann", "", strings.Repeat("x", 65)
	if _, err := f.Update(t.Context(), ann, ann.User, social.UserPatch{DisplayName: &name}); err != nil {
		t.Fatal(err)
	}
	_, err := f.Update(t.Context(), ann, ann.User, social.UserPatch{DisplayName: &long})
	wantKind(t, "a long name", err, social.Invalid, "display_name")
	if u, err := f.Update(t.Context(), ann, ann.User, social.UserPatch{}); err != nil || u.DisplayName != "Ann" {
		t.Errorf("an empty patch: %+v, %v", u, err)
	}
	if u, err := f.Update(t.Context(), ann, ann.User, social.UserPatch{DisplayName: &empty}); err != nil || u.DisplayName != "ann" {
		t.Errorf("an emptied name: %+v, %v", u, err)
	}
}

func TestAnEmptyPatchIsAWriteLikeAnyOther(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	_, ann := f.signUp(t, "ann")
	f.rows.Fail(func(_ []store.Key, write bool) error {
		if write {
			return store.ErrNoSpace
		}
		return nil
	})
	if _, err := f.Update(t.Context(), ann, ann.User, social.UserPatch{}); !errors.Is(err, store.ErrNoSpace) {
		t.Errorf("%v, want what the store says", err)
	}
}

func TestGetManyLeavesOutTheMissingAndKeepsTheOrder(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a, _ := f.signUp(t, "a")
	b, _ := f.signUp(t, "b")
	got, err := f.GetMany(t.Context(), []string{b.User.ID, social.NewID(1, f.clock.now()), "garbage", a.User.ID})
	if err != nil || !slices.Equal(got, []social.User{b.User, a.User}) {
		t.Errorf("%+v, %v", got, err)
	}
	ids, err := f.IDs(t.Context(), []string{"a", "nobody", "b"})
	if err != nil || !slices.Equal(ids, []string{a.User.ID, "", b.User.ID}) {
		t.Errorf("IDs %v, %v", ids, err)
	}
}

func TestListGivesAllUsersNewestFirst(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var want []string
	for i := range 7 {
		session, _ := f.signUp(t, fmt.Sprintf("user%d", i))
		want = append([]string{session.User.Username}, want...)
		f.clock.pass(time.Second)
	}
	var got []string
	cut := social.Cut{Limit: 3}
	for {
		page, coverage, err := f.List(t.Context(), cut)
		if err != nil || coverage.Answered != coverage.Asked {
			t.Fatal(coverage, err)
		}
		for _, u := range page.Items {
			got = append(got, u.Username)
		}
		if cut.Cursor = page.Next; page.Next == "" {
			break
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestARefToNobodyIsNotFound(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, ref := range []string{"", "@", "@nobody", "@b b", "nobody", social.NewID(1, f.clock.now())} {
		_, err := f.Get(t.Context(), ref)
		wantKind(t, ref, err, social.NotFound, "")
	}
}
