package crdt_test

import (
	"bytes"
	"testing"

	"grapevine/crdt"
	"grapevine/crdt/causal"
	"grapevine/crdt/hlc"
)

// site is a replica that holds one row.
type site struct {
	row crdt.Row
	ctx *causal.Vector
}

func newSite() *site { return &site{ctx: causal.NewVector()} }

func (s *site) apply(d causal.Dot, change crdt.Row) {
	row := crdt.Merge(s.row, s.ctx, change, causal.Nothing{})
	s.ctx.Add(d)
	s.row = row.Settle(s.ctx)
}

func (s *site) value() string {
	b, _ := s.row.Last()
	return string(b.Value)
}

func (s *site) field(id uint8) string {
	f, _ := s.row.Field(id)
	return string(f.Value)
}

func dot(replica causal.Replica, seq uint64) causal.Dot {
	return causal.Dot{Replica: replica, Seq: seq}
}

const (
	early = hlc.Timestamp(1)
	late  = hlc.Timestamp(2)
)

func TestPutReplacesWhatItsWriterSaw(t *testing.T) {
	t.Parallel()
	s := newSite()
	s.apply(dot(1, 1), s.row.Put(dot(1, 1), late, []byte("old")))
	s.apply(dot(1, 2), s.row.Put(dot(1, 2), early, []byte("new")))
	if len(s.row.Births) != 1 || s.value() != "new" {
		t.Errorf("got %s", show(s.row))
	}
}

func TestConcurrentPutsBothStandAndReadersAgree(t *testing.T) {
	t.Parallel()
	a, b := newSite(), newSite()
	one, two := a.row.Put(dot(1, 1), late, []byte("one")), b.row.Put(dot(2, 1), early, []byte("two"))
	a.apply(dot(1, 1), one)
	a.apply(dot(2, 1), two)
	b.apply(dot(2, 1), two)
	b.apply(dot(1, 1), one)
	for _, s := range []*site{a, b} {
		first, _ := s.row.First()
		last, _ := s.row.Last()
		if string(first.Value) != "two" || string(last.Value) != "one" {
			t.Errorf("got first %q, last %q", first.Value, last.Value)
		}
	}
}

func TestConcurrentPutSurvivesRemove(t *testing.T) {
	t.Parallel()
	s := newSite()
	s.apply(dot(1, 1), s.row.Put(dot(1, 1), early, []byte("old")))
	remove := s.row.Remove()
	put := s.row.Put(dot(2, 1), early, []byte("new"))
	s.apply(dot(1, 2), remove)
	if s.row.Exists() || !s.row.IsZero() {
		t.Errorf("a removed row left %s", show(s.row))
	}
	s.apply(dot(2, 1), put)
	if s.value() != "new" {
		t.Errorf("got %s", show(s.row))
	}
}

func TestAnUpdateWinsOverWhatItsWriterSawWhateverItsClock(t *testing.T) {
	born := crdt.Row{}.Put(dot(1, 1), early, nil)
	seen := crdt.Merge(born, causal.Nothing{}, born.Update(dot(1, 2), late, 7, []byte("seen")), causal.Nothing{})
	slow := seen.Update(dot(2, 1), early, 7, []byte("slow"))
	both := crdt.Merge(seen, causal.Nothing{}, slow, causal.Nothing{})
	if f, ok := both.Field(7); !ok || string(f.Value) != "slow" {
		t.Errorf("the field reads %q", f.Value)
	}
}

func TestRemoveWinsOverConcurrentUpdate(t *testing.T) {
	t.Parallel()
	for _, removeFirst := range []bool{true, false} {
		s := newSite()
		s.apply(dot(1, 1), s.row.Put(dot(1, 1), early, nil))
		remove, update := s.row.Remove(), s.row.Update(dot(2, 1), late, 7, []byte("edit"))
		if removeFirst {
			s.apply(dot(1, 2), remove)
			s.apply(dot(2, 1), update)
		} else {
			s.apply(dot(2, 1), update)
			s.apply(dot(1, 2), remove)
		}
		if !s.row.IsZero() {
			t.Errorf("remove first %v: left %s", removeFirst, show(s.row))
		}
	}
}

func TestFieldIsTheLastWriters(t *testing.T) {
	t.Parallel()
	s := newSite()
	s.apply(dot(1, 1), s.row.Put(dot(1, 1), early, nil))
	a, b := s.row.Update(dot(1, 2), late, 7, []byte("late")), s.row.Update(dot(2, 1), early, 7, []byte("early"))
	s.apply(dot(1, 2), a)
	s.apply(dot(2, 1), b)
	if s.field(7) != "late" || s.field(8) != "" {
		t.Errorf("got %q and %q", s.field(7), s.field(8))
	}
	if s.row.Time() != late {
		t.Errorf("got time %d", s.row.Time())
	}
}

func TestFieldOvertakesItsBirthAndWaits(t *testing.T) {
	t.Parallel()
	writer, reader := newSite(), newSite()
	put := writer.row.Put(dot(1, 1), early, nil)
	writer.apply(dot(1, 1), put)
	update := writer.row.Update(dot(1, 2), early, 7, []byte("edit"))
	reader.apply(dot(1, 2), update)
	if reader.row.Exists() || reader.field(7) != "" {
		t.Errorf("a field without its birth is visible: %s", show(reader.row))
	}
	reader.apply(dot(1, 1), put)
	if reader.field(7) != "edit" {
		t.Errorf("got %s", show(reader.row))
	}
}

func TestRemoveOvertakesItsBirthAndIsForgottenWithIt(t *testing.T) {
	t.Parallel()
	writer, reader := newSite(), newSite()
	put := writer.row.Put(dot(1, 1), early, nil)
	writer.apply(dot(1, 1), put)
	reader.apply(dot(1, 2), writer.row.Remove())
	if reader.row.Exists() || len(reader.row.Removed) != 1 {
		t.Errorf("before: %s", show(reader.row))
	}
	reader.apply(dot(1, 1), put)
	if !reader.row.IsZero() {
		t.Errorf("after: %s", show(reader.row))
	}
}

func TestChangesOfAbsentRowsAreZero(t *testing.T) {
	t.Parallel()
	var r crdt.Row
	if !r.Remove().IsZero() || !r.Update(dot(1, 1), early, 7, nil).IsZero() {
		t.Error("removing or updating what does not exist changes something")
	}
	if _, ok := r.First(); ok || r.Time() != 0 {
		t.Error("an absent row has a birth or a time")
	}
}

// stored gives a row as replicas commonly hold it.
func stored() (crdt.Row, *causal.Vector) {
	s := newSite()
	s.apply(dot(1, 1), s.row.Put(dot(1, 1), early, bytes.Repeat([]byte("v"), 200)))
	s.apply(dot(1, 2), s.row.Update(dot(1, 2), early, 1, []byte("field")))
	s.apply(dot(2, 1), s.row.Update(dot(2, 1), late, 2, []byte("another")))
	return s.row, s.ctx
}

func BenchmarkMergeOfAFirstPut(b *testing.B) {
	_, ctx := stored()
	change := crdt.Row{}.Put(dot(3, 1), late, []byte("new"))
	b.ReportAllocs()
	for b.Loop() {
		crdt.Merge(crdt.Row{}, ctx, change, causal.Nothing{}).Settle(ctx)
	}
}

func BenchmarkMergeOfAnUpdate(b *testing.B) {
	row, ctx := stored()
	change := row.Update(dot(3, 1), late, 1, []byte("new"))
	b.ReportAllocs()
	for b.Loop() {
		crdt.Merge(row, ctx, change, causal.Nothing{}).Settle(ctx)
	}
}

func BenchmarkMergeOfEqualStates(b *testing.B) {
	row, ctx := stored()
	b.ReportAllocs()
	for b.Loop() {
		crdt.Merge(row, ctx, row, ctx).Settle(ctx)
	}
}

func BenchmarkAppend(b *testing.B) {
	row, _ := stored()
	buffer := row.Append(nil)
	b.ReportAllocs()
	for b.Loop() {
		buffer = row.Append(buffer[:0])
	}
}

func BenchmarkConsumeRow(b *testing.B) {
	row, _ := stored()
	encoded := row.Append(nil)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := crdt.ConsumeRow(encoded); err != nil {
			b.Fatal(err)
		}
	}
}

func TestARemoveThatNamesBirthsLeavesOthers(t *testing.T) {
	mine, others := causal.Dot{Replica: 1, Seq: 1}, causal.Dot{Replica: 2, Seq: 1}
	row := crdt.Merge(crdt.Row{}.Put(mine, 1, nil), causal.Nothing{}, crdt.Row{}.Put(others, 1, nil), causal.Nothing{})
	row = crdt.Merge(row, causal.Nothing{}, row.Remove().EndingOnly([]causal.Dot{mine, {Replica: 3, Seq: 1}}), causal.Nothing{})
	if len(row.Births) != 1 || row.Births[0].Dot != others {
		t.Errorf("births %v are left", row.Births)
	}
	if removed := row.Remove(); !removed.EndingOnly(nil).IsZero() || len(removed.Removed) != 1 {
		t.Errorf("narrowed to nothing, %v still ends something, or its source was changed", removed)
	}
}
