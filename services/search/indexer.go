package search

import (
	"context"
	"encoding/binary"
	"errors"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"grapevine/services/search/text"
	"grapevine/store"
)

// consumer is the name of the indexer's cursor in the change log.
const consumer = "search"

// IndexerConfig is what the indexer needs. All but Logger and Metrics is required.
type IndexerConfig struct {
	Engine text.Engine
	Log    store.ChangeLog
	Rows   store.Rows
	// Scan visits all rows of a partition as they are on this node.
	Scan func(ctx context.Context, p store.Partition, visit func(store.Entry) error) error
	// Partitions is the number of partitions.
	Partitions func() int
	// PartitionOf gives the partition of a slot.
	PartitionOf func(store.Slot) store.Partition
	// Owns says whether this node is an owner of a partition, and Serves whether it
	// has caught up with it too, so that rows are read here.
	Owns, Serves func(store.Partition) bool
	Logger       *slog.Logger          // nil means none
	Metrics      prometheus.Registerer // nil means none
}

// Indexer keeps this node's index of the partitions that it serves.
type Indexer struct {
	cfg     IndexerConfig
	metrics *indexMetrics
	turns   chan struct{} // of searches
	kicked  chan struct{} // the index was found to be damaged
	broken  atomic.Bool

	mu      sync.RWMutex
	indexed map[store.Partition]bool // by Run alone, read by others

	// The rest is Run's.
	after uint64                        // the last change that was read
	held  map[store.Partition]*heldKeys // of partitions that are catching up
	waits int                           // keys in held
}

// heldKeys is rows that changed while a partition was not served here. The cursor
// stays before the first of the changes.
type heldKeys struct {
	first uint64
	keys  map[store.Key]bool
}

const (
	readChunk  = 1000                  // changes read from the log at once
	applyChunk = 500                   // rows indexed at once
	pause      = 20 * time.Millisecond // for changes to gather
	idleFactor = 5                     // how much longer than it works the indexer rests
	beat       = time.Second           // between looks at the partitions, and durable cursors
	maxHeld    = 100_000               // keys held; beyond, partitions are indexed anew
)

// NewIndexer makes an indexer, which answers for nothing before Run.
func NewIndexer(cfg IndexerConfig) *Indexer {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	x := &Indexer{
		cfg: cfg, turns: make(chan struct{}, 2*runtime.GOMAXPROCS(0)), kicked: make(chan struct{}, 1),
		indexed: map[store.Partition]bool{}, held: map[store.Partition]*heldKeys{},
	}
	x.metrics = newIndexMetrics(cfg.Metrics, x.documents)
	return x
}

// answers says whether this node answers for a partition.
func (x *Indexer) answers(p store.Partition) bool { return x.isIndexed(p) && x.cfg.Serves(p) }

func (x *Indexer) isIndexed(p store.Partition) bool {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.indexed[p]
}

func (x *Indexer) setIndexed(p store.Partition, is bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if is {
		x.indexed[p] = true
	} else {
		delete(x.indexed, p)
	}
}

func (x *Indexer) documents() float64 {
	var n uint64
	err := x.cfg.Engine.View(func(s text.Snapshot) (err error) {
		n, err = s.Documents()
		return err
	})
	if err != nil {
		return 0
	}
	return float64(n)
}

// damaged has Run make the index anew.
func (x *Indexer) damaged() {
	x.broken.Store(true)
	select {
	case x.kicked <- struct{}{}:
	default:
	}
}

// Run indexes until ctx ends.
func (x *Indexer) Run(ctx context.Context) {
	appended, stop := x.cfg.Log.Appended()
	defer stop()
	for !x.try(ctx, "begin", x.begin) {
		if !sleep(ctx, beat) {
			return
		}
	}
	looked := time.Time{}
	for ctx.Err() == nil {
		began := time.Now()
		more, ok := false, !x.broken.Load() || x.try(ctx, "begin anew", x.renew)
		ok = ok && x.try(ctx, "index changes", func(ctx context.Context) (err error) {
			more, err = x.follow(ctx)
			return err
		})
		if now := time.Now(); ok && now.Sub(looked) >= beat {
			ok = x.try(ctx, "index partitions", x.tend) && x.try(ctx, "save its cursor", x.save)
			looked = now
		}
		// Under load what clients wait for comes first, and a few large batches cost
		// less than many small ones: the index is late rather than they.
		sleep(ctx, min(idleFactor*time.Since(began), beat))
		x.rest(ctx, appended, more, ok)
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), beat)
	defer cancel()
	x.try(last, "save its cursor", x.save)
}

// rest waits for something to do.
func (x *Indexer) rest(ctx context.Context, appended <-chan struct{}, more, ok bool) {
	switch {
	case !ok:
		sleep(ctx, beat)
	case !more:
		timer := time.NewTimer(beat)
		defer timer.Stop()
		select {
		case <-appended:
			sleep(ctx, pause)
		case <-x.kicked:
		case <-timer.C:
		case <-ctx.Done():
		}
	}
}

// sleep says whether ctx is still on after a time.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// try does a step, and says whether it succeeded. What failed is done again later.
func (x *Indexer) try(ctx context.Context, what string, step func(context.Context) error) bool {
	err := step(ctx)
	if err == nil {
		return true
	}
	if errors.Is(err, text.ErrDamaged) {
		x.broken.Store(true)
	}
	if ctx.Err() == nil {
		x.cfg.Logger.Warn("the search index cannot "+what, "error", err)
	}
	return false
}

// The names under which the index itself notes what it is.
const (
	noteVersion = "version"
	noteCursor  = "cursor" // up to where it has the changes of the log
	notePart    = "part/"  // + partition: it has all of it
)

// version is that of the analysis: words that are cut otherwise are not found.
const version = "1"

// begin takes up the index where it was left, or an empty one: when it is of
// another version, or older than the cursor, since what lies between may be gone
// from the log.
func (x *Indexer) begin(ctx context.Context) error {
	cursor, err := x.cfg.Log.Cursor(ctx, consumer)
	if err != nil {
		return err
	}
	// A cursor, of whatever value, keeps the log from here on.
	if err := x.cfg.Log.SaveCursor(ctx, consumer, cursor); err != nil {
		return err
	}
	x.after = cursor
	usable := false
	err = x.cfg.Engine.View(func(s text.Snapshot) error {
		is, err := s.Note(noteVersion)
		if err != nil {
			return err
		}
		at, err := s.Note(noteCursor)
		usable = string(is) == version && len(at) == 8 && binary.BigEndian.Uint64(at) >= cursor
		if err != nil || !usable {
			return err
		}
		return x.recall(s)
	})
	if err != nil || !usable {
		if err != nil {
			x.cfg.Logger.Warn("the search index cannot be read and is made anew", "error", err)
		}
		return x.renew(ctx)
	}
	return nil
}

func (x *Indexer) recall(s text.Snapshot) error {
	for i := range x.cfg.Partitions() {
		p := store.Partition(i)
		has, err := s.Note(partNote(p))
		if err != nil {
			return err
		}
		if len(has) > 0 && has[0] == 1 {
			x.setIndexed(p, true)
		}
	}
	return nil
}

// renew empties the index; tend fills it.
func (x *Indexer) renew(context.Context) error {
	x.mu.Lock()
	clear(x.indexed)
	x.mu.Unlock()
	clear(x.held)
	x.waits = 0
	if err := x.cfg.Engine.Empty(); err != nil {
		return err
	}
	x.broken.Store(false)
	return x.cfg.Engine.Apply(text.Batch{Notes: map[string][]byte{
		noteVersion: []byte(version), noteCursor: binary.BigEndian.AppendUint64(nil, x.cursor()),
	}})
}

// cursor is up to where all changes are in the index.
func (x *Indexer) cursor() uint64 {
	at := x.after
	for _, h := range x.held {
		at = min(at, h.first-1)
	}
	return at
}

// save makes the cursor durable: in the index first, which must never be older than
// what the log may drop.
func (x *Indexer) save(ctx context.Context) error {
	saved, err := x.cfg.Log.Cursor(ctx, consumer)
	if err != nil || saved == x.cursor() || x.broken.Load() {
		return err
	}
	note := binary.BigEndian.AppendUint64(nil, x.cursor())
	if err := x.cfg.Engine.Apply(text.Batch{Notes: map[string][]byte{noteCursor: note}}); err != nil {
		return err
	}
	return x.cfg.Log.SaveCursor(ctx, consumer, x.cursor())
}
