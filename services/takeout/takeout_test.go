package takeout_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"grapevine/services/graph"
	"grapevine/services/lists"
	"grapevine/services/posts"
	"grapevine/services/schema"
	"grapevine/services/servicetest"
	"grapevine/services/social"
	"grapevine/services/takeout"
	"grapevine/services/users"
	"grapevine/store"
)

// world is a network of its own with its services.
type world struct {
	*takeout.Service
	t     *testing.T
	rows  *servicetest.Store
	users *users.Service
	posts *posts.Service
	graph *graph.Service
	lists *lists.Service
	at    time.Time
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, at: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	now := func() time.Time { return w.at }
	w.rows = servicetest.New(now)
	var err error
	w.users, err = users.New(users.Config{Rows: w.rows, Now: now, HashCost: users.Cost{Memory: 8, Time: 1, Threads: 1}})
	w.must(err)
	w.posts, err = posts.New(posts.Config{Rows: w.rows, Users: w.users, Now: now})
	w.must(err)
	w.graph, err = graph.New(graph.Config{Rows: w.rows, Users: w.users, Now: now})
	w.must(err)
	w.lists = lists.New(lists.Config{Rows: w.rows, Users: w.users, Relations: w.graph, Now: now})
	w.Service = takeout.New(w.users, w.posts, w.graph, w.lists, now)
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) signUp(name string) social.Identity {
	w.t.Helper()
	s, err := w.users.Create(w.t.Context(), social.NewUser{Username: name, Password: "correct horse"})
	w.must(err)
	return social.Identity{User: s.User.ID}
}

func (w *world) post(who social.Identity, n social.NewPost) social.Post {
	w.t.Helper()
	w.at = w.at.Add(time.Second)
	p, err := w.posts.Create(w.t.Context(), who, n)
	w.must(err)
	return p
}

func (w *world) export(who social.Identity) string {
	w.t.Helper()
	var b bytes.Buffer
	w.must(w.Export(w.t.Context(), &b, who, who.User))
	return b.String()
}

func (w *world) take(who social.Identity, file string) social.Imported {
	w.t.Helper()
	done, err := w.Import(w.t.Context(), strings.NewReader(file), who, who.User)
	w.must(err)
	return done
}

// shown gives the posts of an author as a viewer sees them, newest first.
func (w *world) shown(viewer, author social.Identity) []social.Post {
	w.t.Helper()
	var all []social.Post
	for cut := (social.Cut{Limit: 100}); ; {
		page, err := w.posts.ByAuthor(w.t.Context(), viewer, author.User, social.PostFilter{}, cut)
		w.must(err)
		for _, raw := range page.Items {
			var p social.Post
			w.must(json.Unmarshal(raw, &p))
			all = append(all, p)
		}
		if cut.Cursor = page.Next; cut.Cursor == "" {
			return all
		}
	}
}

// skipped gives how often lines of a type were passed over for a reason.
func skipped(done social.Imported, kind, reason string) int {
	for _, s := range done.Skipped {
		if s.Type == kind && s.Reason == reason {
			return s.Count
		}
	}
	return 0
}

const header = `{"type":"grapevine-export","version":1}` + "\n"

func TestAnExportTellsAllOfAnAccountAndEndsWithItsLength(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ann, bob := w.signUp("ann"), w.signUp("bob")
	w.must(w.graph.Follow(t.Context(), ann, ann.User, bob.User))
	for i := range 250 {
		w.post(ann, social.NewPost{Text: fmt.Sprint("post ", i)})
	}
	w.post(ann, social.NewPost{Text: "@bob", Visibility: social.Direct})
	gone := w.post(ann, social.NewPost{Text: "gone"})
	w.must(w.posts.Delete(t.Context(), ann, gone.ID))
	lines := strings.Split(strings.TrimSuffix(w.export(ann), "\n"), "\n")
	count := map[string]int{}
	for _, line := range lines {
		var l struct{ Type string }
		w.must(json.Unmarshal([]byte(line), &l))
		count[l.Type]++
	}
	want := map[string]int{"grapevine-export": 1, "profile": 1, "post": 251, "following": 1, "end": 1}
	if fmt.Sprint(count) != fmt.Sprint(want) {
		t.Errorf("lines %v, want %v", count, want)
	}
	if last := lines[len(lines)-1]; last != fmt.Sprintf(`{"type":"end","lines":%d}`, len(lines)-1) {
		t.Errorf("the last line is %s", last)
	}
}

func TestAnAccountIsExportedAndImportedByItsOwnerAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ann, bob := w.signUp("ann"), w.signUp("bob")
	for who, kind := range map[social.Identity]social.Kind{bob: social.Forbidden, {}: social.Unauthenticated} {
		var b bytes.Buffer
		if err := w.Export(t.Context(), &b, who, ann.User); social.KindOf(err) != kind || b.Len() > 0 {
			t.Errorf("export: %v after %q", err, b.String())
		}
		if _, err := w.Import(t.Context(), strings.NewReader(header), who, ann.User); social.KindOf(err) != kind {
			t.Errorf("import: %v", err)
		}
	}
}

// The file of one network becomes an account of another, where other people have
// other ids.
func TestAnArchiveIsTakenIntoAnotherNetwork(t *testing.T) {
	t.Parallel()
	old, w := newWorld(t), newWorld(t)
	ann, bob, gone := old.signUp("ann"), old.signUp("bob"), old.signUp("gone")
	bio, avatar := "a\nbio", "blob-1"
	_, err := old.users.Update(t.Context(), ann, ann.User, social.UserPatch{Bio: &bio, Avatar: &avatar})
	old.must(err)
	old.must(old.graph.Follow(t.Context(), ann, ann.User, bob.User))
	old.must(old.graph.Follow(t.Context(), ann, ann.User, gone.User))
	old.must(old.graph.Follow(t.Context(), bob, bob.User, ann.User))
	first := old.post(ann, social.NewPost{Text: "first, to @bob"})
	old.post(ann, social.NewPost{Text: "more", ReplyTo: first.ID, Visibility: social.Followers})
	old.post(ann, social.NewPost{Text: "@bob in private", Visibility: social.Direct})
	bobs := old.post(bob, social.NewPost{Text: "bob's"})
	old.post(ann, social.NewPost{Text: "to bob's", ReplyTo: bobs.ID})
	for _, text := range []string{"second", "first, edited, to @bob"} {
		old.at = old.at.Add(time.Minute)
		_, err = old.posts.Edit(t.Context(), ann, first.ID, text)
		old.must(err)
	}

	w.at = old.at.Add(time.Hour)
	me, other := w.signUp("me"), w.signUp("bob")
	file := old.export(ann)
	done := w.take(me, file)
	if !done.Complete || !done.Profile || done.Posts != 4 || done.Edits != 2 || done.Following != 1 ||
		skipped(done, "following", social.SkipNoSuchUser) != 1 {
		t.Errorf("done %+v", done)
	}
	u, err := w.users.Get(t.Context(), me.User)
	if err != nil || u.Username != "me" || u.DisplayName != "me" || u.Bio != bio || u.Avatar != avatar {
		t.Errorf("profile %+v, %v", u, err)
	}
	following, err := w.graph.Following(t.Context(), me.User, social.Cut{})
	if err != nil || len(following.Items) != 1 || following.Items[0].ID != other.User {
		t.Errorf("following %+v, %v", following.Items, err)
	}
	theirs := old.shown(ann, ann)
	for i, p := range w.shown(me, me) {
		if p.Text != theirs[i].Text || p.Visibility != theirs[i].Visibility || !p.CreatedAt.Equal(theirs[i].CreatedAt) {
			t.Errorf("post %d: %+v, want %+v", i, p, theirs[i])
		}
		if p.Author != me.User || p.ID == theirs[i].ID || len(p.Mentions) > 0 || p.ImportedAt == nil || !p.ImportedAt.Equal(w.at) {
			t.Errorf("post %d: %+v is not marked as taken over", i, p)
		}
		if (p.EditedAt == nil) != (theirs[i].EditedAt == nil) {
			t.Errorf("post %d: edited at %v, want %v", i, p.EditedAt, theirs[i].EditedAt)
		}
	}
	mine := w.shown(me, me)
	was, err := old.posts.History(t.Context(), ann, first.ID, social.Cut{})
	old.must(err)
	is, err := w.posts.History(t.Context(), me, mine[3].ID, social.Cut{})
	if err != nil || len(is.Items) != 3 || !slices.Equal(is.Items, was.Items) {
		t.Errorf("history %+v, %v, want %+v", is.Items, err, was.Items)
	}
	if mine[2].ReplyTo != mine[3].ID || mine[0].ReplyTo != "" {
		t.Errorf("replies answer %q and %q", mine[2].ReplyTo, mine[0].ReplyTo)
	}
	if seen := w.shown(other, me); len(seen) != 2 {
		t.Errorf("bob, who does not follow, sees %d posts, want the two public", len(seen))
	}
}

func TestToImportAgainChangesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ann, eve := w.signUp("ann"), w.signUp("eve")
	for i := range 230 {
		w.post(ann, social.NewPost{Text: fmt.Sprint(i)})
	}
	file := w.export(ann)
	if done := w.take(ann, file); done.Posts != 0 || skipped(done, "post", social.SkipExists) != 230 {
		t.Errorf("into the account itself: %+v", done)
	}
	if done := w.take(eve, file); done.Posts != 230 || len(done.Skipped) != 0 {
		t.Errorf("into another: %+v", done)
	}
	before := w.shown(eve, eve)
	if done := w.take(eve, file); done.Posts != 0 || skipped(done, "post", social.SkipExists) != 230 {
		t.Errorf("again: %+v", done)
	}
	// What was exported of the copy is the copy's, and is known there.
	if done := w.take(eve, w.export(eve)); done.Posts != 0 || skipped(done, "post", social.SkipExists) != 230 {
		t.Errorf("the copy's own: %+v", done)
	}
	if after := w.shown(eve, eve); len(before) != 230 || !slices.EqualFunc(before, after, func(a, b social.Post) bool { return a.ID == b.ID && a.Text == b.Text }) {
		t.Errorf("%d posts before, %d after", len(before), len(after))
	}
}

func TestWhatCannotBeTakenIsPassedOverAndToldOf(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ann := w.signUp("ann")
	post := func(id, text, visibility string) string {
		return fmt.Sprintf(`{"type":"post","id":%q,"author":"someone else","text":%q,"visibility":%q}`, id, text, visibility)
	}
	id := func(d time.Duration) string { return social.NewID(1, w.at.Add(d)) }
	twice := id(0)
	file := header + strings.Join([]string{
		`{"type":"profile","username":"admin","bio":"` + strings.Repeat("x", 501) + `"}`,
		post(id(-time.Hour), "good", "public"), post(twice, "good", "public"), post(twice, "other", "public"),
		post(id(time.Hour), "early", "public"), post("x", "no id", "public"), post(id(0), " ", "public"), post(id(0), "odd", "secret"),
		`{"type":"post","id":7}`, `{"type":"following","id":"` + ann.User + `"}`, `{"type":"following","id":"x","username":"ann/x"}`,
		`{"type":"following","username":"nobody"}`, `{"type":"follower","id":"x"}`, `{"type":"poll"}`, `{`, "\xff", "", `[]`,
	}, "\n")
	done := w.take(ann, file)
	for _, want := range []social.Skip{
		{Type: "profile", Reason: social.SkipInvalid, Count: 1, Line: 2}, {Type: "post", Reason: social.SkipRepeated, Count: 1, Line: 5},
		{Type: "post", Reason: social.SkipFuture, Count: 1, Line: 6}, {Type: "post", Reason: social.SkipInvalid, Count: 3, Line: 7},
		{Type: "post", Reason: social.SkipMalformed, Count: 1, Line: 10}, {Type: "following", Reason: social.SkipYourself, Count: 1, Line: 11},
		{Type: "following", Reason: social.SkipNoSuchUser, Count: 2, Line: 12}, {Type: "follower", Reason: social.SkipNotImportable, Count: 1, Line: 14},
		{Type: "unknown", Reason: social.SkipUnknown, Count: 1, Line: 15}, {Type: "unknown", Reason: social.SkipMalformed, Count: 3, Line: 16},
	} {
		if !slices.ContainsFunc(done.Skipped, func(s social.Skip) bool {
			s.Detail = ""
			return s == want
		}) {
			t.Errorf("%+v is not among %+v", want, done.Skipped)
		}
	}
	if done.Posts != 2 || done.Following != 0 || done.Profile || done.Complete || len(done.Skipped) != 10 {
		t.Errorf("done %+v", done)
	}
	if got := w.shown(ann, ann); len(got) != 2 || got[0].Author != ann.User {
		t.Errorf("posts %+v", got)
	}
}

func TestWhatIsNotAnExportIsRefusedWhole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ann := w.signUp("ann")
	for _, file := range []string{
		"", "\n", "{}", `{"type":"profile","bio":"x"}`, `{"type":"grapevine-export","version":2}`, "PK\x03\x04", `{"type":"grapevine-export","version":"1"}`,
		header + `{"type":"post","text":"` + strings.Repeat("x", takeout.MaxLine) + `"}`,
	} {
		_, err := w.Import(t.Context(), strings.NewReader(file), ann, ann.User)
		var e *social.Error
		if !errors.As(err, &e) || e.Kind != social.Invalid || e.Field != "body" {
			t.Errorf("%.40q: %v, want Invalid body", file, err)
		}
	}
}

func TestAnImportThatBreaksOffGoesOnWhenItIsRepeated(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ann, eve := w.signUp("ann"), w.signUp("eve")
	for i := range 250 {
		w.post(ann, social.NewPost{Text: fmt.Sprint(i)})
	}
	file := w.export(ann)
	broken := errors.New("the line broke")
	_, err := w.Import(t.Context(), io.MultiReader(strings.NewReader(file[:len(file)/2]), failing{broken}), eve, eve.User)
	if !errors.Is(err, broken) {
		t.Errorf("%v, want the reader's", err)
	}
	writes := 0
	w.rows.Fail(func(keys []store.Key, write bool) error {
		if write && keys[0].Family == schema.FamilyPost {
			if writes++; writes == 2 {
				return store.ErrOverloaded
			}
		}
		return nil
	})
	if _, err := w.Import(t.Context(), strings.NewReader(file), eve, eve.User); !errors.Is(err, store.ErrOverloaded) {
		t.Errorf("%v, want ErrOverloaded", err)
	}
	if done := w.take(eve, file); done.Posts+skipped(done, "post", social.SkipExists) != 250 || done.Posts == 0 || done.Posts == 250 {
		t.Errorf("%+v", done)
	}
	if got := w.shown(eve, eve); len(got) != 250 {
		t.Errorf("%d posts", len(got))
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestTheLongestPostsFitALineAndAWrite(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ann, eve := w.signUp("ann"), w.signUp("eve")
	for range 20 {
		p := w.post(ann, social.NewPost{Text: strings.Repeat("\u2028x", social.MaxText/2)})
		_, err := w.posts.Edit(t.Context(), ann, p.ID, strings.Repeat("🍇", social.MaxText))
		w.must(err)
	}
	if done := w.take(eve, w.export(ann)); done.Posts != 20 {
		t.Errorf("%+v", done)
	}
}

// No file makes an import fail otherwise than by refusing it.
func FuzzImport(f *testing.F) {
	f.Add(header + `{"type":"post","id":"01ARZ3NDEKTSV4RRFFQ69G5FAV","text":"t","visibility":"public","edited_at":"0001-01-01T00:00:00Z"}`)
	f.Add(header + `{"type":"following","username":"ann"}` + "\n" + `{"type":"profile","avatar":"x"}`)
	f.Fuzz(func(t *testing.T, file string) {
		w := newWorld(t)
		ann := w.signUp("ann")
		if _, err := w.Import(t.Context(), strings.NewReader(file), ann, ann.User); err != nil && social.KindOf(err) != social.Invalid {
			t.Errorf("%v", err)
		}
		w.shown(ann, ann)
		w.export(ann)
	})
}
