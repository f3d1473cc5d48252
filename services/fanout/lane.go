package fanout

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"grapevine/services/schema"
	"grapevine/store"
)

// laneID names a line of work within which items are done in order: what two
// changes of a partition lead to must not overtake each other. The end of an
// account may take long and has a line of its own.
type laneID struct {
	partition store.Partition
	departure bool
}

// lane is the items of a line of work that has a goroutine.
type lane struct{ queue []*item }

// watch is the items of a partition that another node leads.
type watch struct {
	items    []*item
	progress time.Time // when that node last announced something
}

// laneBatch bounds the items that are derived together.
const laneBatch = 128

// patience is how many times TakeOver an item may stay undone while the node that
// leads its partition goes on announcing other work: it is busy, not gone.
const patience = 6

// room gives the last change read, and how many more may be.
func (w *Worker) room() (after uint64, room int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.backlog.read, w.cfg.MaxPending - w.backlog.len()
}

// caughtUp notes that the log was read to its end.
func (w *Worker) caughtUp() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.backlog.replayed = true
}

// accept sorts changes into what is this node's to do and what is another's.
func (w *Worker) accept(ctx context.Context, changes []store.Change) {
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range changes {
		it := w.backlog.add(c, now)
		switch {
		case it == nil:
		case w.cfg.Hinted(c.Partition):
			w.backlog.finish(it)
		case it.everywhere || w.cfg.Leads(c.Partition):
			w.enqueue(ctx, it)
		default:
			w.watch(c.Partition, now).add(it)
		}
	}
	w.metrics.pending.Set(float64(w.backlog.len()))
}

func (w *Worker) watch(p store.Partition, now time.Time) *watch {
	watched := w.waiting[p]
	if watched == nil {
		watched = &watch{progress: now}
		w.waiting[p] = watched
	}
	return watched
}

func (v *watch) add(it *item) { v.items = append(v.items, it) }

// Done is told that another node has written the consequences of writes.
func (w *Worker) Done(done []store.Seen) {
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, seen := range done {
		w.backlog.hear(seen)
		if watched := w.waiting[seen.Partition]; watched != nil {
			watched.progress = now
		}
	}
	w.metrics.pending.Set(float64(w.backlog.len()))
	w.nudge()
}

// takeOver moves to this node's work what others left undone: everything of a
// partition that this node leads by now, and what has waited for too long.
func (w *Worker) takeOver(ctx context.Context, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for p, watched := range w.waiting {
		leads, quiet := w.cfg.Leads(p), now.Sub(watched.progress) >= w.cfg.TakeOver
		watched.items = slices.DeleteFunc(watched.items, func(it *item) bool {
			age := now.Sub(it.read)
			late := age >= w.cfg.TakeOver && (quiet || age >= patience*w.cfg.TakeOver)
			if !it.done && (leads || late) {
				it.takenOver = true
				w.metrics.takenOver.Inc()
				w.enqueue(ctx, it)
				return true
			}
			return it.done
		})
		if len(watched.items) == 0 {
			delete(w.waiting, p)
		}
	}
}

// enqueue adds an item to its lane and starts the lane. The caller holds w.mu.
func (w *Worker) enqueue(ctx context.Context, it *item) {
	departs := func(k store.Key) bool {
		return k.Family == schema.FamilyCredential || k.Family == schema.FamilyDeparted
	}
	id := laneID{it.seen.Partition, slices.ContainsFunc(it.keys, departs)}
	l := w.queues[id]
	if l == nil {
		l = &lane{}
		w.queues[id] = l
		w.lanes.Go(func() { w.runLane(ctx, id, l) })
	}
	l.queue = append(l.queue, it)
}

// runLane does the items of a lane until there are none or ctx ends.
func (w *Worker) runLane(ctx context.Context, id laneID, l *lane) {
	for {
		items := w.take(id, l)
		if len(items) == 0 || !w.settle(ctx, items) {
			return
		}
		w.finish(items)
	}
}

// take gives the next items of a lane, none when it has ended.
func (w *Worker) take(id laneID, l *lane) []*item {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := min(len(l.queue), laneBatch)
	if n == 0 {
		delete(w.queues, id)
		return nil
	}
	items := l.queue[:n:n]
	l.queue = l.queue[n:]
	return items
}

// finish notes that the consequences of items are written.
func (w *Worker) finish(items []*item) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, it := range items {
		w.metrics.delay.Observe(time.Since(it.read).Seconds())
		w.backlog.finish(it)
		if !it.seen.Dot.IsZero() && !it.everywhere {
			w.finished = append(w.finished, it.seen)
		}
	}
	w.metrics.pending.Set(float64(w.backlog.len()))
	w.nudge()
}

// busy says whether there is anything to tell, to watch or to save.
func (w *Worker) busy(saved uint64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.finished) > 0 || len(w.waiting) > 0 || w.backlog.cursor() != saved
}

// Bounds of the pause after a failure. Failures with pauses below warnPause pass
// by themselves, as each partition has some when its node starts.
const (
	firstPause = 50 * time.Millisecond
	warnPause  = time.Second
	lastPause  = 5 * time.Second
)

// settle writes the consequences of items, however often it takes, and says
// whether it has. What cannot succeed is logged, counted and passed.
func (w *Worker) settle(ctx context.Context, items []*item) bool {
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		err := w.attempt(ctx, items)
		switch {
		case err == nil:
			return true
		case ctx.Err() != nil:
			return false
		case permanent(err) && len(items) == 1:
			w.metrics.passed.Inc()
			w.cfg.Logger.Error("fan-out passes a change that it cannot act on",
				"seq", items[0].seq, "dot", items[0].seen.Dot, "keys", items[0].keys, "err", err)
			return true
		case permanent(err):
			return w.settleEach(ctx, items)
		}
		w.metrics.errors.Inc()
		level := slog.LevelDebug
		if pause >= warnPause {
			level = slog.LevelWarn
		}
		w.cfg.Logger.Log(ctx, level, "fan-out will try again", "partition", items[0].seen.Partition,
			"changes", len(items), "in", pause, "err", err)
		select {
		case <-ctx.Done():
			return false
		case <-time.After(pause):
		}
	}
}

// settleEach finds, among items, those that cannot succeed.
func (w *Worker) settleEach(ctx context.Context, items []*item) bool {
	for i := range items {
		if !w.settle(ctx, items[i:i+1]) {
			return false
		}
	}
	return true
}

// permanent says that an error will come again.
func permanent(err error) bool {
	return errors.Is(err, schema.ErrMalformed) || errors.Is(err, store.ErrTooLarge)
}

// errLags keeps work until the rows that it is derived from can be read here.
var errLags = errors.New("this node has not caught up with the partition")

// attempt writes the consequences of items once.
func (w *Worker) attempt(ctx context.Context, items []*item) error {
	if w.cfg.Lags(items[0].seen.Partition) {
		return errLags
	}
	select {
	case w.slots <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-w.slots }()
	d := &derivation{rows: w.cfg.Rows, out: w.out, backfill: w.cfg.Backfill, pushLimit: w.cfg.PushLimit, reads: ctx, inboxes: map[string]bool{}}
	var keys []store.Key
	named := map[store.Key]struct{}{}
	for _, it := range items {
		d.again = d.again || it.replayed || it.takenOver
		ancient, err := w.ancient(ctx, it)
		if err != nil {
			return err
		}
		if ancient {
			continue
		}
		for _, k := range it.keys {
			if _, again := named[k]; !again {
				named[k] = struct{}{}
				keys = append(keys, k)
			}
		}
	}
	if d.again && !w.cfg.Leads(items[0].seen.Partition) {
		// Not an owner, or one that lags: what it has not heard of is not gone.
		d.reads = schema.Majority(ctx)
	}
	return d.derive(ctx, keys)
}

// ancientAfter is the age from which a write that comes in is old news: longer than
// networks stay split.
const ancientAfter = 7 * 24 * time.Hour

// ancient says whether a change that was another node's to act on was old when it
// came to this one: it came with the copy of a partition, and those who owned the
// partition when it was written have seen to it, or keep it until they do.
func (w *Worker) ancient(ctx context.Context, it *item) (bool, error) {
	if !it.takenOver || it.replayed {
		return false, nil
	}
	rows, err := w.cfg.Rows.GetMany(ctx, it.keys)
	if err != nil {
		return false, err
	}
	for _, row := range rows {
		if !row.Exists() || it.read.Sub(row.Time().Time()) < ancientAfter {
			return false, nil
		}
	}
	return true, nil
}
