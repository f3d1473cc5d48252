package simulation

import (
	"slices"
	"sync"

	"grapevine/crdt"
	"grapevine/crdt/causal"
	"grapevine/store"
)

// ledger is the record, kept outside of the system, of what was written and of
// what was promised about it. It is safe for concurrent use.
type ledger struct {
	mu     sync.Mutex
	losses int // disks lost, put back, or given up so far
	writes map[store.Seen]*written
	keys   []store.Key // in the order of their first write
	rows   map[store.Key][]change

	added      map[store.Key]int64 // to counters, by all that was attempted
	increments map[store.Key][]increment
}

// increment is what an acknowledged write added to a counter.
type increment struct {
	*written
	n int64
}

// written is a write that some node coordinated: it stood on that node's disk.
type written struct {
	seen     store.Seen
	promises []promise
	replied  bool // some client was told

	everywhere bool // it stood on all owners at the last check
}

// secured gives a birth that a row lacks although it stood on all owners at the
// last check, and nobody has ended it; nil for none.
func (l *ledger) secured(k store.Key, row crdt.Row) *crdt.Birth {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.rows[k] {
		for _, b := range c.row.Births {
			if ended, _ := l.end(k, b.Dot); c.everywhere && !ended && l.sure(c.written) && birth(row, b.Dot) == nil {
				return &b
			}
		}
	}
	return nil
}

// promise is that a write stood on some disks, at a time when so many disks had
// been lost since the beginning.
type promise struct{ copies, losses int }

// change is what a write did to one row.
type change struct {
	*written
	row crdt.Row
}

func newLedger() *ledger {
	return &ledger{
		writes: map[store.Seen]*written{}, rows: map[store.Key][]change{},
		added: map[store.Key]int64{}, increments: map[store.Key][]increment{},
	}
}

// coordinate enters a write. It reports false when its dot has been used by one of
// which a trace must be left. Of one that was lost with its disks nothing is, and
// its dot may be used again: should it be on some disk nevertheless, then that and
// the model will differ.
func (l *ledger) coordinate(seen store.Seen, rows []store.Entry) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if before := l.writes[seen]; before != nil {
		if l.sure(before) {
			return false
		}
		for k, changes := range l.rows {
			l.rows[k] = slices.DeleteFunc(changes, func(c change) bool { return c.written == before })
		}
	}
	w := &written{seen: seen, promises: []promise{{1, l.losses}}}
	l.writes[seen] = w
	for _, e := range rows {
		if l.rows[e.Key] == nil {
			l.keys = append(l.keys, e.Key)
		}
		l.rows[e.Key] = append(l.rows[e.Key], change{w, e.Row})
	}
	return true
}

// lose counts a disk that was lost, put back or given up.
func (l *ledger) lose() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.losses++
}

// now counts the disks lost so far.
func (l *ledger) now() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.losses
}

// promised enters that a write stood on so many disks when no more than losses
// had been lost. It reports false for a write that nobody coordinated.
func (l *ledger) promised(seen store.Seen, p promise) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := l.writes[seen]
	if w == nil {
		return false
	}
	w.promises = append(w.promises, p)
	w.replied = true
	return true
}

// increment enters that a write which was acknowledged added n to a counter. It
// reports false when the write did nothing to it.
func (l *ledger) increment(seen store.Seen, k store.Key, n int64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.rows[k] {
		if c.seen == seen && len(c.row.Cells) > 0 {
			l.increments[k] = append(l.increments[k], increment{c.written, n})
			return true
		}
	}
	return false
}

// attempt enters that a client is about to add n to a counter.
func (l *ledger) attempt(k store.Key, n int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.added[k] += n
}

// sure says whether a write must still stand: it was on more disks than were lost
// since, wherever they were.
func (l *ledger) sure(w *written) bool {
	return slices.ContainsFunc(w.promises, l.binds)
}

// binds says whether a promise must still be kept.
func (l *ledger) binds(p promise) bool { return l.losses-p.losses < p.copies }

// holds is binds for those outside.
func (l *ledger) holds(p promise) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.binds(p)
}

// secure enters that all writes which must stand do so on so many disks now.
func (l *ledger) secure(copies int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, w := range l.writes {
		if l.sure(w) {
			w.promises = append(w.promises, promise{copies, l.losses})
			w.everywhere = true
		}
	}
}

// ofPartition gives the keys that were written to in a partition, oldest first.
func (l *ledger) ofPartition(of func(store.Slot) store.Partition, p store.Partition) []store.Key {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []store.Key
	for _, k := range l.keys {
		if of(k.Slot) == p {
			out = append(out, k)
		}
	}
	return out
}

// changed gives what a write did to a row, and whether it must still stand.
func (l *ledger) changed(seen store.Seen, k store.Key) (row crdt.Row, sure bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.rows[k] {
		if c.seen == seen {
			return c.row, l.sure(c.written)
		}
	}
	return crdt.Row{}, false
}

// ended says whether any write ended a birth, and whether one did that must still
// stand.
func (l *ledger) ended(k store.Key, birth causal.Dot) (maybe, surely bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.end(k, birth)
}

func (l *ledger) end(k store.Key, birth causal.Dot) (maybe, surely bool) {
	for _, c := range l.rows[k] {
		if slices.Contains(c.row.Removed, birth) {
			maybe, surely = true, surely || l.sure(c.written)
		}
	}
	return maybe, surely
}

// unsure counts the writes that may be on no disk any more.
func (l *ledger) unsure() (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, w := range l.writes {
		if !l.sure(w) {
			n++
		}
	}
	return n
}

// size counts the writes.
func (l *ledger) size() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.writes)
}
