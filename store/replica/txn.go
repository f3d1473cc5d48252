package replica

import (
	"encoding/binary"
	"fmt"

	"grapevine/crdt"
	"grapevine/crdt/causal"
	"grapevine/crdt/hlc"
	"grapevine/store"
)

// txn gathers the effects of many pieces of work into one engine batch. It is
// used by the applier alone: work is added within one engine snapshot, the batch
// is committed, and only then are vectors, caches and waiters told.
type txn struct {
	s        *Store
	snapshot store.Snapshot
	rows     map[store.Key]*staged
	seen     map[store.Partition]seenBy
	batch    store.Batch
	changes  []store.Change
	staged   int // bytes, estimated, of staged rows
	grown    map[store.Partition]int
	clock    hlc.Timestamp
}

// staged is a row that the transaction has read, and perhaps changed.
type staged struct {
	row     crdt.Row
	stored  bool // there is an entry in the engine
	existed bool // it was visible to readers
	dirty   bool
}

func (s *Store) newTxn(snapshot store.Snapshot) *txn {
	return &txn{
		s: s, snapshot: snapshot,
		rows: map[store.Key]*staged{},
		seen: map[store.Partition]seenBy{}, grown: map[store.Partition]int{},
	}
}

// size estimates the engine batch that the transaction will need.
func (t *txn) size() int { return t.batch.Size() + t.staged }

func (t *txn) context(p store.Partition) seenBy {
	c, ok := t.seen[p]
	if !ok {
		c = seenBy{applied: t.s.partitions[p].vector, adding: causal.NewVector()}
		t.seen[p] = c
	}
	return c
}

func (t *txn) read(k store.Key) (*staged, error) {
	if r, ok := t.rows[k]; ok {
		return r, nil
	}
	row, stored, err := readRow(t.snapshot, k)
	if err != nil {
		return nil, err
	}
	r := &staged{row: row, stored: stored, existed: row.Exists()}
	t.rows[k] = r
	return r, nil
}

// readRow reads a row as it is stored, visible or not.
func readRow(snapshot store.Snapshot, k store.Key) (row crdt.Row, stored bool, err error) {
	value, ok, err := snapshot.Get(dataKey(k))
	if err != nil || !ok {
		return crdt.Row{}, false, err
	}
	row, _, err = crdt.ConsumeRow(value)
	if err != nil {
		return crdt.Row{}, false, fmt.Errorf("row %v: %w", k, err)
	}
	return row, true, nil
}

// merge joins a change or a remote state into a row.
func (t *txn) merge(k store.Key, mine causal.Context, remote crdt.Row, theirs causal.Context) error {
	r, err := t.read(k)
	if err != nil {
		return err
	}
	if !r.dirty {
		t.staged += valueBytes(r.row) // the whole row is written, however small the change
	}
	r.row = crdt.Merge(r.row, mine, remote, theirs)
	r.dirty = true
	t.staged += valueBytes(remote) + 3*len(k.Sort) + 192
	return nil
}

func valueBytes(r crdt.Row) int {
	n := 0
	for _, b := range r.Births {
		n += len(b.Value)
	}
	for _, f := range r.Fields {
		n += len(f.Value)
	}
	return n
}

// coordinate checks a client's write, gives it a dot, and applies it. It returns
// a delta without rows when the write changes nothing.
func (t *txn) coordinate(p store.Partition, w store.Write) (delta, error) {
	for _, m := range w.Mutations {
		r, err := t.read(m.Key)
		if err != nil {
			return delta{}, err
		}
		if m.If == store.IfAbsent && r.row.Exists() {
			return t.standing(p, w), store.ErrExists
		}
		if m.If == store.IfExists && !r.row.Exists() {
			return delta{}, store.ErrNotFound
		}
	}
	ctx := t.context(p)
	d := delta{
		partition: p,
		dot:       causal.Dot{Replica: t.s.replica, Seq: ctx.next(t.s.replica)},
		time:      t.s.clock.Now(),
	}
	for _, m := range w.Mutations {
		if change := t.change(m, d.dot, d.time); !change.IsZero() {
			d.rows = append(d.rows, store.Entry{Key: m.Key, Row: change})
		}
	}
	if len(d.rows) == 0 {
		return t.standing(p, w), nil
	}
	t.clock = d.time
	return d, t.apply(&d)
}

// standing is the delta without rows of a write that has nothing left to change:
// its dot is that of the newest birth among its rows, zero when none exists.
func (t *txn) standing(p store.Partition, w store.Write) delta {
	var newest crdt.Birth
	for _, m := range w.Mutations {
		if r := t.rows[m.Key]; r != nil {
			if birth, ok := r.row.Last(); ok && birth.Time >= newest.Time {
				newest = birth
			}
		}
	}
	return delta{partition: p, dot: newest.Dot}
}

// change is what a mutation does to its row as this coordinator sees it.
func (t *txn) change(m store.Mutation, dot causal.Dot, now hlc.Timestamp) crdt.Row {
	row := t.rows[m.Key].row
	switch m.Op {
	case store.Remove:
		return row.Remove()
	case store.Put:
		change := row.Put(dot, now, m.Value)
		for _, f := range m.Fields {
			change.Fields = append(change.Fields, crdt.Field{ID: f.ID, Birth: dot, Dot: dot, Time: now, Value: f.Value})
		}
		return change
	default:
		var change crdt.Row
		for _, f := range m.Fields {
			change.Fields = append(change.Fields, row.Update(dot, now, f.ID, f.Value).Fields...)
		}
		return change
	}
}

// apply joins a delta, unless it has been seen.
func (t *txn) apply(d *delta) error {
	ctx := t.context(d.partition)
	if ctx.Contains(d.dot) {
		return nil
	}
	for _, e := range d.rows {
		if err := t.merge(e.Key, ctx, e.Row, causal.Nothing{}); err != nil {
			return err
		}
	}
	t.record(d.partition, d.dot, d.touched())
	return nil
}

// applyPage joins the states that an owner sent for the dots this node missed.
// What those dots ended is marked first: a birth that is still on its way must
// find its end here, though its absence from the owner's row cannot show it.
func (t *txn) applyPage(pg *page) error {
	ctx := t.context(pg.partition)
	for _, d := range pg.dots {
		if ctx.Contains(d.dot) {
			continue
		}
		for _, r := range d.touched {
			if err := t.merge(r.key, ctx, crdt.Row{Removed: r.ended}, causal.Nothing{}); err != nil {
				return err
			}
		}
	}
	for _, e := range pg.rows {
		if err := t.merge(e.Key, ctx, e.Row, pg.theirs); err != nil {
			return err
		}
	}
	for _, d := range pg.dots {
		if !ctx.Contains(d.dot) {
			t.record(pg.partition, d.dot, d.touched)
		}
	}
	return nil
}

// record enters a dot into the context, the log of dots and the log of changes.
func (t *txn) record(p store.Partition, d causal.Dot, rows []touched) {
	keys := make([]store.Key, len(rows))
	for i, r := range rows {
		keys[i] = r.key
	}
	t.seen[p].adding.Add(d)
	t.batch.Put(dotKey(p, d), appendTouched(nil, rows))
	t.changes = append(t.changes, store.Change{Partition: p, Dot: d, Keys: keys})
}

// finish turns staged rows into operations of the batch. Changes are numbered
// from after.
func (t *txn) finish(after uint64) {
	for k, r := range t.rows {
		if r.dirty {
			t.put(k, r)
		}
	}
	if len(t.changes) > 0 {
		for i := range t.changes {
			after++
			t.changes[i].Seq = after
		}
		t.batch.Put(changeKey(after), appendChanges(nil, t.changes))
	}
	if t.clock > 0 {
		t.batch.Put(metaKey(metaClock), binary.BigEndian.AppendUint64(nil, uint64(t.clock)))
	}
}

func (t *txn) put(k store.Key, r *staged) {
	p := t.s.partitionOf(k.Slot)
	r.row = r.row.Settle(t.context(p))
	switch keep := !r.row.IsZero(); {
	case keep:
		t.batch.Put(dataKey(k), r.row.Append(nil))
		if !r.stored {
			t.grown[p]++
		}
	case r.stored:
		t.batch.Delete(dataKey(k))
		t.grown[p]--
	}
	if exists := r.row.Exists(); exists != r.existed && t.s.cfg.Indexed(k.Family) {
		if exists {
			t.batch.Put(indexKey(k.Family, k.Sort), binary.BigEndian.AppendUint16(nil, uint16(k.Slot)))
		} else {
			t.batch.Delete(indexKey(k.Family, k.Sort))
		}
	}
}

// dirtyKeys gives the keys of the rows that changed.
func (t *txn) dirtyKeys() []store.Key {
	keys := make([]store.Key, 0, len(t.rows))
	for k, r := range t.rows {
		if r.dirty {
			keys = append(keys, k)
		}
	}
	return keys
}
