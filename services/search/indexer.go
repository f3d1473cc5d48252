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

	"grapevine/services/follow"
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
	log     *follow.Follower
	metrics *indexMetrics
	turns   chan struct{} // of searches
	kicked  chan struct{} // the index was found to be damaged
	broken  atomic.Bool

	mu      sync.RWMutex
	indexed map[store.Partition]bool // by Run alone, read by others

	// The rest is Run's.
	begun bool                          // it was taken up where it was left
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
	maxHeld    = 100_000               // keys held; beyond, partitions are indexed anew
	// idleFactor is how much longer than it works the indexer rests. Under load a few
	// large batches cost less than many small ones: the index is late.
	idleFactor = 5
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
	x.log = follow.New(follow.Config{
		Log: cfg.Log, Consumer: consumer, Name: "the search index", Logger: cfg.Logger,
		Ready:  func(context.Context) error { return x.seen(x.ready()) },
		Take:   func(ctx context.Context, cs []store.Change) error { return x.seen(x.take(ctx, cs)) },
		Tend:   func(ctx context.Context) error { return x.seen(x.tend(ctx)) },
		Keep:   func(_ context.Context, cursor uint64) error { return x.seen(x.keep(cursor)) },
		Passed: x.cursor, Chunk: readChunk, Wake: x.kicked, Gather: pause, Idle: idleFactor,
	})
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
func (x *Indexer) Run(ctx context.Context) { x.log.Run(ctx) }

// seen has an error that tells of damage lead to a new index.
func (x *Indexer) seen(err error) error {
	if errors.Is(err, text.ErrDamaged) {
		x.broken.Store(true)
	}
	return err
}

// The names under which the index itself notes what it is.
const (
	noteVersion = "version"
	noteCursor  = "cursor" // up to where it has the changes of the log
	notePart    = "part/"  // + partition: it has all of it
)

// version is that of the analysis: words that are cut otherwise are not found.
const version = "1"

// ready takes up the index where it was left, once, and empties it when it is damaged.
func (x *Indexer) ready() (err error) {
	switch {
	case !x.begun:
		err = x.begin()
		x.begun = err == nil
	case x.broken.Load():
		err = x.renew()
	}
	return err
}

// begin takes up the index where it was left, or an empty one: when it is of
// another version, or older than the cursor, since what lies between may be gone
// from the log.
func (x *Indexer) begin() error {
	usable := false
	err := x.cfg.Engine.View(func(s text.Snapshot) error {
		is, err := s.Note(noteVersion)
		if err != nil {
			return err
		}
		at, err := s.Note(noteCursor)
		usable = string(is) == version && len(at) == 8 && binary.BigEndian.Uint64(at) >= x.log.After()
		if err != nil || !usable {
			return err
		}
		return x.recall(s)
	})
	if err != nil || !usable {
		if err != nil {
			x.cfg.Logger.Warn("the search index cannot be read and is made anew", "error", err)
		}
		return x.renew()
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
func (x *Indexer) renew() error {
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
		noteVersion: []byte(version), noteCursor: binary.BigEndian.AppendUint64(nil, x.log.After()),
	}})
}

// cursor is up to where all changes are in the index, when those up to after were
// taken: of a damaged one, nowhere.
func (x *Indexer) cursor(after uint64) uint64 {
	if x.broken.Load() {
		return 0
	}
	for _, h := range x.held {
		after = min(after, h.first-1)
	}
	return after
}

// keep notes the cursor in the index, which must never be older than what the log may
// drop.
func (x *Indexer) keep(cursor uint64) error {
	note := binary.BigEndian.AppendUint64(nil, cursor)
	return x.cfg.Engine.Apply(text.Batch{Notes: map[string][]byte{noteCursor: note}})
}
