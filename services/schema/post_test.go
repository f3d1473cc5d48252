package schema_test

import (
	"context"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"grapevine/crdt"
	"grapevine/crdt/causal"
	"grapevine/crdt/hlc"
	"grapevine/services/schema"
	"grapevine/services/social"
	"grapevine/store"
)

func TestWhatIsDoneWithAPostLiesWithItsDoerAndBesideThePost(t *testing.T) {
	user, post, other := social.NewID(7, at), social.NewID(9, at), social.NewID(3, at)
	for _, k := range []store.Key{
		schema.Liked(user, post), schema.Reposted(user, post), schema.Mentioned(user, post),
		schema.Like(user, other), schema.Repost(user, other), schema.Reply(user, other), schema.Edit(user, other),
	} {
		if k.Slot != 7 {
			t.Errorf("%v is not in slot 7", k)
		}
	}
	longest := schema.Tagged(strings.Repeat("𝒽", social.MaxTag), post)
	if len(longest.Sort) > store.MaxSort {
		t.Errorf("%v is longer than %d", longest, store.MaxSort)
	}
	if r := schema.TaggedWith("a", post, true, 1); r.Slot != schema.Tagged("a", post).Slot || r.After != schema.Tagged("a", post).Sort {
		t.Errorf("%+v does not go on after the post", r)
	}
	if r := schema.TaggedWith("a", "", true, 1); strings.HasPrefix(schema.Tagged("ab", post).Sort, r.Prefix) {
		t.Errorf("prefix %q takes a longer tag for the tag", r.Prefix)
	}
}

// listed gives the row that a mutation makes.
func listed(m store.Mutation) crdt.Row {
	row := born(m.Value)
	for i, f := range m.Fields {
		dot := causal.Dot{Replica: 1, Seq: 1}
		row.Fields = append(row.Fields, crdt.Field{ID: f.ID, Birth: dot, Dot: dot, Time: 1, Value: m.Fields[i].Value})
	}
	return row
}

func TestAnEntryTellsWhatFollowsFromItsPost(t *testing.T) {
	p := social.Post{
		ID: social.NewID(1, at), Author: social.NewID(1, at), Visibility: social.Public,
		Tags: []string{"b", "a"}, Mentions: []string{"m"}, ReplyTo: "r",
	}
	got, err := schema.DecodeLinks(listed(schema.Listed(p, "a")))
	if want := (schema.Links{Tags: p.Tags, Mentions: p.Mentions, ReplyTo: "r", ReplyAuthor: "a"}); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v, want %+v", got, err, want)
	}
	p.Visibility = social.Followers
	if got, err := schema.DecodeLinks(listed(schema.Listed(p, ""))); err != nil || got.Tags != nil {
		t.Errorf("a post for followers is found by its tags: %+v, %v", got, err)
	}
	if m := schema.Listed(social.Post{ID: p.ID, Author: p.Author, Visibility: social.Public}, ""); m.Fields != nil {
		t.Errorf("a post from which nothing follows costs fields: %+v", m.Fields)
	}
}

func FuzzDecodeLinks(f *testing.F) {
	f.Add(schema.EncodeTexts([]string{"a", "b"}), schema.EncodeTexts(nil))
	f.Fuzz(func(t *testing.T, tags, mentions []byte) {
		l, err := schema.DecodeLinks(listed(store.Mutation{Fields: []store.FieldValue{
			{ID: schema.FieldTags, Value: tags}, {ID: schema.FieldMentions, Value: mentions},
		}}))
		if refused(t, err) {
			return
		}
		again, err := schema.DecodeLinks(listed(store.Mutation{Fields: []store.FieldValue{
			{ID: schema.FieldTags, Value: schema.EncodeTexts(l.Tags)}, {ID: schema.FieldMentions, Value: schema.EncodeTexts(l.Mentions)},
		}}))
		same(t, l, again, err)
	})
}

func FuzzDecodeEdit(f *testing.F) {
	f.Add(schema.EncodeEdit(at, "text"), []byte(nil))
	f.Add(schema.EncodeEdit(at, "text"), schema.EncodeTexts([]string{"m"}))
	f.Fuzz(func(t *testing.T, value, mentions []byte) {
		v, err := schema.DecodeEdit(withField(value, schema.FieldEditMentions, mentions))
		if refused(t, err) {
			return
		}
		again, err := schema.DecodeEdit(withField(schema.EncodeEdit(v.At, v.Text), schema.FieldEditMentions, schema.EncodeTexts(v.Mentions)))
		same(t, v, again, err)
	})
}

// TestAnEditOfABuildThatSaysNotWhomItMentionsMentionsWhomTheFirstTextDid has an edit by
// a build that writes the text alone come upon one that says whom its text mentions.
func TestAnEditOfABuildThatSaysNotWhomItMentionsMentionsWhomTheFirstTextDid(t *testing.T) {
	first, second := causal.Dot{Replica: 1, Seq: 2}, causal.Dot{Replica: 2, Seq: 1}
	row := born(schema.EncodePost(social.Post{Author: social.NewID(1, at), Text: "@a", Visibility: social.Public, Mentions: []string{"a"}}))
	birth, _ := row.Last()
	set := func(id uint8, dot causal.Dot, value []byte) {
		row.Fields = append(row.Fields, crdt.Field{ID: id, Birth: birth.Dot, Dot: dot, Time: hlc.Timestamp(dot.Replica), Value: value})
	}
	mentions := func() []string {
		p, err := schema.DecodePost(social.NewID(1, at), row)
		if err != nil {
			t.Fatal(err)
		}
		return p.Mentions
	}
	set(schema.FieldEdit, first, schema.EncodeEdit(at, "@b"))
	set(schema.FieldEditMentions, first, schema.EncodeTexts([]string{"b"}))
	if got := mentions(); !slices.Equal(got, []string{"b"}) {
		t.Errorf("an edit that says whom it mentions: %q", got)
	}
	row.Fields[0].Dot, row.Fields[0].Time = second, 2
	if got := mentions(); !slices.Equal(got, []string{"a"}) {
		t.Errorf("one that does not: %q", got)
	}
}

// FuzzTimeline asks for pages of a list of ids with any cursor and bounds: what comes
// is a run of the list in its order, within the bounds.
func FuzzTimeline(f *testing.F) {
	var ids []string // newest first
	for i := range 20 {
		ids = append([]string{social.NewID(uint16(i*3000), time.UnixMilli(int64(1000+i)))}, ids...)
	}
	f.Add("", int64(0), int64(0), 5)
	f.Add("~"+ids[10], int64(1003), int64(1019), 3)
	f.Add(ids[3], int64(-5), int64(1<<60), 100)
	f.Fuzz(func(t *testing.T, cursor string, since, until int64, limit int) {
		l := schema.Timeline[string]{
			Scan: func(_ context.Context, after string, older bool, limit int) ([]string, error) {
				all := slices.Clone(ids)
				if !older {
					slices.Reverse(all)
				}
				all = slices.DeleteFunc(all, func(id string) bool { return after != "" && (older && id >= after || !older && id <= after) })
				return all[:min(limit, len(all))], nil
			},
			Load:   func(_ context.Context, ids []string) ([]string, error) { return ids, nil },
			Hidden: func(id string) bool { return id == ids[7] },
		}
		if since != 0 {
			l.Since = time.UnixMilli(since)
		}
		if until != 0 {
			l.Until = time.UnixMilli(until)
		}
		p, err := l.Page(t.Context(), social.Cut{Cursor: cursor, Limit: limit})
		if err != nil {
			if social.KindOf(err) != social.Invalid {
				t.Error(err)
			}
			return
		}
		if limit == 0 {
			limit = social.DefaultPage
		}
		if len(p.Items) > limit || !slices.IsSortedFunc(p.Items, func(a, b string) int { return strings.Compare(b, a) }) {
			t.Errorf("%v are not a page of %d", p.Items, limit)
		}
		for _, id := range p.Items {
			made := social.TimeOf(id)
			if id == ids[7] || since != 0 && made.Before(l.Since) || until != 0 && !made.Before(l.Until) {
				t.Errorf("%s, made at %s, is not between %s and %s", id, made, l.Since, l.Until)
			}
		}
	})
}
