package users_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"grapevine/crdt"
	"grapevine/services/schema"
	"grapevine/services/social"
	"grapevine/store"
)

// noMajority is a store of which one owner alone can be reached.
type noMajority struct{ store.Rows }

func unreachable(ctx context.Context) error {
	if r := store.RequestOf(ctx); r != nil && r.Consistency == store.Quorum {
		return store.ErrUnavailable
	}
	return nil
}

func (n noMajority) Get(ctx context.Context, k store.Key) (crdt.Row, error) {
	if err := unreachable(ctx); err != nil {
		return crdt.Row{}, err
	}
	return n.Rows.Get(ctx, k)
}

func (n noMajority) GetMany(ctx context.Context, ks []store.Key) ([]crdt.Row, error) {
	if err := unreachable(ctx); err != nil {
		return nil, err
	}
	return n.Rows.GetMany(ctx, ks)
}

func (f fixture) rename(t *testing.T, who social.Identity, name string) (social.User, error) {
	t.Helper()
	return f.Update(t.Context(), who, who.User, social.UserPatch{Username: &name})
}

func TestAnAvatarIsAnHTTPSAddressOrAnId(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	_, ann := f.signUp(t, "ann")
	set := func(avatar string) error {
		u, err := f.Update(t.Context(), ann, ann.User, social.UserPatch{Avatar: &avatar})
		if err == nil && u.Avatar != avatar {
			t.Errorf("%q was kept as %q", avatar, u.Avatar)
		}
		return err
	}
	for _, avatar := range []string{
		"https://example.org/a.png?size=1&v=2#x", "https://[2001:db8::1]:8443/a", "blob-17.png", strings.Repeat("x", social.MaxAvatar), "",
	} {
		if err := set(avatar); err != nil {
			t.Errorf("%.40q: %v", avatar, err)
		}
	}
	for _, avatar := range []string{
		"http://example.org/a.png", "javascript:alert(1)", "data:image/png;base64,AAAA", "//example.org/a", "https://", "https:///a",
		"https://user:secret@example.org/a", "https://example.org/\"onerror=x", "https://example.org/<a>", "https://example.org/a b",
		"https://exämple.org/", "a/b", "\x00", "\xff", strings.Repeat("x", social.MaxAvatar+1), "https:a",
	} {
		wantKind(t, avatar, set(avatar), social.Invalid, "avatar")
	}
}

func TestANameThatWouldPassForTheServiceIsReserved(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	_, ann := f.signUp(t, "ann")
	for _, name := range []string{"admin", "Admin", "ADM1N", "supp0rt", "grapevine", "5y5tem", "m0d3r4t0r"} {
		_, err := f.Create(t.Context(), social.NewUser{Username: name, Password: "correct horse"})
		wantKind(t, name, err, social.Invalid, "username")
		_, err = f.rename(t, ann, name)
		wantKind(t, name, err, social.Invalid, "username")
	}
	for _, name := range []string{"badminton", "administrator", "root", "admin_"} {
		f.signUp(t, name)
	}
}

// Letters of other scripts and forms, which look like those of ASCII.
func TestANameThatLooksLikeAnotherIsRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, name := range []string{"аnn", "ａｎｎ", "ann\u200b", "a\u0301nn", "\u212aelvin", "ſam", "ann.", "a-nn", "а", "ann\n"} {
		_, err := f.Create(t.Context(), social.NewUser{Username: name, Password: "correct horse"})
		wantKind(t, name, err, social.Invalid, "username")
	}
}

func TestARenamedAccountKeepsAllButItsName(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	session, ann := f.signUp(t, "ann")
	u, err := f.rename(t, ann, "Anna")
	if err != nil || u.Username != "anna" || u.DisplayName != "anna" || u.ID != ann.User {
		t.Fatalf("renamed to %+v, %v", u, err)
	}
	if got, err := f.Get(t.Context(), "@anna"); err != nil || got != u {
		t.Errorf("@anna is %+v, %v, want %+v", got, err, u)
	}
	_, err = f.Get(t.Context(), "@ann")
	wantKind(t, "the old name", err, social.NotFound, "")
	_, err = f.LogIn(t.Context(), "ann", "correct horse")
	wantKind(t, "log-in by the old name", err, social.Unauthenticated, "")
	if again, err := f.LogIn(t.Context(), "anna", "correct horse"); err != nil || again.User != u {
		t.Errorf("log-in by the new name: %+v, %v", again.User, err)
	}
	if _, err := f.Authenticate(t.Context(), session.Token); err != nil {
		t.Errorf("a token from before: %v", err)
	}
}

func TestARenamingChangesTheOtherFieldsOfItsPatch(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	_, ann := f.signUp(t, "ann")
	name, display, bio := "anna", "Anna", "new"
	u, err := f.Update(t.Context(), ann, "@ann", social.UserPatch{Username: &name, DisplayName: &display, Bio: &bio})
	if got, _ := f.Get(t.Context(), "@anna"); err != nil || got != u || u.DisplayName != "Anna" || u.Bio != "new" {
		t.Errorf("%+v, %v, then %+v", u, err, got)
	}
	if u, err = f.rename(t, ann, "hanna"); err != nil || u.DisplayName != "Anna" {
		t.Errorf("a display name of one's own does not stay: %+v, %v", u, err)
	}
	if u, err = f.rename(t, ann, "HANNA"); err != nil || u.Username != "hanna" {
		t.Errorf("a renaming to the same name: %+v, %v", u, err)
	}
}

func TestARenamingToANameThatIsTakenChangesNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	_, ann := f.signUp(t, "ann")
	f.signUp(t, "bob")
	name, bio := "bob", "new"
	_, err := f.Update(t.Context(), ann, "@ann", social.UserPatch{Username: &name, Bio: &bio})
	wantKind(t, "a taken name", err, social.Conflict, "username")
	if u, err := f.Get(t.Context(), "@ann"); err != nil || u.Bio != "" {
		t.Errorf("%+v, %v", u, err)
	}
}

func TestARenamingThatCertainlyFailedGivesTheNameBack(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	_, ann := f.signUp(t, "ann")
	f.rows.Fail(failWritesOf(schema.FamilyUser, store.ErrOverloaded))
	if _, err := f.rename(t, ann, "anna"); !errors.Is(err, store.ErrOverloaded) {
		t.Fatalf("%v, want ErrOverloaded", err)
	}
	f.rows.Fail(nil)
	f.signUp(t, "anna")
}

func TestANameClaimedByARenamingThatDidNotComeAboutIsTakenOverOnceItIsOld(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	_, ann := f.signUp(t, "ann")
	f.rows.Fail(failWritesOf(schema.FamilyUser, store.ErrUncertain))
	if _, err := f.rename(t, ann, "anna"); !errors.Is(err, store.ErrUncertain) {
		t.Fatalf("%v, want ErrUncertain", err)
	}
	f.rows.Fail(nil)
	if _, err := f.Get(t.Context(), "@anna"); social.KindOf(err) != social.NotFound {
		t.Errorf("a name that nobody bears: %v", err)
	}
	_, err := f.Create(t.Context(), social.NewUser{Username: "anna", Password: "correct horse"})
	wantKind(t, "a young claim", err, social.Conflict, "username")
	f.clock.pass(61 * time.Second)
	f.signUp(t, "anna")
	if u, err := f.Get(t.Context(), ann.User); err != nil || u.Username != "ann" {
		t.Errorf("%+v, %v", u, err)
	}
}

func TestNoticesAreShownNewestFirstAndDismissedByTheirOwner(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	_, ann := f.signUp(t, "ann")
	_, bob := f.signUp(t, "bob")
	var ids []string
	for i := range 3 {
		n := social.Notice{Kind: social.NoticeRenamed, At: f.clock.now().Add(time.Duration(i) * time.Second), OldUsername: "a", NewUsername: "b"}
		n.ID = social.NewID(1, n.At)
		ids = append(ids, n.ID)
		if _, err := f.rows.Write(t.Context(), store.Write{Mutations: []store.Mutation{
			{Key: schema.Notice(ann.User, n.ID), Op: store.Put, Value: schema.EncodeNotice(n)},
		}}); err != nil {
			t.Fatal(err)
		}
	}
	wantKind(t, "another's", f.Dismiss(t.Context(), bob, "@ann", ids[0]), social.Forbidden, "")
	wantKind(t, "no id", f.Dismiss(t.Context(), ann, "@ann", "x"), social.NotFound, "")
	if err := f.Dismiss(t.Context(), ann, "@ann", ids[1]); err != nil {
		t.Fatal(err)
	}
	notices, err := f.Notices(t.Context(), ann)
	if err != nil || len(notices) != 2 || notices[0].ID != ids[2] || notices[1].ID != ids[0] || notices[0].OldUsername != "a" {
		t.Errorf("%+v, %v", notices, err)
	}
}
