package servicetest

import (
	"context"
	"fmt"
	"slices"

	"grapevine/crdt"
	"grapevine/crdt/causal"
	"grapevine/store"
)

// replica is the incarnation that all dots of a Store are of.
const replica causal.Replica = 1

// Write implements store.Rows. Like the real store it refuses a write that spans
// partitions, and one that names a row twice is a defect of its caller.
func (s *Store) Write(ctx context.Context, w store.Write) (store.Receipt, error) {
	if err := ctx.Err(); err != nil {
		return store.Receipt{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	keys := make([]store.Key, len(w.Mutations))
	for i, m := range w.Mutations {
		keys[i] = m.Key
	}
	if s.fail != nil {
		if err := s.fail(keys, true); err != nil {
			return store.Receipt{}, err
		}
	}
	p, err := s.check(w)
	if err != nil {
		return store.Receipt{}, err
	}
	receipt := store.Receipt{Partition: p}
	dot := s.nextDot()
	if changes := s.changesOf(w, dot); len(changes) > 0 {
		receipt.Dot, receipt.Copies = dot, 1
		s.writes++
		s.apply(dot, changes)
	}
	store.RequestOf(ctx).Record(receipt)
	return receipt, nil
}

// check refuses a write that cannot be applied, and sorts its fields and counters.
func (s *Store) check(w store.Write) (store.Partition, error) {
	p := PartitionOf(w.Mutations[0].Key.Slot)
	named := map[store.Key]bool{}
	for _, m := range w.Mutations {
		if PartitionOf(m.Key.Slot) != p || named[m.Key] {
			return p, fmt.Errorf("servicetest: write spans partitions or names %v twice", m.Key)
		}
		named[m.Key] = true
		slices.SortFunc(m.Fields, func(a, b store.FieldValue) int { return int(a.ID) - int(b.ID) })
		slices.SortFunc(m.Counts, func(a, b store.CountDelta) int { return int(a.ID) - int(b.ID) })
		switch exists := s.rows[m.Key].Exists(); {
		case m.If == store.IfAbsent && exists:
			return p, store.ErrExists
		case m.If == store.IfExists && !exists:
			return p, store.ErrNotFound
		}
	}
	return p, nil
}

// changesOf gives what a write does to its rows.
func (s *Store) changesOf(w store.Write, dot causal.Dot) map[store.Key]crdt.Row {
	now := s.clock.Now()
	changes := map[store.Key]crdt.Row{}
	for _, m := range w.Mutations {
		row := s.rows[m.Key]
		var change crdt.Row
		switch m.Op {
		case store.Put:
			change = row.Put(dot, now, m.Value)
			for _, f := range m.Fields {
				change.Fields = append(change.Fields, crdt.Field{ID: f.ID, Birth: dot, Dot: dot, Time: now, Value: f.Value})
			}
		case store.Remove:
			change = row.Remove()
		case store.Update:
			for _, f := range m.Fields {
				change.Fields = append(change.Fields, row.Update(dot, now, f.ID, f.Value).Fields...)
			}
		case store.Add:
			for _, c := range m.Counts {
				change.Cells = append(change.Cells, row.Add(dot, c.ID, c.N).Cells...)
			}
		}
		if m.Ends != nil {
			change = change.EndingOnly(m.Ends)
		}
		if !change.IsZero() {
			changes[m.Key] = change
		}
	}
	return changes
}

func (s *Store) nextDot() causal.Dot {
	return causal.Dot{Replica: replica, Seq: s.seen.Max(replica) + 1}
}

// apply merges changes, logs them and tells who wants to know.
func (s *Store) apply(dot causal.Dot, changes map[store.Key]crdt.Row) {
	var keys []store.Key
	for k, change := range changes {
		before, stored := s.rows[k]
		s.rows[k] = crdt.Merge(before, s.seen, change, causal.Nothing{})
		keys = append(keys, k)
		if !stored {
			at, _ := slices.BinarySearchFunc(s.order, k, compare)
			s.order = slices.Insert(s.order, at, k)
		}
	}
	s.seen.Add(dot)
	slices.SortFunc(keys, compare)
	s.seq++
	s.changes = append(s.changes, store.Change{Seq: s.seq, Partition: PartitionOf(keys[0].Slot), Dot: dot, Keys: keys})
	for _, invalidate := range s.invalidate {
		invalidate(keys)
	}
	for _, sub := range s.subs {
		select {
		case sub <- struct{}{}:
		default:
		}
	}
}

// Changes implements store.ChangeLog.
func (s *Store) Changes(_ context.Context, after uint64, limit int) ([]store.Change, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	rest := s.changes[min(after, s.seq):]
	return slices.Clone(rest[:min(limit, len(rest))]), nil
}

// Appended implements store.ChangeLog.
func (s *Store) Appended() (<-chan struct{}, func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sub := make(chan struct{}, 1)
	s.subs = append(s.subs, sub)
	return sub, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.subs = slices.DeleteFunc(s.subs, func(c chan struct{}) bool { return c == sub })
	}
}

// Cursor implements store.ChangeLog.
func (s *Store) Cursor(_ context.Context, consumer string) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cursors[consumer], nil
}

// SaveCursor implements store.ChangeLog.
func (s *Store) SaveCursor(_ context.Context, consumer string, seq uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cursors[consumer] = seq
	return nil
}
