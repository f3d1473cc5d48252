// Package live tells clients at once what comes to the lists that they read: their
// home timeline, their notifications, all public posts, a hashtag, a channel.
//
// A stream holds no queue. It is woken when rows came to one of its lists, reads
// which ones, renders them for its viewer as the lists' own pages would, and gives
// them on. DESIGN.md, beside this file, says what wakes it, on any node, and what a
// client that comes back can have missed.
package live

import (
	"context"
	"encoding/json"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"grapevine/crdt"
	"grapevine/crdt/causal"
	"grapevine/services/social"
	"grapevine/store"
)

// Posts turns references into posts.
type Posts interface {
	// Fresh returns posts as JSON, in a slice as long as ids: nil stands for one that
	// was not found, which absent says, that the viewer may not see, or that the filter
	// leaves out.
	Fresh(ctx context.Context, viewer social.Identity, ids []string, f social.PostFilter) (raw []json.RawMessage, absent []bool, err error)
}

// Inbox turns ids into what is shown of them, in slices as long as ids: nil stands
// for one that is gone or not to be shown.
type Inbox interface {
	Notifications(ctx context.Context, who social.Identity, ids []string) ([]json.RawMessage, error)
	Messages(ctx context.Context, who social.Identity, channel string, ids []string) ([]json.RawMessage, error)
}

// Store is the replicated store as streams use it.
type Store interface {
	Rows
	store.ChangeLog
	// News gives those of the first rows of a range, within its limit, that came to
	// be by a write that is not in seen, and seen with all that the answering owner
	// has applied.
	News(ctx context.Context, r store.Range, seen *causal.Vector) (news []store.Entry, now *causal.Vector, err error)
}

// Rows is what streams need of store.Rows.
type Rows interface {
	GetMany(ctx context.Context, ks []store.Key) ([]crdt.Row, error)
	Scan(ctx context.Context, r store.Range) ([]store.Entry, error)
	ScanIndex(ctx context.Context, r store.IndexRange) ([]store.Entry, store.Coverage, error)
}

// Nodes is the nodes of the cluster, by names that only it understands; "" is this
// one.
type Nodes interface {
	// Partitions gives how many there are, 0 while that is not known.
	Partitions() int
	// PartitionOf gives the partition of a slot.
	PartitionOf(slot store.Slot) store.Partition
	// Hosts gives the owners of a partition that can be asked, the best first: this
	// node, if it owns the partition and has caught up.
	Hosts(p store.Partition) []string
	// Ask sends a request to another node, which its Service answers.
	Ask(ctx context.Context, node string, request []byte) ([]byte, error)
}

// Config is what the service needs. Store, Nodes, Posts and Inbox are required.
type Config struct {
	Store Store
	Nodes Nodes
	Posts Posts
	Inbox Inbox
	// Now is the wall clock. Nil means time.Now.
	Now func() time.Time
	// MaxStreams bounds the streams of this node. 0 means DefaultMaxStreams.
	MaxStreams int
	// MaxPerAccount bounds the streams of one account on this node. 0 means 32.
	MaxPerAccount int
	Logger        *slog.Logger          // nil means none
	Metrics       prometheus.Registerer // nil means none
}

// DefaultMaxStreams is the bound of streams on a node.
const DefaultMaxStreams = 16384

func (c *Config) setDefaults() {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.MaxStreams == 0 {
		c.MaxStreams = DefaultMaxStreams
	}
	if c.MaxPerAccount == 0 {
		c.MaxPerAccount = 32
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
}

// Service is the streams of one node. It is safe for concurrent use.
type Service struct {
	cfg     Config
	hub     *hub
	metrics *metrics
}

// New makes a service, which tells nothing before Run.
func New(cfg Config) *Service {
	cfg.setDefaults()
	s := &Service{cfg: cfg, metrics: newMetrics(cfg.Metrics)}
	s.hub = newHub(cfg, s.metrics)
	return s
}

// Run follows the change log and other nodes until ctx ends, and then waits for what
// it began. It is called once.
func (s *Service) Run(ctx context.Context) { s.hub.run(ctx) }

// Drain ends all streams, each with ErrDraining, and lets no more begin.
func (s *Service) Drain() { s.hub.drain() }

// Answer answers another node that follows lists here, in its encoding.
func (s *Service) Answer(ctx context.Context, node string, encoded []byte) ([]byte, error) {
	return s.hub.answer(ctx, node, encoded)
}
