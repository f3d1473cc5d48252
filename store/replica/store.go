package replica

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/semaphore"
	"golang.org/x/time/rate"

	"grapevine/crdt/causal"
	"grapevine/crdt/hlc"
	"grapevine/p2p"
	"grapevine/store"
	"grapevine/store/ring"
)

// Config is what a Store is made of. All fields without a stated default are
// required.
type Config struct {
	Self        p2p.NodeID
	Engine      store.Engine // the caller closes it after the Store
	Transport   p2p.Transport
	Broadcaster p2p.Broadcaster
	Members     p2p.Members
	Router      Router

	// Found is the cluster to found when the engine holds no ring view. Nil means
	// to learn the view from a member.
	Found  *ring.Cluster
	Weight uint32 // share of the data: 100 is an ordinary node, 0 owns nothing
	Zone   string

	// Indexed says of which families ScanIndex can be asked.
	Indexed func(store.Family) bool
	// Recent says in which families a Put needs a coordinator that knows the family,
	// lest nobody derive what follows from it: those that builds without
	// replica/write/2 do not know. Nil means none.
	Recent func(store.Family) bool
	// Invalidate is told of every changed row.
	Invalidate store.Invalidator
	// Coordinated, when not nil, is told of every write that this node coordinated,
	// as the change that it makes to each row, when it is durable and before it is
	// acknowledged: what a test compares the cluster with. It must not block.
	Coordinated func(store.Partition, causal.Dot, []store.Entry)

	// SyncEvery is the mean time between rounds of anti-entropy; default 1 s.
	SyncEvery time.Duration
	Now       func() time.Time      // wall clock, for timestamps alone; default time.Now
	Log       *slog.Logger          // default slog.Default
	Metrics   prometheus.Registerer // default: not registered
}

// Store is a node's part of the replicated store. It implements store.Rows and
// store.ChangeLog and is safe for concurrent use.
type Store struct {
	cfg     Config
	log     *slog.Logger
	engine  store.Engine
	clock   *hlc.Clock
	started time.Time
	metrics *metrics

	identity      identities
	awaitingProof atomic.Bool // a reachable member has not vouched for the identity yet

	adopting chan struct{}             // held, by filling it, while the view changes
	view     atomic.Pointer[ring.View] // never changed itself; nil before this node has joined

	placement  atomic.Pointer[placement] // nil before this node has joined
	partitions []*partition              // set before placement is
	known      chan struct{}             // closed when placement is set

	queue      chan queued
	room       *semaphore.Weighted
	submitting sync.RWMutex // held shared while queueing; exclusively, once, to refuse what is queued
	lastChange atomic.Uint64
	trimmed    atomic.Uint64
	outbox     *outbox
	publishing chan *delivery
	acks       acks
	topics     *topics
	ringGossip p2p.Topic
	doubts     doubts
	kicks      chan kick
	syncing    syncing
	leaving    leaving
	draining   atomic.Bool
	guard      guard
	seldom     rate.Sometimes // for what peers of a later build could make this node log at will
	refusals   refusals

	lastLocal   atomic.Int64 // how long after the start a client last wrote here
	applied     broadcast    // dots were applied
	covered     broadcast    // something more is covered of what a peer has
	appended    signal       // changes were logged
	progress    signal       // partitions have caught up
	ringChanged signal

	ctx    context.Context
	cancel context.CancelFunc
	done   sync.WaitGroup
}

// Open starts a Store on an engine. It registers its handlers with the transport
// and returns at once; Serving tells when the store takes requests.
func Open(cfg Config) (*Store, error) {
	cfg.setDefaults()
	s := &Store{
		cfg: cfg, log: cfg.Log, engine: cfg.Engine, started: time.Now(),
		known: make(chan struct{}), adopting: make(chan struct{}, 1), queue: make(chan queued, queueLen),
		room: semaphore.NewWeighted(queueBytes), publishing: make(chan *delivery, 16),
		seldom: rate.Sometimes{Interval: laterInterval},
		kicks:  make(chan kick, 64), leaving: leaving{left: make(chan struct{})},
	}
	s.topics = &topics{broadcaster: cfg.Broadcaster, receive: s.receiveGossip, joined: map[string]p2p.Topic{}}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	if err := s.loadIdentity(); err != nil {
		return nil, err
	}
	if err := s.reindex(); err != nil {
		return nil, err
	}
	s.metrics = newMetrics(cfg.Metrics, s)
	s.outbox = newOutbox(uint64(s.clock.Now()))
	s.register()
	var err error
	if s.ringGossip, err = cfg.Broadcaster.Join(ringTopic, s.receiveRing); err != nil {
		return nil, fmt.Errorf("replica: %w", err)
	}
	if err := s.loadView(); err != nil {
		_ = s.Close() // the first error counts
		return nil, fmt.Errorf("replica: %w", err)
	}
	for _, run := range []func(){s.runApplier, s.runPublisher, s.runPusher, s.runWatch, s.runSync, s.runMembership, s.runProof, s.runTidy} {
		s.done.Go(run)
	}
	return s, nil
}

func (c *Config) setDefaults() {
	if c.SyncEvery == 0 {
		c.SyncEvery = time.Second
	}
	if c.Recent == nil {
		c.Recent = func(store.Family) bool { return false }
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
}

// Close stops the store. Writes that have not been committed fail; the engine
// stays open.
func (s *Store) Close() error {
	s.cancel()
	s.done.Wait()
	s.topics.close()
	return s.ringGossip.Close()
}

// Replica is the incarnation of this node's disk.
func (s *Store) Replica() causal.Replica { return s.identity.now().replica }

// Serving is closed when the store knows the ring and takes requests.
func (s *Store) Serving() <-chan struct{} { return s.known }

func (s *Store) register() {
	t := s.cfg.Transport
	t.Handle(protoRing, s.guarded(s.handleRing))
	t.Handle(protoAck, s.guarded(s.afterJoin(s.handleAck)))
	t.Handle(protoPush, s.guarded(s.afterJoin(s.handlePush)))
	t.Handle(protoHold, s.guarded(s.afterJoin(s.handleHold)))
	handle(s, protoSync, s.handleSync)
	handle(s, protoVecs, s.handleVecs)
	handle(s, protoFetch, s.handleFetch)
	handle(s, protoSnapshot, s.handleSnapshot)
	handle(s, protoSeen, s.handleSeen)
	handle(s, protoCompare, s.handleCompare)
	handle(s, protoRead, unlessDraining(s, s.handleRead))
	handle(s, protoWrite, unlessDraining(s, s.handleWrite))
	handle(s, protoWrite2, unlessDraining(s, s.handleWrite))
	handle(s, protoRestore, s.handleRestore)
}

// afterJoin refuses requests that need the ring before this node knows it.
func (s *Store) afterJoin(h p2p.Handler) p2p.Handler {
	return func(ctx context.Context, from p2p.NodeID, request []byte) ([]byte, error) {
		if s.placement.Load() == nil {
			return nil, wireError(store.ErrUnavailable)
		}
		return h(ctx, from, request)
	}
}

// loadView takes up the ring view of the last run, or founds the cluster.
func (s *Store) loadView() error {
	var encoded []byte
	err := s.engine.View(func(snapshot store.Snapshot) (err error) {
		encoded, _, err = snapshot.Get(metaKey(metaView))
		return err
	})
	if err != nil {
		return err
	}
	if encoded != nil {
		v, _, err := ring.ConsumeView(encoded)
		if err != nil {
			return fmt.Errorf("ring view: %w", err)
		}
		return s.install(v)
	}
	if s.cfg.Found == nil {
		return nil
	}
	v := ring.NewView(*s.cfg.Found)
	v.Set(ring.Member{
		Node: s.cfg.Self, Replica: s.identity.now().replica, State: ring.Active,
		Weight: s.cfg.Weight, Zone: s.cfg.Zone, Epoch: 1,
	})
	return s.adopt(v)
}

// partitionOf maps slots to partitions. It needs the ring.
func (s *Store) partitionOf(slot store.Slot) store.Partition {
	pl := s.placement.Load()
	if pl == nil {
		return 0
	}
	return pl.ring.PartitionOf(slot)
}

// stores says whether the ring wants this node to keep a copy of a partition.
func (s *Store) stores(p store.Partition) bool { return s.placement.Load().hold[p] }

// broadcast wakes all who wait for the next event.
type broadcast struct {
	mu sync.Mutex
	ch chan struct{}
}

func (b *broadcast) wait() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ch == nil {
		b.ch = make(chan struct{})
	}
	return b.ch
}

func (b *broadcast) broadcast() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ch != nil {
		close(b.ch)
		b.ch = nil
	}
}
