package lists_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"grapevine/services/lists"
	"grapevine/services/schema"
	"grapevine/services/servicetest"
	"grapevine/services/social"
	"grapevine/store"
)

// directory is everybody: a ref is an id.
type directory struct{}

func (directory) Resolve(_ context.Context, ref string) (string, error) {
	if _, ok := social.SlotOf(ref); !ok {
		return "", social.Errorf(social.NotFound, "there is no such user")
	}
	return ref, nil
}

func (directory) GetMany(_ context.Context, ids []string) ([]social.User, error) {
	users := make([]social.User, len(ids))
	for i, id := range ids {
		users[i].ID = id
	}
	return users, nil
}

// barred is those whom everybody blocks.
type barred map[string]bool

func (b barred) Barred(context.Context, string, []string) (map[string]bool, error) { return b, nil }

func newService() (*lists.Service, *servicetest.Store, barred) {
	rows, b := servicetest.New(nil), barred{}
	return lists.New(lists.Config{Rows: rows, Users: directory{}, Relations: b}), rows, b
}

func user(slot uint16) social.Identity {
	return social.Identity{User: social.NewID(slot, time.Now())}
}

func wantKind(t *testing.T, what string, err error, want social.Kind) {
	t.Helper()
	if err == nil || social.KindOf(err) != want {
		t.Errorf("%s: %v of kind %d, want kind %d", what, err, social.KindOf(err), want)
	}
}

func TestAListIsItsOwnersAlone(t *testing.T) {
	t.Parallel()
	s, _, _ := newService()
	ann, bob := user(1), user(2)
	l, err := s.Create(t.Context(), ann, social.NewList{Title: "friends"})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.Get(t.Context(), ann, l.ID); err != nil || got != l {
		t.Errorf("%+v, %v, want %+v", got, err, l)
	}
	_, err = s.Get(t.Context(), bob, l.ID)
	wantKind(t, "get another's", err, social.NotFound)
	_, err = s.Rename(t.Context(), bob, l.ID, "x")
	wantKind(t, "rename another's", err, social.NotFound)
	_, err = s.Members(t.Context(), bob, l.ID, social.Cut{})
	wantKind(t, "members of another's", err, social.NotFound)
	wantKind(t, "add to another's", s.Add(t.Context(), bob, l.ID, ann.User), social.NotFound)
	if err := s.Delete(t.Context(), bob, l.ID); err != nil {
		t.Errorf("to delete what is not there: %v", err)
	}
	if _, err := s.Get(t.Context(), ann, l.ID); err != nil {
		t.Errorf("another deleted the list: %v", err)
	}
}

func TestAListIsListedUnderItsLastTitle(t *testing.T) {
	t.Parallel()
	s, _, _ := newService()
	ann := user(1)
	for i := range 5 {
		l, err := s.Create(t.Context(), ann, social.NewList{Title: "first"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Rename(t.Context(), ann, l.ID, fmt.Sprint("list ", i)); err != nil {
			t.Fatal(err)
		}
	}
	var titles []string
	for cut := (social.Cut{Limit: 2}); ; {
		p, err := s.List(t.Context(), ann, cut)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range p.Items {
			titles = append(titles, l.Title)
		}
		if cut.Cursor = p.Next; p.Next == "" {
			break
		}
	}
	if len(titles) != 5 || strings.Contains(fmt.Sprint(titles), "first") {
		t.Errorf("%q", titles)
	}
}

func TestATitleThatIsNoneIsRefusedByName(t *testing.T) {
	t.Parallel()
	s, _, _ := newService()
	for _, title := range []string{"", "  ", "a\nb", "\xff", strings.Repeat("ü", social.MaxListTitle+1)} {
		_, err := s.Create(t.Context(), user(1), social.NewList{Title: title})
		var e *social.Error
		if !errors.As(err, &e) || e.Kind != social.Invalid || e.Field != "title" {
			t.Errorf("%q: %v", title, err)
		}
	}
	_, err := s.Create(t.Context(), social.Identity{}, social.NewList{Title: "x"})
	wantKind(t, "anonymous", err, social.Unauthenticated)
}

func TestListsAndMembersAreBounded(t *testing.T) {
	t.Parallel()
	s, rows, _ := newService()
	ann := user(1)
	var ms []store.Mutation
	for range social.MaxLists {
		id := social.NewID(1, time.Now())
		ms = append(ms, store.Mutation{Key: schema.UserList(ann.User, id), Op: store.Put, Value: schema.EncodeList(social.List{Title: "x"})})
	}
	if _, err := rows.Write(t.Context(), store.Write{Mutations: ms}); err != nil {
		t.Fatal(err)
	}
	_, err := s.Create(t.Context(), ann, social.NewList{Title: "one more"})
	wantKind(t, "one more list", err, social.Conflict)
	list := schema.Other(ms[0].Key)
	var last string
	for i := range social.MaxListMembers {
		last = user(uint16(i)).User
		if err := s.Add(t.Context(), ann, list, last); err != nil {
			t.Fatal(err)
		}
	}
	wantKind(t, "one more member", s.Add(t.Context(), ann, list, user(9).User), social.Conflict)
	if err := s.Add(t.Context(), ann, list, last); err != nil {
		t.Errorf("who is in the full list already: %v", err)
	}
	if err := s.Remove(t.Context(), ann, list, last); err != nil {
		t.Fatal(err)
	}
	if err := s.Add(t.Context(), ann, list, user(9).User); err != nil {
		t.Errorf("in place of one who left: %v", err)
	}
}

func TestWhomABlockKeepsAwayIsNeitherAddedNorShown(t *testing.T) {
	t.Parallel()
	s, _, blocked := newService()
	ann, bob, eve := user(1), user(2), user(3)
	l, err := s.Create(t.Context(), ann, social.NewList{Title: "friends"})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Add(t.Context(), ann, l.ID, bob.User); err != nil {
		t.Fatal(err)
	}
	blocked[bob.User], blocked[eve.User] = true, true
	wantKind(t, "add", s.Add(t.Context(), ann, l.ID, eve.User), social.Forbidden)
	if p, err := s.Members(t.Context(), ann, l.ID, social.Cut{}); err != nil || len(p.Items) != 0 {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestAnIdempotencyKeyMakesOneListAndGivesItAgain(t *testing.T) {
	t.Parallel()
	s, _, _ := newService()
	ann := user(1)
	in := social.NewList{Title: "friends", Key: "k"}
	first, err := s.Create(t.Context(), ann, in)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := s.Create(t.Context(), ann, in); err != nil || again != first {
		t.Errorf("again it is %+v, %v, want %+v", again, err, first)
	}
	if all, err := s.List(t.Context(), ann, social.Cut{}); err != nil || len(all.Items) != 1 {
		t.Errorf("%d lists, %v, want 1", len(all.Items), err)
	}
	_, err = s.Create(t.Context(), ann, social.NewList{Title: "x", Key: strings.Repeat("k", social.MaxKey+1)})
	wantKind(t, "a long key", err, social.Invalid)
	if err := s.Delete(t.Context(), ann, first.ID); err != nil {
		t.Fatal(err)
	}
	_, err = s.Create(t.Context(), ann, in)
	wantKind(t, "the key of a list that is gone", err, social.Conflict)
}
