package simulation

import (
	"bytes"
	"fmt"

	"grapevine/crdt"
	"grapevine/crdt/causal"
	"grapevine/store"
)

// fault is what is wrong with a row.
type fault struct{ invariant, detail string }

// judge compares a row with what the writes to it make of it, by the plainest
// model there is: a set of births, each ended or not, the latest write of each
// field, and the latest share of each replica in a counter. It knows no order, no
// context and no merge. Where disks were lost, a write may be gone that was not
// promised to survive that; nothing else may differ.
func (l *ledger) judge(k store.Key, row crdt.Row) *fault {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, judge := range []func(store.Key, crdt.Row) *fault{l.judgeBirths, l.judgeFields, l.judgeCells, l.judgeSum} {
		if f := judge(k, row); f != nil {
			f.detail = fmt.Sprintf("row %v: %s", k, f.detail)
			return f
		}
	}
	return nil
}

func (l *ledger) judgeBirths(k store.Key, row crdt.Row) *fault {
	known := 0
	for _, c := range l.rows[k] {
		for _, b := range c.row.Births {
			found := birth(row, b.Dot)
			if found != nil {
				known++
			}
			if f := l.judgeBirth(k, c, b, found); f != nil {
				return f
			}
		}
	}
	if known != len(row.Births) {
		return &fault{RowsEqualModel, fmt.Sprintf("it shows %d births, of which %d were ever written", len(row.Births), known)}
	}
	return nil
}

func (l *ledger) judgeBirth(k store.Key, c change, b crdt.Birth, found *crdt.Birth) *fault {
	maybe, surely := l.end(k, b.Dot)
	switch {
	case found != nil && surely:
		return &fault{DeletedStaysDeleted, fmt.Sprintf("birth %v %.12q was ended, and is there", b.Dot, b.Value)}
	case found == nil && !maybe && l.sure(c.written):
		return &fault{l.lost(c.written), fmt.Sprintf("birth %v %.12q is lost", b.Dot, b.Value)}
	case found != nil && (!bytes.Equal(found.Value, b.Value) || found.Time != b.Time):
		return &fault{DotsUnique, fmt.Sprintf("birth %v is %.12q, and was written as %.12q", b.Dot, found.Value, b.Value)}
	}
	return nil
}

// lost names what is broken when a write is missing that must stand.
func (l *ledger) lost(w *written) string {
	if w.replied {
		return AcknowledgedKept
	}
	return RowsEqualModel
}

func (l *ledger) judgeFields(k store.Key, row crdt.Row) *fault {
	for _, f := range row.Fields {
		if birth(row, f.Birth) == nil {
			return &fault{RowsEqualModel, fmt.Sprintf("a field of the absent birth %v", f.Birth)}
		}
	}
	for _, c := range l.rows[k] {
		for _, f := range c.row.Fields {
			if !l.sure(c.written) || birth(row, f.Birth) == nil {
				continue
			}
			if found := field(row, f.ID, f.Birth); found == nil || older(*found, f) {
				return &fault{l.lost(c.written), fmt.Sprintf("field %d has lost %v %q", f.ID, f.Dot, f.Value)}
			}
		}
	}
	return nil
}

func (l *ledger) judgeCells(k store.Key, row crdt.Row) *fault {
	for _, c := range l.rows[k] {
		for _, mine := range c.row.Cells {
			found := cell(row, mine)
			switch {
			case birth(row, mine.Birth) == nil:
			case l.sure(c.written) && (found == nil || found.Seq < mine.Seq):
				return &fault{l.lost(c.written), fmt.Sprintf("the counter has lost %d of replica %v", mine.Value, mine.Replica)}
			case found != nil && found.Seq == mine.Seq && found.Value != mine.Value:
				return &fault{CountersSum, fmt.Sprintf("the share of %v is %d, and was written as %d", mine.Replica, found.Value, mine.Value)}
			}
		}
	}
	return nil
}

// judgeSum compares a counter with the increments as clients know them: all that
// must stand count, those of unknown fate may.
func (l *ledger) judgeSum(k store.Key, row crdt.Row) *fault {
	attempted, counts := l.added[k]
	if !counts || !row.Exists() {
		return nil
	}
	var least int64
	for _, n := range l.increments[k] {
		if l.sure(n.written) {
			least += n.n
		}
	}
	if sum := row.Counter(counterID); sum < least || sum > attempted {
		return &fault{CountersSum, fmt.Sprintf("it counts %d; %d were acknowledged and %d attempted", sum, least, attempted)}
	}
	return nil
}

func birth(row crdt.Row, d causal.Dot) *crdt.Birth {
	for i := range row.Births {
		if row.Births[i].Dot == d {
			return &row.Births[i]
		}
	}
	return nil
}

func field(row crdt.Row, id uint8, birth causal.Dot) *crdt.Field {
	for i := range row.Fields {
		if f := &row.Fields[i]; f.ID == id && f.Birth == birth {
			return f
		}
	}
	return nil
}

func cell(row crdt.Row, of crdt.Cell) *crdt.Cell {
	for i := range row.Cells {
		if c := &row.Cells[i]; c.ID == of.ID && c.Birth == of.Birth && c.Replica == of.Replica {
			return c
		}
	}
	return nil
}

// older says whether a lost to b, or would have.
func older(a, b crdt.Field) bool {
	if a.Time != b.Time {
		return a.Time < b.Time
	}
	if a.Dot.Replica != b.Dot.Replica {
		return a.Dot.Replica < b.Dot.Replica
	}
	return a.Dot.Seq < b.Dot.Seq
}
