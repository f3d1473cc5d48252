package schema_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"testing"

	"grapevine/crdt"
	"grapevine/crdt/causal"
	"grapevine/services/schema"
	"grapevine/services/social"
)

// withField gives a row of a birth value, and a field unless it is nil.
func withField(value []byte, id uint8, field []byte) crdt.Row {
	row := born(value)
	if field != nil {
		row.Fields = row.Update(causal.Dot{Replica: 1, Seq: 2}, 2, id, field).Fields
	}
	return row
}

// refused checks that what cannot be read is called malformed.
func refused(t *testing.T, err error) bool {
	if err != nil && !errors.Is(err, schema.ErrMalformed) {
		t.Errorf("got %v, want ErrMalformed", err)
	}
	return err != nil
}

// same checks that what was read and what comes of writing it are equal.
func same(t *testing.T, got, again any, err error) {
	if err != nil || !reflect.DeepEqual(got, again) {
		t.Errorf("%+v comes back as %+v, %v", got, again, err)
	}
}

func FuzzDecodeUser(f *testing.F) {
	id := social.NewID(1, at)
	ada := schema.EncodeUser(social.User{Username: "ada", DisplayName: "Ada"})
	f.Add(ada, []byte(nil))
	f.Add(ada, []byte("a biography"))
	f.Fuzz(func(t *testing.T, value, bio []byte) {
		u, err := schema.DecodeUser(id, born(value))
		if refused(t, err) {
			return
		}
		again, err := schema.DecodeUser(id, born(schema.EncodeUser(u)))
		same(t, u, again, err)
		if bio == nil {
			return
		}
		u.Bio = string(bio)
		again, err = schema.DecodeUser(id, withField(value, schema.FieldBio, bio))
		same(t, u, again, err)
	})
}

func FuzzDecodeCredential(f *testing.F) {
	f.Add(schema.EncodeCredential("ada", "$argon2id$"))
	f.Fuzz(func(t *testing.T, value []byte) {
		c, err := schema.DecodeCredential(born(value))
		if refused(t, err) {
			return
		}
		again, err := schema.DecodeCredential(born(schema.EncodeCredential(c.Username, c.PHC)))
		same(t, c, again, err)
	})
}

// A post that is read can be shown.
func FuzzDecodePost(f *testing.F) {
	id := social.NewID(1, at)
	post := schema.EncodePost(social.Post{Author: id, Text: "hello", Visibility: social.Direct, Mentions: []string{id}})
	f.Add(post, []byte(nil))
	f.Add(post, schema.EncodeEdit(at, "bye"))
	f.Fuzz(func(t *testing.T, value, edit []byte) {
		p, err := schema.DecodePost(id, withField(value, schema.FieldEdit, edit))
		if refused(t, err) {
			return
		}
		if _, err := json.Marshal(p); err != nil {
			t.Error(err)
		}
		var again []byte
		if p.EditedAt != nil {
			again = schema.EncodeEdit(*p.EditedAt, p.Text)
		}
		q, err := schema.DecodePost(id, withField(schema.EncodePost(p), schema.FieldEdit, again))
		same(t, p, q, err)
	})
}

func FuzzDecodeNotice(f *testing.F) {
	id := social.NewID(1, at)
	f.Add(schema.EncodeNotice(social.Notice{Kind: social.NoticeRenamed, At: at, OldUsername: "ada", NewUsername: "ada_0"}))
	f.Fuzz(func(t *testing.T, value []byte) {
		n, err := schema.DecodeNotice(id, born(value))
		if refused(t, err) {
			return
		}
		if _, err := json.Marshal(n); err != nil {
			t.Error(err)
		}
		again, err := schema.DecodeNotice(id, born(schema.EncodeNotice(n)))
		same(t, n, again, err)
	})
}

func FuzzDecodeAudience(f *testing.F) {
	f.Add(schema.EncodeAudience(social.Post{Visibility: social.Direct, Mentions: []string{"someone"}}))
	f.Add(schema.EncodeAudience(social.Post{Visibility: social.Public}))
	f.Fuzz(func(t *testing.T, value []byte) {
		a, err := schema.DecodeAudience(born(value))
		if refused(t, err) {
			return
		}
		again, err := schema.DecodeAudience(born(schema.EncodeAudience(social.Post{Visibility: a.Visibility, Mentions: a.Mentions})))
		if a.Visibility != social.Direct {
			a.Mentions = nil // of a direct post only
		}
		same(t, a, again, err)
	})
}

// A cursor that is taken addresses one place of a list.
func FuzzVerifyCursor(f *testing.F) {
	f.Add(social.NewID(1, at))
	f.Add("")
	f.Fuzz(func(t *testing.T, cursor string) {
		cut, err := schema.Verify(social.Cut{Cursor: cursor})
		if _, isID := social.SlotOf(cursor); (err == nil) != (isID || cursor == "") || cut.Cursor != cursor {
			t.Errorf("%q: got %+v, %v", cursor, cut, err)
		}
	})
}
