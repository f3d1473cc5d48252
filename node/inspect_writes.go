package node

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"grapevine/crdt"
	"grapevine/crdt/causal"
	"grapevine/crdt/hlc"
	"grapevine/node/client"
	"grapevine/services/schema"
	"grapevine/store"
)

// mergedRow is what the answers about one row come to.
type mergedRow struct {
	key    store.Key
	row    crdt.Row // as all owners will have it
	copies []*held  // of those who answered
	at     int      // the row's place in each
}

// mergeHeld merges the copies of a row, as the owners will.
func mergeHeld(key store.Key, at int, answers []*held) mergedRow {
	m := mergedRow{key: key, at: at}
	seen := causal.NewVector()
	for _, h := range answers {
		if !h.Answers {
			continue
		}
		m.copies = append(m.copies, h)
		m.row = crdt.Merge(m.row, seen, h.rows[at], h.seen)
		seen.Merge(h.seen)
	}
	return m
}

// touched says whether anybody has anything of the row.
func (m mergedRow) touched() bool {
	return slices.ContainsFunc(m.copies, func(h *held) bool { return !h.rows[m.at].IsZero() })
}

// agreed says whether all copies that count are the same.
func (m mergedRow) agreed() bool {
	var first []byte
	for n, h := range m.owners() {
		b := h.rows[m.at].Append(nil)
		if n > 0 && !slices.Equal(first, b) {
			return false
		}
		first = b
	}
	return true
}

func (m mergedRow) owners() []*held {
	return slices.DeleteFunc(slices.Clone(m.copies), func(h *held) bool { return h.Role != roleOwner })
}

// explain tells the writes of the row. Contents are digested under a key.
func (m mergedRow) explain(key []byte) client.ExplainedRow {
	out := client.ExplainedRow{
		Name: familyName(m.key.Family), Key: m.key.String(), Exists: m.row.Exists(), Agreed: m.agreed(),
		Writes: []client.ExplainedWrite{},
	}
	if m.key.Family == schema.FamilyCredential {
		key = nil
	}
	births, fields, cells := map[causal.Dot]crdt.Birth{}, map[causal.Dot]map[uint8]crdt.Field{}, map[causal.Dot]crdt.Cell{}
	for _, h := range m.copies {
		row := h.rows[m.at]
		for _, b := range row.Births {
			births[b.Dot] = b
		}
		for _, f := range row.Fields {
			if fields[f.Dot] == nil {
				fields[f.Dot] = map[uint8]crdt.Field{}
			}
			fields[f.Dot][f.ID] = f
		}
		for _, c := range row.Cells {
			cells[causal.Dot{Replica: c.Replica, Seq: c.Seq}] = c
		}
	}
	for _, b := range births {
		out.Writes = append(out.Writes, m.birth(b, key))
	}
	for _, of := range fields {
		for _, f := range of {
			out.Writes = append(out.Writes, m.field(f, key))
		}
	}
	for dot, c := range cells {
		out.Writes = append(out.Writes, m.cell(dot, c))
	}
	slices.SortFunc(out.Writes, func(a, b client.ExplainedWrite) int {
		return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.What, b.What), cmp.Compare(a.Dot, b.Dot))
	})
	return out
}

// write tells what a birth and a field have in common, and who has it.
func (m mergedRow) write(what string, dot causal.Dot, at hlc.Timestamp, value, key []byte, shows func(crdt.Row) bool) client.ExplainedWrite {
	w := client.ExplainedWrite{
		What: what, Dot: dot.String(), Time: at.Time(), Bytes: len(value), Digest: digestOf(value, key),
		Has: []string{}, Ended: []string{}, Lacks: []string{},
	}
	for _, h := range m.copies {
		switch {
		case shows(h.rows[m.at]):
			w.Has = append(w.Has, h.Node)
		case h.seen.Contains(dot) || slices.Contains(h.rows[m.at].Removed, dot):
			w.Ended = append(w.Ended, h.Node)
		case h.Role != roleOther:
			w.Lacks = append(w.Lacks, h.Node)
		}
	}
	return w
}

// digestOf tells equal contents from different ones, and nothing else: without the
// key of the cluster a short text could be guessed.
func digestOf(value, key []byte) string {
	if key == nil {
		return ""
	}
	mac := hmac.New(sha256.New, key)
	mac.Write(value) // a hash takes every write
	return hex.EncodeToString(mac.Sum(nil)[:8])
}

func (m mergedRow) birth(b crdt.Birth, key []byte) client.ExplainedWrite {
	is := func(o crdt.Birth) bool { return o.Dot == b.Dot }
	w := m.write("the row", b.Dot, b.Time, b.Value, key, func(r crdt.Row) bool { return slices.ContainsFunc(r.Births, is) })
	winner, rule := m.row.Last, "the latest"
	if m.key.Family == schema.FamilyName {
		winner, rule = m.row.First, "the earliest claim"
	}
	top, _ := winner()
	switch {
	case !slices.ContainsFunc(m.row.Births, is):
		w.Outcome, w.Why = "removed", "a node has seen it and shows it no more: it was removed or put anew there, and that holds everywhere"
	case top.Dot != b.Dot:
		w.Outcome, w.Why = "loses", fmt.Sprintf("of %d that were written at once, %s holds, by time and then dot", len(m.row.Births), rule)
	case len(m.row.Births) > 1:
		w.Outcome, w.Why = "wins", fmt.Sprintf("%s of %d that were written at once, by time and then dot", rule, len(m.row.Births))
	default:
		w.Outcome, w.Why = "wins", "the only one that stands"
	}
	return w
}

func (m mergedRow) field(f crdt.Field, key []byte) client.ExplainedWrite {
	w := m.write(fieldName(m.key.Family, f.ID), f.Dot, f.Time, f.Value, key, func(r crdt.Row) bool {
		return slices.ContainsFunc(r.Fields, func(o crdt.Field) bool { return o.Dot == f.Dot && o.ID == f.ID })
	})
	top, ok := m.row.Field(f.ID)
	switch {
	case ok && top.Dot == f.Dot:
		w.Outcome, w.Why = "wins", "the last written, by time and then dot"
	case ok:
		w.Outcome, w.Why = "loses", "another was written later, by time and then dot"
	default:
		w.Outcome, w.Why = "removed", "the row that it was written to is removed, or has not come yet"
	}
	return w
}

func (m mergedRow) cell(dot causal.Dot, c crdt.Cell) client.ExplainedWrite {
	is := func(o crdt.Cell) bool {
		return o.ID == c.ID && o.Birth == c.Birth && o.Replica == c.Replica && o.Seq == c.Seq
	}
	w := m.write(fmt.Sprintf("counter %d: one replica's share, %d", c.ID, c.Value), dot, 0, nil, nil, func(r crdt.Row) bool {
		return slices.ContainsFunc(r.Cells, is)
	})
	w.Outcome, w.Why = "wins", "the latest of its replica; shares are added up"
	if !slices.ContainsFunc(m.row.Cells, is) {
		w.Outcome, w.Why = "loses", "a later one of its replica contains it, or the row is removed"
	}
	return w
}
