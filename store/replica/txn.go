package replica

import (
	"encoding/binary"
	"fmt"
	"math"

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
	records  map[store.Partition]*record // copies, of those that change
	grown    map[store.Partition]*tally
	batch    store.Batch
	changes  []store.Change
	gone     []store.Key // deleted without being read
	staged   int         // bytes, estimated, of staged rows
	clock    hlc.Timestamp
	identity identity
	then     []func() // to be done once the batch is durable
}

// staged is a row that the transaction has read, and perhaps changed.
type staged struct {
	row     crdt.Row
	size    int  // of the entry in the engine, 0 for none
	existed bool // it was visible to readers
	marked  bool // it remembered removals
	dirty   bool
}

func (s *Store) newTxn(snapshot store.Snapshot) *txn {
	return &txn{
		s: s, snapshot: snapshot, identity: s.identity.now(),
		rows: map[store.Key]*staged{}, seen: map[store.Partition]seenBy{},
		records: map[store.Partition]*record{}, grown: map[store.Partition]*tally{},
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

// record gives the partition's record, to be changed.
func (t *txn) record(p store.Partition) *record {
	r := t.records[p]
	if r == nil {
		r = t.s.partitions[p].record().clone()
		t.records[p] = r
	}
	return r
}

// peek gives the partition's record, to be read.
func (t *txn) peek(p store.Partition) *record {
	if r := t.records[p]; r != nil {
		return r
	}
	return t.s.partitions[p].record()
}

// stores says whether writes of the partition are to be kept here.
func (t *txn) stores(p store.Partition) bool { return t.s.stores(p) && !t.peek(p).dropping }

// grow gives the change in what is stored of a partition, to be added to.
func (t *txn) grow(p store.Partition) *tally {
	g := t.grown[p]
	if g == nil {
		g = new(tally)
		t.grown[p] = g
	}
	return g
}

func (t *txn) read(k store.Key) (*staged, error) {
	if r, ok := t.rows[k]; ok {
		return r, nil
	}
	row, size, err := readRow(t.snapshot, k)
	if err != nil {
		return nil, err
	}
	r := &staged{row: row, size: size, existed: row.Exists(), marked: len(row.Removed) > 0}
	t.rows[k] = r
	return r, nil
}

// readRow reads a row as it is stored, visible or not, and the size of its entry,
// 0 for none.
func readRow(snapshot store.Snapshot, k store.Key) (row crdt.Row, size int, err error) {
	key := dataKey(k)
	value, ok, err := snapshot.Get(key)
	if err != nil || !ok {
		return crdt.Row{}, 0, err
	}
	row, _, err = crdt.ConsumeRow(value)
	if err != nil {
		return crdt.Row{}, 0, fmt.Errorf("row %v: %w", k, err)
	}
	return row, len(key) + len(value), nil
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
	ended := t.peek(t.s.partitionOf(k.Slot)).snapshot.withEnded(k, r.row, remote)
	r.row = crdt.Merge(ended, mine, remote, theirs)
	r.dirty = true
	t.staged += valueBytes(remote) + 3*len(k.Sort) + 192
	return nil
}

// cellBytes is about what an encoded cell of a counter takes.
const cellBytes = 32

func valueBytes(r crdt.Row) int {
	n := 0
	for _, b := range r.Births {
		n += len(b.Value)
	}
	for _, f := range r.Fields {
		n += len(f.Value)
	}
	return n + cellBytes*len(r.Cells)
}

// coordinate checks a client's write, gives it a dot, and applies it. It returns
// a delta without rows when the write changes nothing.
func (t *txn) coordinate(l *localWrite) (delta, error) {
	p, w := l.partition, l.write
	adds := false
	for _, m := range w.Mutations {
		r, err := t.read(m.Key)
		if err != nil {
			return delta{}, err
		}
		if unseen := l.blind || !r.row.Exists(); l.standIn && unseen && (m.Op != store.Put || m.If == store.IfExists) {
			return delta{}, store.ErrUnavailable // the row may well exist, or be another, where it belongs
		}
		if m.If == store.IfAbsent && r.row.Exists() {
			return t.standing(p, w), store.ErrExists
		}
		if m.If == store.IfExists && !r.row.Exists() {
			return delta{}, store.ErrNotFound
		}
		adds = adds || m.Op == store.Add
	}
	if adds && !t.knowsItself(p) {
		t.renew()
	}
	d := delta{partition: p, dot: t.nextDot(p), time: t.s.clock.Now()}
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
	change := changeOf(t.rows[m.Key].row, m, dot, now)
	if m.Ends != nil {
		change = change.EndingOnly(m.Ends)
	}
	return change
}

func changeOf(row crdt.Row, m store.Mutation, dot causal.Dot, now hlc.Timestamp) crdt.Row {
	switch m.Op {
	case store.Remove:
		return row.Remove()
	case store.Put:
		change := row.Put(dot, now, m.Value)
		for _, f := range m.Fields {
			change.Fields = append(change.Fields, crdt.Field{ID: f.ID, Birth: dot, Dot: dot, Time: now, Value: f.Value})
		}
		return change
	case store.Add:
		var change crdt.Row
		for _, c := range m.Counts {
			change.Cells = append(change.Cells, row.Add(dot, c.ID, c.N).Cells...)
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

// nextDot gives the dot of this node's next write to a partition. A node that
// does not know its disk to be the newest of its incarnation becomes another: it
// may have used the dots that would come next.
func (t *txn) nextDot(p store.Partition) causal.Dot {
	exhausted := t.context(p).next(t.identity.replica) == math.MaxUint64 // a dot that a liar made up
	if (!t.identity.proven || exhausted) && !mutated(trustOldDisk) {
		t.renew()
	}
	d := causal.Dot{Replica: t.identity.replica, Seq: t.context(p).next(t.identity.replica)}
	if last := t.peek(p).last; last.Replica == d.Replica {
		d.Seq = max(d.Seq, last.Seq+1)
	}
	if mutated(reuseDot) && d.Seq > 1 {
		d.Seq--
	}
	return d
}

// knowsItself says whether all is here that this incarnation wrote to a partition
// before it dropped its copy. If not, its shares of counters may be missing, and
// would begin anew.
func (t *txn) knowsItself(p store.Partition) bool {
	last := t.peek(p).last
	if last.Replica != t.identity.replica {
		return true
	}
	used := causal.NewVector()
	used.AddRange(last.Replica, causal.Range{First: 1, Last: last.Seq})
	seen := t.context(p)
	return seen.adding.Missing(seen.applied.Missing(used)).Empty()
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
	t.enter(d.partition, d.dot, d.touched())
	return nil
}

// applyPage joins the states that an owner sent for the dots this node missed.
// What those dots ended is marked first: a birth that is still on its way must
// find its end here, though its absence from the owner's row cannot show it.
func (t *txn) applyPage(pg *page) error {
	ctx := t.context(pg.partition)
	for _, d := range pg.dots {
		if ctx.Contains(d.dot) || mutated(dropMarksEarly) {
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
			t.enter(pg.partition, d.dot, d.touched)
		}
	}
	return nil
}

// enter puts a dot into the context, the log of dots and the log of changes.
func (t *txn) enter(p store.Partition, d causal.Dot, rows []touched) {
	keys := make([]store.Key, len(rows))
	for i, r := range rows {
		keys[i] = r.key
	}
	t.seen[p].adding.Add(d)
	t.batch.Put(dotKey(p, d), appendTouched(nil, rows))
	t.grow(p).logged++
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
	for p, rec := range t.records {
		t.batch.Put(recordKey(p), rec.encode())
	}
	if t.clock > 0 {
		t.batch.Put(metaKey(metaClock), binary.BigEndian.AppendUint64(nil, uint64(t.clock)))
	}
}

func (t *txn) put(k store.Key, r *staged) {
	p := t.s.partitionOf(k.Slot)
	grown := t.grow(p)
	r.row = r.row.Settle(t.context(p))
	size := 0
	switch key := dataKey(k); {
	case !r.row.IsZero():
		value := r.row.Append(nil)
		size = len(key) + len(value)
		t.batch.Put(key, value)
	case r.size > 0:
		t.batch.Delete(key)
	}
	grown.bytes += int64(size - r.size)
	grown.rows += one(size > 0) - one(r.size > 0)
	grown.marks += one(len(r.row.Removed) > 0) - one(r.marked)
	if exists := r.row.Exists(); exists != r.existed && t.s.cfg.Indexed(k.Family) {
		if exists {
			t.batch.Put(indexKey(k.Family, k.Sort), binary.BigEndian.AppendUint16(nil, uint16(k.Slot)))
		} else {
			t.batch.Delete(indexKey(k.Family, k.Sort))
		}
	}
}

func one(b bool) int {
	if b {
		return 1
	}
	return 0
}

// dirtyKeys gives the keys of the rows that changed.
func (t *txn) dirtyKeys() []store.Key {
	keys := make([]store.Key, 0, len(t.rows)+len(t.gone))
	for k, r := range t.rows {
		if r.dirty {
			keys = append(keys, k)
		}
	}
	return append(keys, t.gone...)
}
