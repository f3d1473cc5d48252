package simulation

import (
	"testing"

	"grapevine/crdt"
	"grapevine/crdt/causal"
	"grapevine/store"
)

func dot(seq uint64) causal.Dot { return causal.Dot{Replica: 1, Seq: seq} }

func born(seq uint64) crdt.Birth { return crdt.Birth{Dot: dot(seq), Time: 1, Value: []byte("v")} }

// history is what all cases are judged against: a birth that lives, on two disks
// and acknowledged, with a field and a count; and one that was ended.
func history(k store.Key) *ledger {
	l := newLedger()
	enter := func(seq uint64, row crdt.Row) {
		seen := store.Seen{Dot: dot(seq)}
		l.coordinate(seen, []store.Entry{{Key: k, Row: row}})
		l.promised(seen, promise{copies: 2})
	}
	enter(1, crdt.Row{Births: []crdt.Birth{born(1)}})
	enter(2, crdt.Row{Births: []crdt.Birth{born(2)}, Removed: []causal.Dot{dot(1)}})
	enter(3, crdt.Row{Fields: []crdt.Field{{ID: 1, Birth: dot(2), Dot: dot(3), Time: 2}}})
	l.attempt(k, 5)
	enter(4, crdt.Row{Cells: []crdt.Cell{{ID: counterID, Birth: dot(2), Replica: 1, Seq: 4, Value: 5}}})
	l.increment(store.Seen{Dot: dot(4)}, k, 5)
	return l
}

func TestTheModelNamesWhatIsWrongWithARow(t *testing.T) {
	t.Parallel()
	k := key(1)
	whole := crdt.Row{
		Births: []crdt.Birth{born(2)},
		Fields: []crdt.Field{{ID: 1, Birth: dot(2), Dot: dot(3), Time: 2}},
		Cells:  []crdt.Cell{{ID: counterID, Birth: dot(2), Replica: 1, Seq: 4, Value: 5}},
	}
	for _, c := range []struct {
		name   string
		spoil  func(*crdt.Row)
		losses int
		want   string
	}{
		{"nothing", func(*crdt.Row) {}, 0, ""},
		{"a birth is lost", func(r *crdt.Row) { *r = crdt.Row{} }, 0, AcknowledgedKept},
		{"a birth is lost with one of its two disks", func(r *crdt.Row) { *r = crdt.Row{} }, 1, AcknowledgedKept},
		{"a birth is lost with both its disks", func(r *crdt.Row) { *r = crdt.Row{} }, 2, ""},
		{"an ended birth is back", func(r *crdt.Row) { r.Births = []crdt.Birth{born(1), born(2)} }, 0, DeletedStaysDeleted},
		{"a birth has another value", func(r *crdt.Row) { r.Births[0].Value = []byte("w") }, 0, DotsUnique},
		{"a birth that nobody made", func(r *crdt.Row) { r.Births = append(r.Births, born(9)) }, 0, RowsEqualModel},
		{"a field is lost", func(r *crdt.Row) { r.Fields = nil }, 0, AcknowledgedKept},
		{"a field is older", func(r *crdt.Row) { r.Fields[0].Time = 1 }, 0, AcknowledgedKept},
		{"a field of what is not there", func(r *crdt.Row) { r.Fields[0].Birth = dot(7) }, 0, RowsEqualModel},
		{"an increment is lost", func(r *crdt.Row) { r.Cells = nil }, 0, AcknowledgedKept},
		{"a share is another", func(r *crdt.Row) { r.Cells[0].Value = 4 }, 0, CountersSum},
		{"an increment counts twice", func(r *crdt.Row) { r.Cells[0].Seq, r.Cells[0].Value = 5, 10 }, 0, CountersSum},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := history(k)
			for range c.losses {
				l.lose()
			}
			row := crdt.Row{
				Births: append([]crdt.Birth(nil), whole.Births...),
				Fields: append([]crdt.Field(nil), whole.Fields...),
				Cells:  append([]crdt.Cell(nil), whole.Cells...),
			}
			c.spoil(&row)
			got := ""
			if f := l.judge(k, row); f != nil {
				got = f.invariant
			}
			if got != c.want {
				t.Errorf("judged %q, want %q", got, c.want)
			}
		})
	}
}

func TestADotIsEnteredOnce(t *testing.T) {
	t.Parallel()
	l := newLedger()
	if seen := (store.Seen{Dot: dot(1)}); !l.coordinate(seen, nil) || l.coordinate(seen, nil) {
		t.Error("the second use of a dot was not noticed, or the first was")
	}
}
