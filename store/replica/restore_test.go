package replica

import (
	"testing"

	"grapevine/crdt"
	"grapevine/crdt/causal"
)

func TestABirthComesBackWithItsTimeItsFieldsAndItsSum(t *testing.T) {
	t.Parallel()
	a, b := causal.Dot{Replica: 1, Seq: 5}, causal.Dot{Replica: 2, Seq: 9}
	backup := crdt.Row{
		Births: []crdt.Birth{{Dot: a, Time: 50, Value: []byte("a")}, {Dot: b, Time: 60, Value: []byte("b")}},
		Fields: []crdt.Field{
			{ID: 1, Birth: a, Dot: causal.Dot{Replica: 3, Seq: 1}, Time: 70, Value: []byte("a1")},
			{ID: 1, Birth: b, Dot: causal.Dot{Replica: 3, Seq: 2}, Time: 80, Value: []byte("b1")},
		},
		Cells: []crdt.Cell{
			{ID: 4, Birth: a, Replica: 1, Seq: 6, Value: 10}, {ID: 4, Birth: a, Replica: 2, Seq: 7, Value: -3},
			{ID: 4, Birth: b, Replica: 2, Seq: 10, Value: 100},
		},
	}
	var row crdt.Row
	for i := range backup.Births {
		if !lacks(row, backup, i) {
			t.Fatalf("birth %d passes for there", i)
		}
		change := reborn(backup, i, causal.Dot{Replica: 7, Seq: uint64(i + 1)})
		row = crdt.Merge(row, causal.Nothing{}, change, causal.Nothing{})
	}
	if lacks(row, backup, 0) || lacks(row, backup, 1) {
		t.Error("a restored row passes for one that lacks a birth")
	}
	first, _ := row.First()
	last, _ := row.Last()
	if len(row.Births) != 2 || string(first.Value) != "a" || first.Time != 50 || string(last.Value) != "b" || last.Time != 60 {
		t.Errorf("births %v", row.Births)
	}
	if f, _ := row.Field(1); string(f.Value) != "b1" || f.Time != 80 || len(row.Fields) != 2 {
		t.Errorf("fields %v", row.Fields)
	}
	if row.Counter(4) != 107 || len(row.Cells) != 2 {
		t.Errorf("cells %v", row.Cells)
	}
	for _, birth := range row.Births {
		if birth.Dot.Replica != 7 {
			t.Errorf("a birth kept the dot %v of another cluster", birth.Dot)
		}
	}
}

func TestARowThatAnotherWroteIsNotRestored(t *testing.T) {
	t.Parallel()
	backup := crdt.Row{Births: []crdt.Birth{{Dot: causal.Dot{Replica: 1, Seq: 5}, Time: 50}}}
	other := crdt.Row{Births: []crdt.Birth{{Dot: causal.Dot{Replica: 7, Seq: 1}, Time: 51}}}
	if lacks(other, backup, 0) {
		t.Error("it passes for absent")
	}
}
