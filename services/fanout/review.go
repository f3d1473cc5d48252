package fanout

import (
	"context"
	"fmt"
	"slices"
	"time"

	"grapevine/crdt"
	"grapevine/services/schema"
	"grapevine/store"
)

// A removal ends what its coordinator knows, so a mirror that was put twice, by nodes
// that both believed to lead, may outlive its truth; and what follows from an earlier
// act may take the mirror of a later one along. Therefore every owner of either row
// looks at both once more, a while after a change of one came to it. DESIGN.md says why
// the last of these looks leaves them equal.

// reviewer is the name of the review's cursor in the change log.
const reviewer = "mirrors"

const (
	reviewBeat  = time.Second      // between looks, while there are any
	reviewSave  = 10 * time.Second // between durable cursors, while they move
	reviewChunk = 256              // pairs read at once
)

// look is a pair that is to be compared, since a change of one half came here.
type look struct {
	pair
	changed store.Key // one of the two
	seq     uint64
	seen    store.Seen
	came    time.Time
	due     time.Time
}

// review reads the change log with a cursor of its own, behind the worker.
type review struct {
	worker  *Worker
	looks   []look // that wait
	after   uint64 // the last change read
	more    bool   // the log was not read to its end
	saved   uint64 // the durable cursor
	savedAt time.Time
}

// newReview makes a review that goes on where the last one ended.
func newReview(ctx context.Context, w *Worker) (*review, error) {
	after, err := w.cfg.Log.Cursor(ctx, reviewer)
	if err != nil {
		return nil, fmt.Errorf("cursor of the review of mirrors: %w", err)
	}
	return &review{worker: w, after: after, more: true, saved: after, savedAt: time.Now()}, nil
}

// run looks until ctx ends. Looks not done by then are done after the next start.
func (r *review) run(ctx context.Context) {
	appended, stop := r.worker.cfg.Log.Appended()
	defer stop()
	for ctx.Err() == nil {
		if !r.more && len(r.looks) == 0 && r.cursor() == r.saved {
			select {
			case <-ctx.Done():
			case <-appended:
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(reviewBeat):
			r.read(ctx)
			r.look(ctx)
			r.save(ctx)
		}
	}
}

// read takes changes from the log until its end, or until too many pairs wait.
func (r *review) read(ctx context.Context) {
	for r.more = true; r.more; {
		changes, err := r.worker.cfg.Log.Changes(ctx, r.after, readChunk)
		if err != nil {
			return // the worker, which reads the same log, says so
		}
		for _, c := range changes {
			if len(r.looks) >= r.worker.cfg.MaxPending {
				return
			}
			r.note(c)
		}
		r.more = len(changes) > 0
	}
}

// note keeps the pairs that a change is of. Rows of a snapshot were looked at by those
// who sent it, and what is kept for absent owners will be by them.
func (r *review) note(c store.Change) {
	r.after = c.Seq
	if c.Dot.IsZero() || r.worker.cfg.Hinted(c.Partition) {
		return
	}
	now, wait := time.Now(), r.worker.cfg.TakeOver
	if !r.worker.cfg.Leads(c.Partition) {
		wait *= 2 // so that one mends what several would
	}
	for _, k := range c.Keys {
		if p, ok := pairOf(k); ok {
			seen := store.Seen{Partition: c.Partition, Dot: c.Dot}
			r.looks = append(r.looks, look{pair: p, changed: k, seq: c.Seq, seen: seen, came: now, due: now.Add(wait)})
		}
	}
}

// look compares the pairs whose time has come. Those that cannot be read now wait.
func (r *review) look(ctx context.Context) {
	var ready []look
	now := time.Now()
	r.looks = slices.DeleteFunc(r.looks, func(l look) bool {
		if now.Before(l.due) || r.worker.cfg.Lags(l.seen.Partition) || !r.seenTo(l) {
			return false
		}
		ready = append(ready, l)
		return true
	})
	for chunk := range slices.Chunk(ready, reviewChunk) {
		for _, l := range r.mend(ctx, chunk) {
			l.due = time.Now().Add(patience * r.worker.cfg.TakeOver)
			r.looks = append(r.looks, l)
		}
	}
}

// seenTo says whether the worker is through with the change that a look follows.
func (r *review) seenTo(l look) bool {
	r.worker.mu.Lock()
	defer r.worker.mu.Unlock()
	return l.seq <= r.worker.backlog.read && r.worker.backlog.bySeen[l.seen] == nil
}

// mend makes mirrors what their truths are, as a majority knows both, and gives the
// looks that have to be repeated.
func (r *review) mend(ctx context.Context, looks []look) (again []look) {
	unlike, _, unread := r.compare(ctx, looks)
	unlike, ms, unsure := r.compare(schema.Majority(ctx), unlike)
	again = append(unread, unsure...)
	if len(ms) == 0 {
		return again
	}
	if err := r.worker.out.send(ctx, ms); err != nil {
		r.worker.cfg.Logger.Debug("mirrors will be mended later", "mirrors", len(ms), "err", err)
		return append(again, unlike...)
	}
	r.worker.metrics.mended.Add(float64(len(ms)))
	return again
}

// compare gives the looks at pairs whose halves differ, the mutations that would mend
// these, and the looks at pairs that cannot be read. Owners that cannot be reached cost
// the others nothing.
func (r *review) compare(ctx context.Context, looks []look) (unlike []look, ms []store.Mutation, unread []look) {
	if len(looks) == 0 {
		return nil, nil, nil
	}
	keys := make([]store.Key, 0, 2*len(looks))
	for _, l := range looks {
		keys = append(keys, l.truth, l.mirror)
	}
	rows, err := r.worker.cfg.Rows.GetMany(ctx, keys)
	if err != nil {
		return r.compareApart(ctx, looks)
	}
	for i, l := range looks {
		if m, differ := l.difference(rows[2*i], rows[2*i+1]); differ && !l.ancient(rows[2*i], rows[2*i+1]) {
			unlike, ms = append(unlike, l), append(ms, m)
		}
	}
	return unlike, ms, nil
}

// compareApart compares those of each two partitions by themselves.
func (r *review) compareApart(ctx context.Context, looks []look) (unlike []look, ms []store.Mutation, unread []look) {
	apart := map[[2]store.Partition][]look{}
	for _, l := range looks {
		at := [2]store.Partition{r.worker.cfg.PartitionOf(l.truth.Slot), r.worker.cfg.PartitionOf(l.mirror.Slot)}
		apart[at] = append(apart[at], l)
	}
	if len(apart) == 1 {
		return nil, nil, looks
	}
	for _, some := range apart {
		u, m, n := r.compare(ctx, some)
		unlike, ms, unread = append(unlike, u...), append(ms, m...), append(unread, n...)
	}
	return unlike, ms, unread
}

// ancient says whether the change was old when it came here, as ancient does of the
// worker's: those who owned the partition then have looked.
func (l look) ancient(truth, mirror crdt.Row) bool {
	row := truth
	if l.changed == l.mirror {
		row = mirror
	}
	return row.Exists() && l.came.Sub(row.Time().Time()) >= ancientAfter
}

// difference gives the mutation that a mirror lacks, if any. A removal ends what was
// seen: what is put meanwhile follows from what is done meanwhile.
func (p pair) difference(truth, mirror crdt.Row) (store.Mutation, bool) {
	m := p.becomes(truth)
	if m.Op == store.Remove {
		m.Ends = dots(mirror.Births)
	}
	return m, changes(m, mirror)
}

// cursor is the last change before which all pairs were compared.
func (r *review) cursor() uint64 {
	at := r.after
	for _, l := range r.looks {
		at = min(at, l.seq-1)
	}
	return at
}

// save makes the cursor durable now and then. On a full disk it stays where it is,
// which the worker says.
func (r *review) save(ctx context.Context) {
	at := r.cursor()
	if at == r.saved || time.Since(r.savedAt) < reviewSave {
		return
	}
	r.savedAt = time.Now()
	if err := r.worker.cfg.Log.SaveCursor(ctx, reviewer, at); err == nil {
		r.saved = at
	}
}
