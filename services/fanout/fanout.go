// Package fanout writes what follows from a fact: the mirror of a follow, the
// entries of a post in home timelines, the end of what a deleted account had. It
// reads this node's change log from a durable cursor and derives consequences
// from the rows as they are, so that doing it twice merges to once. DESIGN.md,
// beside this file, says who does it and who takes over.
package fanout

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"grapevine/store"
)

// Rules numbers what this build derives from rows. It grows when something new follows
// from an act; a worker is told (Done) only of what was done by its own rules or later
// ones. Builds that name no rules derived no notifications, webhooks or lists.
const Rules = 1

// consumer is the name of the worker's cursor in the change log.
const consumer = "fanout"

// Config is what the worker needs. Log, Rows, Leads and PartitionOf are required.
type Config struct {
	Log  store.ChangeLog
	Rows store.Rows
	// Leads says whether this node is the partition's first healthy owner, which
	// acts at once. It is called often and must be cheap.
	Leads func(store.Partition) bool
	// Lags says whether this node owns the partition but has not caught up with it.
	// Reads would then be answered by another owner, which may not have heard of
	// what this node's log tells, and the absence of a row would mean nothing: the
	// worker waits. Nil means never.
	Lags func(store.Partition) bool
	// Hinted says whether what this node keeps of the partition is kept for owners that
	// could not be reached. They see to the consequences when they have it. Nil means
	// never.
	Hinted func(store.Partition) bool
	// PartitionOf gives the partition of a slot, so that mutations of one partition
	// travel in one write.
	PartitionOf func(store.Slot) store.Partition
	// Announce tells the other owners, as well as it can, whose consequences are
	// written; they hand it to Done. It must not block. Nil tells nobody.
	Announce func(done []store.Seen)
	// TakeOver is how long another node's work may stay undone. 0 means 5 s.
	TakeOver time.Duration
	// MaxPending bounds the changes held in memory, and the acts that wait to be
	// compared with their mirrors. 0 means 100,000.
	MaxPending int
	// InFlight bounds the writes under way, and the partitions worked on. 0 means 64.
	InFlight int
	// Backfill is how many of the newest posts of a followed author enter the home
	// timeline of a new follower. 0 means 200.
	Backfill int
	// PushLimit is how many followers a post is written to the homes of. The posts of
	// an author with more are merged in when a home is read. 0 means 10,000.
	PushLimit int
	Logger    *slog.Logger          // nil means none
	Metrics   prometheus.Registerer // nil means none
}

func (c *Config) setDefaults() {
	if c.Announce == nil {
		c.Announce = func([]store.Seen) {}
	}
	if c.Lags == nil {
		c.Lags = func(store.Partition) bool { return false }
	}
	if c.Hinted == nil {
		c.Hinted = func(store.Partition) bool { return false }
	}
	if c.TakeOver == 0 {
		c.TakeOver = 5 * time.Second
	}
	if c.MaxPending == 0 {
		c.MaxPending = 100_000
	}
	if c.InFlight == 0 {
		c.InFlight = 64
	}
	if c.Backfill == 0 {
		c.Backfill = 200
	}
	if c.PushLimit == 0 {
		c.PushLimit = 10_000
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
}

const (
	readChunk = 512                    // changes read from the log at once
	beat      = 100 * time.Millisecond // between announcements, while there is work
	saveEvery = time.Second            // between durable cursors, while they move
)

// Worker is the fan-out of one node.
type Worker struct {
	cfg     Config
	out     *outbox
	metrics *metrics
	slots   chan struct{}  // one per partition worked on
	lanes   sync.WaitGroup // goroutines of lanes and of the review, which Run waits for
	nudged  chan struct{}  // a change was done: there is room, and news to tell
	unsaved bool           // the cursor could not be saved last time

	mu       sync.Mutex
	backlog  *backlog
	queues   map[laneID]*lane
	waiting  map[store.Partition]*watch
	finished []store.Seen // to be announced
}

// New makes a worker, which does nothing before Run.
func New(cfg Config) *Worker {
	cfg.setDefaults()
	m := newMetrics(cfg.Metrics)
	return &Worker{
		cfg: cfg, metrics: m, out: newOutbox(cfg, m),
		slots:   make(chan struct{}, cfg.InFlight),
		nudged:  make(chan struct{}, 1),
		backlog: newBacklog(),
		queues:  map[laneID]*lane{},
		waiting: map[store.Partition]*watch{},
	}
}

// Run works until ctx ends, waits for what it began, and returns nil; or it
// returns the error of reading the cursor. It is called once.
func (w *Worker) Run(ctx context.Context) error {
	after, err := w.cfg.Log.Cursor(ctx, consumer)
	if err != nil {
		return err
	}
	mirrors, err := newReview(ctx, w)
	if err != nil {
		return err
	}
	w.backlog.begin(after)
	w.lanes.Go(func() { mirrors.run(ctx) })
	appended, stop := w.cfg.Log.Appended()
	defer stop()
	w.loop(ctx, appended, after)
	w.lanes.Wait()
	w.out.wait()
	w.announce()
	// The request to end must not keep the cursor from being saved.
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveEvery)
	defer cancel()
	w.save(last, after)
	return nil
}

// loop reads changes as they are appended, and beats while there is anything to
// tell, to watch or to save.
func (w *Worker) loop(ctx context.Context, appended <-chan struct{}, saved uint64) {
	unread, savedAt := true, time.Now()
	timer, armed := time.NewTimer(beat), true
	defer timer.Stop()
	for ctx.Err() == nil {
		if unread {
			unread = w.read(ctx)
		}
		if !armed && (unread || w.busy(saved)) {
			timer.Reset(beat)
			armed = true
		}
		select {
		case <-ctx.Done():
		case <-appended:
			unread = true
		case <-w.nudged:
		case now := <-timer.C:
			armed = false
			w.announce()
			w.takeOver(ctx, now)
			if now.Sub(savedAt) >= saveEvery {
				saved, savedAt = w.save(ctx, saved), now
			}
		}
	}
}

// read takes changes from the log until its end, or until the backlog is full or
// the log fails. It says whether there is more to read.
func (w *Worker) read(ctx context.Context) (more bool) {
	for ctx.Err() == nil {
		after, room := w.room()
		if room <= 0 {
			return true
		}
		changes, err := w.cfg.Log.Changes(ctx, after, min(room, readChunk))
		if err != nil {
			w.cfg.Logger.Warn("fan-out cannot read the change log", "after", after, "err", err)
			return true
		}
		if len(changes) == 0 {
			w.caughtUp()
			return false
		}
		w.accept(ctx, changes)
	}
	return true
}

// save makes the cursor durable if it moved, and gives what it is on disk.
func (w *Worker) save(ctx context.Context, saved uint64) uint64 {
	w.mu.Lock()
	at := w.backlog.cursor()
	w.mu.Unlock()
	if at == saved {
		return saved
	}
	err := w.cfg.Log.SaveCursor(ctx, consumer, at)
	switch {
	case errors.Is(err, context.Canceled):
		return saved
	case err != nil && !w.unsaved: // said once: on a full disk it may last
		w.cfg.Logger.Warn("fan-out cannot save its cursor; after a restart it repeats what it has done", "cursor", at, "err", err)
	case err == nil && w.unsaved:
		w.cfg.Logger.Info("fan-out saves its cursor again", "cursor", at)
	}
	if w.unsaved = err != nil; w.unsaved {
		return saved
	}
	return at
}

// announce tells the other owners what was done since the last time.
func (w *Worker) announce() {
	w.mu.Lock()
	done := w.finished
	w.finished = nil
	w.mu.Unlock()
	if len(done) > 0 {
		w.cfg.Announce(done)
	}
}

// nudge wakes the loop.
func (w *Worker) nudge() {
	select {
	case w.nudged <- struct{}{}:
	default:
	}
}
