package posts_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"grapevine/crdt"
	"grapevine/services/posts"
	"grapevine/services/schema"
	"grapevine/services/servicetest"
	"grapevine/services/social"
	"grapevine/store"
)

// directory knows users by name.
type directory map[string]string

func (d directory) Resolve(_ context.Context, ref string) (string, error) {
	if id, ok := d[strings.TrimPrefix(ref, "@")]; ok {
		return id, nil
	}
	return "", social.Errorf(social.NotFound, "no %s", ref)
}

func (d directory) IDs(_ context.Context, names []string) ([]string, error) {
	ids := make([]string, len(names))
	for i, name := range names {
		ids[i] = d[name]
	}
	return ids, nil
}

func (d directory) GetMany(_ context.Context, ids []string) ([]social.User, error) {
	var users []social.User
	for _, id := range ids {
		for name, known := range d {
			if id == known {
				users = append(users, social.User{ID: id, Username: name})
			}
		}
	}
	return users, nil
}

type fixture struct {
	*posts.Service
	rows          *servicetest.Store
	ann, bob, eve social.Identity
	at            *atomic.Int64 // Unix milliseconds
}

func newFixture(t testing.TB) fixture {
	t.Helper()
	at := &atomic.Int64{}
	at.Store(1_800_000_000_000)
	now := func() time.Time { return time.UnixMilli(at.Load()) }
	rows := servicetest.New(now)
	users := directory{}
	for i, name := range []string{"ann", "bob", "eve"} {
		users[name] = social.NewID(uint16(i*9000), now())
	}
	s, err := posts.New(posts.Config{Rows: rows, Users: users, Now: now, Current: rows.Current})
	if err != nil {
		t.Fatal(err)
	}
	rows.OnChange(s.Invalidate)
	as := func(name string) social.Identity { return social.Identity{User: users[name]} }
	return fixture{s, rows, as("ann"), as("bob"), as("eve"), at}
}

func (f fixture) post(t testing.TB, who social.Identity, n social.NewPost) social.Post {
	t.Helper()
	f.at.Add(1)
	p, err := f.Create(t.Context(), who, n)
	if err != nil {
		t.Fatalf("post %+v: %v", n, err)
	}
	return p
}

func wantKind(t *testing.T, what string, err error, kind social.Kind, field string) {
	t.Helper()
	var e *social.Error
	if !errors.As(err, &e) || e.Kind != kind || e.Field != field {
		t.Errorf("%s: %v, want kind %d of field %q", what, err, kind, field)
	}
}

func TestAPostReadsBackAsItWasAnswered(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	first := f.post(t, f.ann, social.NewPost{Text: "<b>hello</b> 🍇"})
	want := f.post(t, f.bob, social.NewPost{Text: "hi @Ann, @nobody and @ann", ReplyTo: first.ID})
	if want.Visibility != social.Public || !slices.Equal(want.Mentions, []string{f.ann.User}) || !want.CreatedAt.Equal(social.TimeOf(want.ID)) {
		t.Errorf("post %+v", want)
	}
	got, err := f.Get(t.Context(), social.Identity{}, want.ID)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	raw, err := f.EncodedOne(t.Context(), f.eve, want.ID)
	var decoded social.Post
	if err != nil || json.Unmarshal(raw, &decoded) != nil || decoded.Counts == nil || *decoded.Viewer != (social.PostViewer{}) {
		t.Errorf("encoded %s, %v", raw, err)
	}
	if decoded.Counts, decoded.Viewer = nil, nil; !reflect.DeepEqual(decoded, want) {
		t.Errorf("encoded %s, %v", raw, err)
	}
}

func TestAPostEntersItsAuthorsListAndHome(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	p := f.post(t, f.ann, social.NewPost{Text: "x"})
	for _, k := range []store.Key{schema.AuthorPost(f.ann.User, p.ID), schema.Home(f.ann.User, p.ID)} {
		if _, err := f.rows.Get(t.Context(), k); err != nil {
			t.Errorf("%v: %v", k, err)
		}
	}
	if _, writes := f.rows.Counts(); writes != 1 {
		t.Errorf("%d writes", writes)
	}
}

func TestInvalidPostsNameTheField(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	direct := f.post(t, f.ann, social.NewPost{Text: "for @bob", Visibility: social.Direct})
	for _, c := range []struct {
		field string
		n     social.NewPost
	}{
		{"text", social.NewPost{}},
		{"text", social.NewPost{Text: " \n\t\u2003"}},
		{"text", social.NewPost{Text: strings.Repeat("é", social.MaxText+1)}},
		{"text", social.NewPost{Text: "a\xffb"}},
		{"visibility", social.NewPost{Text: "x", Visibility: "secret"}},
		{"reply_to", social.NewPost{Text: "x", ReplyTo: "garbage"}},
		{"reply_to", social.NewPost{Text: "x", ReplyTo: social.NewID(1, time.Now())}},
		{"reply_to", social.NewPost{Text: "x", ReplyTo: direct.ID}},
		{"Idempotency-Key", social.NewPost{Text: "x", Key: strings.Repeat("k", social.MaxKey+1)}},
	} {
		_, err := f.Create(t.Context(), f.eve, c.n)
		wantKind(t, fmt.Sprintf("%.60q", fmt.Sprint(c.n)), err, social.Invalid, c.field)
	}
	_, err := f.Create(t.Context(), social.Identity{}, social.NewPost{Text: "x"})
	wantKind(t, "anonymous post", err, social.Unauthenticated, "")
	f.post(t, f.ann, social.NewPost{Text: strings.Repeat("é", social.MaxText)})
}

func TestAnEditShowsAtOnceAndKeepsMentions(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	p := f.post(t, f.ann, social.NewPost{Text: "hi @bob"})
	if _, err := f.Get(t.Context(), f.ann, p.ID); err != nil { // now cached
		t.Fatal(err)
	}
	f.at.Add(5000)
	edited, err := f.Edit(t.Context(), f.ann, p.ID, "bye")
	if err != nil || edited.Text != "bye" || edited.EditedAt == nil || edited.EditedAt.Sub(p.CreatedAt) != 5*time.Second {
		t.Fatalf("%+v, %v", edited, err)
	}
	got, err := f.Get(t.Context(), f.bob, p.ID)
	if err != nil || !reflect.DeepEqual(got, edited) {
		t.Errorf("got %+v, %v, want %+v", got, err, edited)
	}
}

func TestADeletedPostIsGoneAtOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	p := f.post(t, f.ann, social.NewPost{Text: "x"})
	if _, err := f.Get(t.Context(), f.ann, p.ID); err != nil {
		t.Fatal(err)
	}
	if err := f.Delete(t.Context(), f.ann, p.ID); err != nil {
		t.Fatal(err)
	}
	_, err := f.Get(t.Context(), f.ann, p.ID)
	wantKind(t, "get", err, social.NotFound, "")
	wantKind(t, "second delete", f.Delete(t.Context(), f.ann, p.ID), social.NotFound, "")
	if page, err := f.ByAuthor(t.Context(), f.ann, "@ann", social.PostFilter{}, social.Cut{}); err != nil || len(page.Items) != 0 {
		t.Errorf("author's posts %s, %v", page.Items, err)
	}
	entry, err := f.rows.Get(t.Context(), schema.AuthorPost(f.ann.User, p.ID))
	if err != nil || !schema.IsGone(entry) {
		t.Errorf("fan-out is not told: %v", err)
	}
}

func TestOnlyTheAuthorChangesAPost(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	p := f.post(t, f.ann, social.NewPost{Text: "x"})
	_, err := f.Edit(t.Context(), f.bob, p.ID, "y")
	wantKind(t, "edit", err, social.Forbidden, "")
	wantKind(t, "delete", f.Delete(t.Context(), f.bob, p.ID), social.Forbidden, "")
	wantKind(t, "anonymous", f.Delete(t.Context(), social.Identity{}, p.ID), social.Unauthenticated, "")
	_, err = f.Edit(t.Context(), f.ann, "nothing", "y")
	wantKind(t, "unknown", err, social.NotFound, "")
	_, err = f.Edit(t.Context(), f.ann, p.ID, " ")
	wantKind(t, "empty", err, social.Invalid, "text")
}

func TestAKeyPostsOnceHoweverOftenItIsSent(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const n = 8
	ids := make(chan string, n)
	var group sync.WaitGroup
	for range n {
		group.Go(func() {
			p, err := f.Create(t.Context(), f.ann, social.NewPost{Text: "x", Key: "k"})
			if err != nil {
				t.Error(err)
			}
			ids <- p.ID
		})
	}
	group.Wait()
	first := <-ids
	for range n - 1 {
		if id := <-ids; id != first {
			t.Errorf("post %s beside %s", id, first)
		}
	}
	if keys := f.rows.Keys(schema.FamilyPost); len(keys) != 1 {
		t.Errorf("%d posts", len(keys))
	}
	if other := f.post(t, f.bob, social.NewPost{Text: "x", Key: "k"}); other.ID == first {
		t.Error("another author's key is the same")
	}
	if err := f.Delete(t.Context(), f.ann, first); err != nil {
		t.Fatal(err)
	}
	_, err := f.Create(t.Context(), f.ann, social.NewPost{Text: "x", Key: "k"})
	wantKind(t, "the key of a deleted post", err, social.Conflict, "")
}

func TestARepetitionIsAWriteOfTheSession(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	first := f.post(t, f.ann, social.NewPost{Text: "x", Key: "k"})
	claim, err := f.rows.Get(t.Context(), schema.Idempotency(f.ann.User, "k"))
	if err != nil {
		t.Fatal(err)
	}
	var r store.Request
	again, err := f.Create(store.WithRequest(t.Context(), &r), f.ann, social.NewPost{Text: "x", Key: "k"})
	if err != nil || again.ID != first.ID {
		t.Fatalf("post %s, %v; want %s", again.ID, err, first.ID)
	}
	if copies, wrote := r.Copies(); !wrote || copies < 1 || len(r.Needs(servicetest.PartitionOf(0))) == 0 {
		t.Errorf("%d copies, needs %v", copies, r.Needs(servicetest.PartitionOf(0)))
	}
	renewed, err := f.rows.Get(t.Context(), schema.Idempotency(f.ann.User, "k"))
	if err != nil || !reflect.DeepEqual(renewed.Births, claim.Births) {
		t.Errorf("births %v, %v; want %v", renewed.Births, err, claim.Births)
	}
}

func TestAKeyIsKnownWhereNoMajorityCanBeAsked(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	alone := lonely{f.rows}
	s, err := posts.New(posts.Config{Rows: alone, Users: directory{}})
	if err != nil {
		t.Fatal(err)
	}
	first, err := s.Create(t.Context(), f.ann, social.NewPost{Text: "x", Key: "k"})
	if err != nil {
		t.Fatal(err)
	}
	again, err := s.Create(t.Context(), f.ann, social.NewPost{Text: "x", Key: "k"})
	if err != nil || again.ID != first.ID {
		t.Errorf("post %q, %v; want %s", again.ID, err, first.ID)
	}
}

// lonely is a store that reaches one owner of three.
type lonely struct{ store.Rows }

func (l lonely) Get(ctx context.Context, k store.Key) (crdt.Row, error) {
	if r := store.RequestOf(ctx); r != nil && r.Consistency == store.Quorum {
		return crdt.Row{}, store.ErrUnavailable
	}
	return l.Rows.Get(ctx, k)
}

func TestARequestThatCameSecondByAMomentGetsTheFirstsPost(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	first := f.post(t, f.ann, social.NewPost{Text: "x", Key: "k"})
	s, err := posts.New(posts.Config{Rows: lagging{f.rows}, Users: directory{}})
	if err != nil {
		t.Fatal(err)
	}
	second, err := s.Create(store.WithRequest(t.Context(), &store.Request{}), f.ann, social.NewPost{Text: "x", Key: "k"})
	if err != nil || second.ID != first.ID {
		t.Errorf("post %q, %v; want %s", second.ID, err, first.ID)
	}
}

// lagging is a store whose reads see what is in the session, and no other write.
type lagging struct{ store.Rows }

func (l lagging) Get(ctx context.Context, k store.Key) (crdt.Row, error) {
	if len(store.RequestOf(ctx).Needs(servicetest.PartitionOf(k.Slot))) == 0 {
		return crdt.Row{}, store.ErrNotFound
	}
	return l.Rows.Get(ctx, k)
}

func TestOldKeysAreForgotten(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for i := range 50 {
		f.post(t, f.ann, social.NewPost{Text: "x", Key: fmt.Sprint("old", i)})
	}
	f.at.Add((72 * time.Hour).Milliseconds())
	const recent = 600
	for i := range recent {
		f.post(t, f.ann, social.NewPost{Text: "x", Key: fmt.Sprint("new", i)})
	}
	// Of 50 old keys, none is likely to be left; all of the new ones must be.
	got := len(f.rows.Keys(schema.FamilyIdempotency))
	if got < recent || got > recent+25 {
		t.Errorf("%d keys remembered, want little more than %d", got, recent)
	}
}

func TestAPostIsWrittenThoughMentionsCannotBeLookedUpUnlessItIsDirect(t *testing.T) {
	t.Parallel()
	rows := servicetest.New(nil)
	s, err := posts.New(posts.Config{Rows: rows, Users: unreachable{}})
	if err != nil {
		t.Fatal(err)
	}
	who := social.Identity{User: social.NewID(1, time.Now())}
	if p, err := s.Create(t.Context(), who, social.NewPost{Text: "hi @ann"}); err != nil || len(p.Mentions) != 0 {
		t.Errorf("%+v, %v", p, err)
	}
	_, err = s.Create(t.Context(), who, social.NewPost{Text: "hi @ann", Visibility: social.Direct})
	if !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("%v, want ErrUnavailable", err)
	}
}

type unreachable struct{ directory }

func (unreachable) IDs(context.Context, []string) ([]string, error) { return nil, store.ErrUnavailable }

// discard is a store that takes every write and does nothing.
type discard struct{ store.Rows }

func (discard) Write(context.Context, store.Write) (store.Receipt, error) {
	return store.Receipt{}, nil
}

func BenchmarkCreate(b *testing.B) {
	s, err := posts.New(posts.Config{Rows: discard{}, Users: directory{}})
	if err != nil {
		b.Fatal(err)
	}
	who := social.Identity{User: social.NewID(1, time.Now())}
	post := social.NewPost{Text: strings.Repeat("some words ", 15)}
	for b.Loop() {
		if _, err := s.Create(b.Context(), who, post); err != nil {
			b.Fatal(err)
		}
	}
}
