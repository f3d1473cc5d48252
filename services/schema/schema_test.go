package schema_test

import (
	"bytes"
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"grapevine/crdt"
	"grapevine/crdt/causal"
	"grapevine/services/schema"
	"grapevine/services/social"
	"grapevine/store"
)

var at = time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.UTC)

func born(value []byte) crdt.Row {
	return crdt.Row{}.Put(causal.Dot{Replica: 1, Seq: 1}, 1, value)
}

func TestEverythingOfAUserLiesInTheUsersSlot(t *testing.T) {
	user, other := social.NewID(7, at), social.NewID(9, at)
	post := social.NewID(7, at)
	for _, k := range []store.Key{
		schema.User(user), schema.Credential(user), schema.Following(user, other), schema.Follower(user, other),
		schema.Post(post), schema.AuthorPost(user, post), schema.Home(user, social.NewID(9, at)),
		schema.Idempotency(user, "key"), schema.Revoked(user, "token"),
		schema.Notice(user, post), schema.FormerName(user, "ann"),
	} {
		if k.Slot != 7 {
			t.Errorf("%v is not in slot 7", k)
		}
	}
}

func TestAKeyFitsTheStoreWhateverTheClientSends(t *testing.T) {
	user := social.NewID(1, at)
	for _, k := range []store.Key{
		schema.Idempotency(user, strings.Repeat("k", social.MaxKey)),
		schema.Succession(strings.Repeat("n", social.MaxUsername), user),
		schema.Following(user, user),
	} {
		if len(k.Sort) > store.MaxSort {
			t.Errorf("%v is longer than %d", k, store.MaxSort)
		}
	}
}

func TestOfSelectsTheRowsOfOneOwner(t *testing.T) {
	a, b := social.NewID(1, at), social.NewID(1, at)
	r := schema.Of(schema.FamilyHome, a, "X", true, 5)
	if !strings.HasPrefix(schema.Home(a, b).Sort, r.Prefix) || strings.HasPrefix(schema.Home(b, a).Sort, r.Prefix) {
		t.Errorf("prefix %q does not tell %s from %s", r.Prefix, a, b)
	}
	if r.After != schema.Home(a, "X").Sort {
		t.Errorf("after = %q, want the full sort key", r.After)
	}
	if got := schema.Other(schema.Home(a, b)); got != b {
		t.Errorf("Other = %q, want %q", got, b)
	}
}

func TestAUserReadsBackAsWritten(t *testing.T) {
	want := social.User{ID: social.NewID(3, at), Username: "ann", DisplayName: "Ann", Bio: "é\n", CreatedAt: at}
	row := born(schema.EncodeUser(want))
	got, err := schema.DecodeUser(want.ID, row)
	if err != nil || got != want {
		t.Fatalf("got %+v, %v, want %+v", got, err, want)
	}
	row.Fields = row.Update(causal.Dot{Replica: 1, Seq: 2}, 2, schema.FieldBio, []byte("new")).Fields
	if got, _ = schema.DecodeUser(want.ID, row); got.Bio != "new" || got.DisplayName != "Ann" {
		t.Errorf("after an update of the bio: %+v", got)
	}
}

func TestAUserWithoutADisplayNameShowsTheUsername(t *testing.T) {
	id := social.NewID(3, at)
	got, err := schema.DecodeUser(id, born(schema.EncodeUser(social.User{Username: "ann"})))
	if err != nil || got.DisplayName != "ann" {
		t.Errorf("display name %q, %v", got.DisplayName, err)
	}
}

func TestAPostReadsBackAsWritten(t *testing.T) {
	id := social.NewID(3, at)
	want := social.Post{
		ID: id, Author: social.NewID(3, at), Text: "hello 🍇", ReplyTo: social.NewID(4, at),
		Visibility: social.Direct, CreatedAt: at, Mentions: []string{social.NewID(5, at)},
	}
	row := born(schema.EncodePost(want))
	got, err := schema.DecodePost(id, row)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("got %+v, %v, want %+v", got, err, want)
	}
	edited := at.Add(time.Hour)
	row.Fields = row.Update(causal.Dot{Replica: 1, Seq: 2}, 2, schema.FieldEdit, schema.EncodeEdit(edited, "bye")).Fields
	got, err = schema.DecodePost(id, row)
	if err != nil || got.Text != "bye" || got.EditedAt == nil || !got.EditedAt.Equal(edited) {
		t.Errorf("after an edit: %+v, %v", got, err)
	}
	audience, err := schema.DecodeAudience(born(schema.EncodeAudience(want)))
	if err != nil || audience.Visibility != social.Direct || !slices.Equal(audience.Mentions, want.Mentions) {
		t.Errorf("audience %+v, %v", audience, err)
	}
}

func TestWhatIsNotARecordIsRefused(t *testing.T) {
	future := []byte{0x85, 0x18, 0x63, 0x60, 0x60, 0x60, 0x60} // an array that begins with version 99
	for name, value := range map[string][]byte{"nothing": nil, "garbage": {0xff, 1}, "a later version": future} {
		row := born(value)
		_, userErr := schema.DecodeUser("u", row)
		_, postErr := schema.DecodePost("p", row)
		_, credentialErr := schema.DecodeCredential(row)
		_, audienceErr := schema.DecodeAudience(row)
		for _, err := range []error{userErr, postErr, credentialErr, audienceErr} {
			if !errors.Is(err, schema.ErrMalformed) {
				t.Errorf("%s: %v, want ErrMalformed", name, err)
			}
		}
	}
}

func TestEqualRecordsHaveEqualBytes(t *testing.T) {
	p := social.Post{Author: "a", Text: "t", Visibility: social.Public, Mentions: []string{"m"}}
	first, second := schema.EncodePost(p), schema.EncodePost(p)
	if !bytes.Equal(first, second) {
		t.Error("two encodings differ")
	}
}

// list is a List over ids, of which those in hidden are not shown.
func list(ids []string, hidden map[string]bool) schema.List[string] {
	return schema.List[string]{
		Scan: func(_ context.Context, after string, limit int) ([]string, error) {
			from := slices.Index(ids, after) + 1
			return ids[from:min(from+limit, len(ids))], nil
		},
		Load:   func(_ context.Context, ids []string) ([]string, error) { return ids, nil },
		Hidden: func(id string) bool { return hidden[id] },
	}
}

func manyIDs(n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = social.NewID(1, at.Add(time.Duration(i)*time.Millisecond))
	}
	return ids
}

func TestPagesGiveEveryShownItemOnceInOrder(t *testing.T) {
	ids := manyIDs(250)
	hidden := map[string]bool{}
	var want []string
	for i, id := range ids {
		if hidden[id] = i%3 == 0 || i > 60 && i < 200; !hidden[id] {
			want = append(want, id)
		}
	}
	for _, limit := range []int{1, 2, 7, 40, 100} {
		var got []string
		cut := social.Cut{Limit: limit}
		for {
			page, err := list(ids, hidden).Page(t.Context(), cut)
			if err != nil {
				t.Fatal(err)
			}
			if len(page.Items) == 0 && page.Next != "" {
				t.Fatalf("limit %d: an empty page before the end", limit)
			}
			if got = append(got, page.Items...); page.Next == "" {
				break
			}
			cut.Cursor = page.Next
		}
		if !slices.Equal(got, want) {
			t.Errorf("limit %d: %d items, want %d", limit, len(got), len(want))
		}
	}
}

func TestThePageAtTheEndHasNoNext(t *testing.T) {
	ids := manyIDs(10)
	page, err := list(ids, nil).Page(t.Context(), social.Cut{Limit: 10})
	if err != nil || len(page.Items) != 10 || page.Next != "" {
		t.Errorf("%d items, next %q, %v", len(page.Items), page.Next, err)
	}
}

func TestThePageBeforeHiddenItemsAloneHasNoNext(t *testing.T) {
	ids := manyIDs(300)
	hidden := map[string]bool{}
	for _, id := range ids[10:] {
		hidden[id] = true
	}
	page, err := list(ids, hidden).Page(t.Context(), social.Cut{Limit: 10})
	if err != nil || len(page.Items) != 10 || page.Next != "" {
		t.Errorf("%d items, next %q, %v", len(page.Items), page.Next, err)
	}
}

func TestAPageBehindALongHiddenRunEndsAndGoesOn(t *testing.T) {
	ids := manyIDs(5000)
	hidden := map[string]bool{}
	for _, id := range ids[:4999] {
		hidden[id] = true
	}
	cut := social.Cut{Limit: 10}
	for range 5 {
		page, err := list(ids, hidden).Page(t.Context(), cut)
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Items) == 1 && page.Items[0] == ids[4999] {
			return
		}
		cut.Cursor = page.Next
	}
	t.Error("the last item was not reached")
}

func TestACutThatNoPageGaveIsInvalid(t *testing.T) {
	for field, cut := range map[string]social.Cut{
		"limit":  {Limit: social.MaxPage + 1},
		"cursor": {Cursor: "garbage"},
	} {
		_, err := schema.Verify(cut)
		var e *social.Error
		if !errors.As(err, &e) || e.Kind != social.Invalid || e.Field != field {
			t.Errorf("%+v: %v, want Invalid %s", cut, err, field)
		}
	}
}

func TestAnAbsenceIsConfirmedByAMajorityThatSeesTheSession(t *testing.T) {
	r := &store.Request{}
	seen := store.Receipt{Partition: 4, Dot: causal.Dot{Replica: 1, Seq: 9}, Copies: 1}
	r.Record(seen)
	absent := social.Errorf(social.NotFound, "absent")
	got, err := schema.Confirm(store.WithRequest(t.Context(), r), func(ctx context.Context) (string, error) {
		asked := store.RequestOf(ctx)
		if asked.Consistency != store.Quorum {
			return "", absent
		}
		if needs := asked.Needs(4); len(needs) != 1 || needs[0].Replica != seen.Dot.Replica || needs[0].Last != seen.Dot.Seq {
			t.Errorf("needs %v", asked.Needs(4))
		}
		return "there", nil
	})
	if err != nil || got != "there" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestAnAbsenceThatNobodyCanConfirmStands(t *testing.T) {
	_, err := schema.Confirm(t.Context(), func(ctx context.Context) (int, error) {
		if store.RequestOf(ctx) != nil {
			return 0, store.ErrUnavailable
		}
		return 0, social.Errorf(social.NotFound, "absent")
	})
	if social.KindOf(err) != social.NotFound {
		t.Errorf("%v, want NotFound", err)
	}
}
