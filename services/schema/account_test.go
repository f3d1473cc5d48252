package schema_test

import (
	"testing"
	"time"

	"grapevine/crdt"
	"grapevine/crdt/causal"
	"grapevine/crdt/hlc"
	"grapevine/services/schema"
	"grapevine/services/social"
	"grapevine/store"
)

// updated applies what a mutation writes to the fields of a row.
func updated(row crdt.Row, seq uint64, m store.Mutation) crdt.Row {
	for _, f := range m.Fields {
		change := row.Update(causal.Dot{Replica: 1, Seq: seq}, hlc.Timestamp(seq), f.ID, f.Value)
		row = crdt.Merge(row, causal.Nothing{}, change, causal.Nothing{})
		seq++
	}
	return row
}

func TestARenamedAccountReadsByItsNewNameInBothItsRows(t *testing.T) {
	id := social.NewID(3, at)
	user := born(schema.EncodeUser(social.User{Username: "ann"}))
	credential := born(schema.EncodeCredential("ann", "$phc"))
	ms := schema.Rename(id, "anna", store.FieldValue{ID: schema.FieldBio, Value: []byte("new")})
	if ms[0].Key != schema.User(id) || ms[1].Key != schema.Credential(id) {
		t.Fatalf("mutations of %v and %v", ms[0].Key, ms[1].Key)
	}
	u, err := schema.DecodeUser(id, updated(user, 2, ms[0]))
	if err != nil || u.Username != "anna" || u.DisplayName != "anna" || u.Bio != "new" {
		t.Errorf("user %+v, %v", u, err)
	}
	c, err := schema.DecodeCredential(updated(credential, 2, ms[1]))
	if err != nil || c.Username != "anna" || c.PHC != "$phc" || c.Generation != "" {
		t.Errorf("credential %+v, %v", c, err)
	}
}

func TestANoticeReadsBackAsWritten(t *testing.T) {
	want := social.Notice{ID: social.NewID(3, at), Kind: social.NoticeRenamed, At: at, OldUsername: "ann", NewUsername: "ann_0"}
	got, err := schema.DecodeNotice(want.ID, born(schema.EncodeNotice(want)))
	if err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
}

func TestAnImportedPostTellsWhenItCame(t *testing.T) {
	id := social.NewID(3, at)
	row := born(schema.EncodePost(social.Post{Author: id, Text: "t", Visibility: social.Public}))
	came := at.Add(time.Hour)
	row = updated(row, 2, store.Mutation{Fields: []store.FieldValue{{ID: schema.FieldImported, Value: schema.EncodeTime(came)}}})
	p, err := schema.DecodePost(id, row)
	if err != nil || p.ImportedAt == nil || !p.ImportedAt.Equal(came) || !p.CreatedAt.Equal(at) {
		t.Errorf("%+v, %v", p, err)
	}
	row = updated(row, 3, store.Mutation{Fields: []store.FieldValue{{ID: schema.FieldImported, Value: []byte("x")}}})
	if _, err := schema.DecodePost(id, row); err == nil {
		t.Error("a time that is none is taken")
	}
}
