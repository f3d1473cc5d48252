package swim

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/memberlist"
	"golang.org/x/time/rate"

	"grapevine/p2p"
)

// leaveTimeout bounds Leave where its context does not.
const leaveTimeout = 5 * time.Second

// Swim is a node's view of who is alive. It is safe for concurrent use.
type Swim struct {
	cfg       Config
	log       *slog.Logger
	seldom    rate.Sometimes // for what others could make this node log at will
	label     string
	meta      []byte
	boot      uint64 // of this process
	started   time.Time
	transport *transport
	list      *memberlist.Memberlist
	metrics   metrics
	blocked   atomic.Pointer[func(p2p.NodeID) bool]

	ctx         context.Context // ends with Close
	cancel      context.CancelFunc
	joining     context.Context // ends with Leave too
	stopJoining context.CancelFunc
	wg          sync.WaitGroup
	wake        chan struct{} // capacity 1: members changed

	metOnce     sync.Once
	met         chan struct{} // closed when a call of another was first answered
	called      chan struct{} // closed when the first round of calls is over
	errands     chan func()
	introduce   rate.Sometimes
	displaced   chan struct{}
	displacedBy error // valid once displaced is closed

	mu          sync.RWMutex
	members     map[p2p.NodeID]*member
	names       map[string]p2p.NodeID // members by gossip address
	remembered  map[string]bool       // gossip addresses of earlier runs
	subscribers map[chan struct{}]struct{}
}

// New starts listening, and joining. ctx bounds the start only; the node takes
// part until Close. It succeeds although no other node answers yet.
func New(ctx context.Context, cfg Config) (*Swim, error) {
	if err := cfg.verify(); err != nil {
		return nil, err
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	s := &Swim{
		cfg:         cfg,
		log:         cfg.Log,
		seldom:      rate.Sometimes{Interval: warnInterval},
		boot:        rand.Uint64(),
		started:     time.Now(),
		wake:        make(chan struct{}, 1),
		met:         make(chan struct{}),
		called:      make(chan struct{}),
		errands:     make(chan func(), maxErrands),
		introduce:   rate.Sometimes{Interval: joinMin},
		displaced:   make(chan struct{}),
		members:     map[p2p.NodeID]*member{},
		names:       map[string]p2p.NodeID{},
		subscribers: map[chan struct{}]struct{}{},
	}
	s.ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	s.joining, s.stopJoining = context.WithCancel(s.ctx)
	s.metrics = newMetrics(cfg.Metrics, s.count)
	if err := s.start(ctx); err != nil {
		s.cancel()
		return nil, err
	}
	s.wg.Go(s.rejoin)
	s.wg.Go(s.runErrands)
	return s, nil
}

func (s *Swim) start(ctx context.Context) error {
	var err error
	if s.label, err = clusterLabel(s.cfg.Secret); err != nil {
		return err
	}
	listen, err := resolve(ctx, s.cfg.Listen)
	if err != nil {
		return fmt.Errorf("listen address %q: %w", s.cfg.Listen, err)
	}
	sealer, err := newSealer(s.cfg.Secret)
	if err != nil {
		return err
	}
	s.transport, err = newTransport(listen, transportConfig{
		ctx: s.ctx, log: s.log, sealer: sealer, metrics: s.metrics, blocked: s.isBlocked, who: s.answer,
	})
	if err != nil {
		return err
	}
	if err := s.create(ctx); err != nil {
		_ = s.transport.Shutdown()
		return err
	}
	return nil
}

// create makes the memberlist over the transport, which is bound.
func (s *Swim) create(ctx context.Context) error {
	t := s.transport
	var err error
	if t.advertise, err = advertised(ctx, s.cfg.Advertise, t.advertise); err != nil {
		return err
	}
	s.cfg.Addrs.Gossip = t.advertise.String()
	s.remembered = rememberedSet(s.cfg.Remembered, s.cfg.Addrs)
	if s.meta, err = signMeta(s.cfg.Key, s.label, s.cfg.Self, description{s.cfg.Addrs, s.boot}); err != nil {
		return err
	}
	if s.list, err = memberlist.Create(s.memberlistConfig(t)); err != nil {
		return fmt.Errorf("start failure detector: %w", err)
	}
	return nil
}

func (s *Swim) count(alive bool) (n float64) {
	for _, m := range s.Members() {
		if m.Alive == alive {
			n++
		}
	}
	return n
}

// GossipAddr is the HOST:PORT at which others join this node.
func (s *Swim) GossipAddr() string { return s.cfg.Addrs.Gossip }

// Block cuts this node off from the peers for which blocked is true, in both
// directions, for fault injection, until Block is called again; nil ends the
// cut. Both sides of a cut must block each other. blocked must be safe for
// concurrent use and must not block.
func (s *Swim) Block(blocked func(p2p.NodeID) bool) {
	if blocked == nil {
		s.blocked.Store(nil)
	} else {
		s.blocked.Store(&blocked)
	}
	signal(s.wake)
}

func (s *Swim) isBlocked(a memberlist.Address) bool {
	blocked := s.blocked.Load()
	if blocked == nil {
		return false
	}
	id := p2p.NodeID(a.Name)
	if id == "" {
		s.mu.RLock()
		id = s.names[a.Addr]
		s.mu.RUnlock()
	}
	return id != "" && (*blocked)(id)
}

// Leave tells the others that this node goes of its own will, so that they need
// not find out, and stops joining. It waits until one of them was told or ctx
// ends, 5 seconds at most. Close is due after it.
func (s *Swim) Leave(ctx context.Context) error {
	s.stopJoining()
	timeout := leaveTimeout
	if deadline, ok := ctx.Deadline(); ok {
		timeout = min(timeout, max(time.Until(deadline), time.Millisecond))
	}
	if err := s.list.Leave(timeout); err != nil {
		return fmt.Errorf("leave: %w", err)
	}
	return nil
}

// Close implements p2p.Members.
func (s *Swim) Close() error {
	s.cancel()
	err := s.list.Shutdown()
	s.wg.Wait()
	return err
}
