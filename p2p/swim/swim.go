package swim

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/memberlist"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"grapevine/p2p"
)

// leaveTimeout bounds Leave where its context does not.
const leaveTimeout = 5 * time.Second

// Swim is a node's view of who is alive. It is safe for concurrent use.
type Swim struct {
	cfg     Config
	log     *slog.Logger
	label   string
	meta    []byte
	list    *memberlist.Memberlist
	refused prometheus.Counter
	blocked atomic.Pointer[func(p2p.NodeID) bool]

	ctx         context.Context // ends with Close
	cancel      context.CancelFunc
	joining     context.Context // ends with Leave too
	stopJoining context.CancelFunc
	wg          sync.WaitGroup
	wake        chan struct{} // capacity 1: members changed

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
		wake:        make(chan struct{}, 1),
		members:     map[p2p.NodeID]*member{},
		names:       map[string]p2p.NodeID{},
		subscribers: map[chan struct{}]struct{}{},
	}
	s.ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	s.joining, s.stopJoining = context.WithCancel(s.ctx)
	s.register(cfg.Metrics)
	if err := s.start(ctx); err != nil {
		s.cancel()
		return nil, err
	}
	s.wg.Go(s.rejoin)
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
	t, err := newTransport(s.ctx, listen, s.log, s.isBlocked)
	if err != nil {
		return err
	}
	if err := s.create(ctx, t); err != nil {
		_ = t.Shutdown()
		return err
	}
	return nil
}

// create makes the memberlist over a transport that is bound.
func (s *Swim) create(ctx context.Context, t *transport) error {
	var err error
	if t.advertise, err = advertised(ctx, s.cfg.Advertise, t.advertise); err != nil {
		return err
	}
	s.cfg.Addrs.Gossip = t.advertise.String()
	s.remembered = rememberedSet(s.cfg.Remembered, s.cfg.Addrs)
	if s.meta, err = signMeta(s.cfg.Key, s.label, s.cfg.Self, s.cfg.Addrs); err != nil {
		return err
	}
	c, err := s.memberlistConfig(t)
	if err != nil {
		return err
	}
	if s.list, err = memberlist.Create(c); err != nil {
		return fmt.Errorf("start failure detector: %w", err)
	}
	return nil
}

func (s *Swim) register(reg prometheus.Registerer) {
	f := promauto.With(reg)
	s.refused = f.NewCounter(prometheus.CounterOpts{
		Name: "grapevine_members_refused_total",
		Help: "Claims about a member that its identity had not signed.",
	})
	for _, alive := range []bool{true, false} {
		f.NewGaugeFunc(prometheus.GaugeOpts{
			Name:        "grapevine_members",
			Help:        "Members known, this node included, by whether they are alive.",
			ConstLabels: prometheus.Labels{"alive": fmt.Sprint(alive)},
		}, func() float64 { return s.count(alive) })
	}
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
