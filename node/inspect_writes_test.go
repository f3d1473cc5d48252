package node

import (
	"strings"
	"testing"
	"time"

	"grapevine/crdt"
	"grapevine/crdt/causal"
	"grapevine/crdt/hlc"
	"grapevine/node/client"
	"grapevine/services/schema"
	"grapevine/store"
)

// copyOf is what a node that answers has of one row, and which writes it has seen.
func copyOf(node string, row crdt.Row, seen ...causal.Dot) *held {
	v := causal.NewVector()
	for _, d := range seen {
		v.Add(d)
	}
	return &held{ExplainedOwner: client.ExplainedOwner{Node: node, Role: roleOwner, Answers: true}, seen: v, rows: []crdt.Row{row}}
}

func dotOf(replica causal.Replica, seq uint64) causal.Dot {
	return causal.Dot{Replica: replica, Seq: seq}
}

var explainedAt = hlc.At(time.Unix(1_800_000_000, 0))

// explainRow gives the writes of a row by dot.
func explainRow(family store.Family, copies ...*held) (client.ExplainedRow, map[string]client.ExplainedWrite) {
	row := mergeHeld(store.Key{Family: family, Sort: "x"}, 0, copies).explain([]byte("key"))
	by := map[string]client.ExplainedWrite{}
	for _, w := range row.Writes {
		by[w.Dot] = w
	}
	return row, by
}

func TestOfTwoConcurrentClaimsToANameTheEarlierWins(t *testing.T) {
	t.Parallel()
	early, late := dotOf(2, 1), dotOf(1, 1)
	a := crdt.Row{}.Put(early, explainedAt, []byte("ada"))
	b := crdt.Row{}.Put(late, explainedAt+1, []byte("bob"))
	row, by := explainRow(schema.FamilyName, copyOf("a", a, early), copyOf("b", b, late))
	if by[early.String()].Outcome != "wins" || by[late.String()].Outcome != "loses" || row.Agreed || !row.Exists {
		t.Errorf("%+v", row)
	}
	if w := by[late.String()]; len(w.Has) != 1 || w.Has[0] != "b" || len(w.Lacks) != 1 || w.Lacks[0] != "a" {
		t.Errorf("%+v", w)
	}
	if row, by = explainRow(schema.FamilyPost, copyOf("a", a, early), copyOf("b", b, late)); by[late.String()].Outcome != "wins" {
		t.Errorf("of another row the later does: %+v", row)
	}
}

func TestAWriteThatANodeHasSeenAndNoLongerShowsIsRemoved(t *testing.T) {
	t.Parallel()
	made, edited := dotOf(1, 1), dotOf(2, 1)
	row := crdt.Row{}.Put(made, explainedAt, []byte("v"))
	stale := crdt.Merge(row, causal.NewVector(), row.Update(edited, explainedAt+1, 1, []byte("edit")), causal.Nothing{})
	got, by := explainRow(schema.FamilyPost, copyOf("a", stale, made, edited), copyOf("b", crdt.Row{}, made))
	if got.Exists || by[made.String()].Outcome != "removed" || by[made.String()].Ended[0] != "b" {
		t.Errorf("%+v", got)
	}
	if w := by[edited.String()]; w.Outcome != "removed" || w.Lacks[0] != "b" || !strings.Contains(w.Why, "the row that it was written to is removed") {
		t.Errorf("%+v", w)
	}
}

func TestTheLaterOfTwoEditsWinsAndTheOtherLoses(t *testing.T) {
	t.Parallel()
	made, first, second := dotOf(1, 1), dotOf(1, 2), dotOf(2, 1)
	row := crdt.Row{}.Put(made, explainedAt, []byte("v"))
	edit := func(d causal.Dot, after hlc.Timestamp) crdt.Row {
		return crdt.Merge(row, causal.NewVector(), row.Update(d, explainedAt+after, schema.FieldDisplayName, []byte("name")), causal.Nothing{})
	}
	got, by := explainRow(schema.FamilyUser, copyOf("a", edit(first, 1), made, first), copyOf("b", edit(second, 2), made, second))
	if by[first.String()].Outcome != "loses" || by[second.String()].Outcome != "wins" || by[second.String()].What != "display name" {
		t.Errorf("%+v", got)
	}
	if by[first.String()].Digest != by[second.String()].Digest || by[first.String()].Digest == by[made.String()].Digest {
		t.Error("digests do not tell equal contents from different ones")
	}
}

func TestNothingIsToldOfPasswordsButTheirSize(t *testing.T) {
	t.Parallel()
	d := dotOf(1, 1)
	_, by := explainRow(schema.FamilyCredential, copyOf("a", crdt.Row{}.Put(d, explainedAt, []byte("hash")), d))
	if w := by[d.String()]; w.Digest != "" || w.Bytes != 4 {
		t.Errorf("%+v", w)
	}
}
