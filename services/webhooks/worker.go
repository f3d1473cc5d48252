package webhooks

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"grapevine/services/follow"
	"grapevine/services/schema"
	"grapevine/services/social"
	"grapevine/store"
)

// consumer is the name of the worker's cursor in the change log.
const consumer = "webhooks"

// Request is what is sent to a receiver.
type Request struct {
	URL    string
	Header map[string]string
	Body   []byte
}

// Reply is what a receiver answered.
type Reply struct {
	Status int
	// RetryAfter is how long the receiver asks to be left alone, 0 where it does not.
	RetryAfter time.Duration
}

// Sender sends a request by POST, once, to where it may be sent. An error says that no
// reply came, in words that may be shown to the account.
type Sender interface {
	Send(ctx context.Context, r Request) (Reply, error)
}

// Content gives what is sent, as the API shows it to an account, in slices as long as
// ids: nil stands for what is gone or not to be shown.
type Content interface {
	Notifications(ctx context.Context, who social.Identity, ids []string) ([]json.RawMessage, error)
	Messages(ctx context.Context, who social.Identity, channel string, ids []string) ([]json.RawMessage, error)
}

// WorkerConfig is what the worker needs. All but Lags, Now, Backoff, Limits, Logger and
// Metrics is required.
type WorkerConfig struct {
	Log  store.ChangeLog
	Rows store.Rows
	// Leads says whether this node is the partition's first healthy owner, which sends.
	Leads func(store.Partition) bool
	// Lags says whether this node owns the partition but has not caught up with it.
	// Nil means never.
	Lags func(store.Partition) bool
	// Partitions is the number of partitions.
	Partitions func() int
	// PartitionOf gives the partition of a slot.
	PartitionOf func(store.Slot) store.Partition
	// Hooks gives the webhook rows of some partitions, from what this node holds: up to
	// limit of those after a sort key.
	Hooks   func(wanted []store.Partition, after string, limit int) ([]store.Entry, error)
	Content Content
	Sender  Sender
	// Key is that of Config.
	Key []byte
	// Now is the wall clock. Nil means time.Now.
	Now func() time.Time
	// Backoff is how long to wait after so many failed attempts. Nil means Backoff.
	Backoff func(attempts int) time.Duration
	Limits  Limits
	Logger  *slog.Logger          // nil means none
	Metrics prometheus.Registerer // nil means none
}

// Limits bound what the worker does at once and keeps in memory. Zero means the default.
type Limits struct {
	Sends      int // attempts under way: 256
	PerHost    int // of them to one host: 8
	PerWebhook int // of them to one webhook: 2
	// Held is the deliveries kept in memory, about 250 bytes each: 100,000. What is
	// beyond waits in its rows.
	Held int
}

func (c *WorkerConfig) setDefaults() {
	if c.Lags == nil {
		c.Lags = func(store.Partition) bool { return false }
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Backoff == nil {
		c.Backoff = Backoff
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	for _, l := range []struct {
		limit *int
		usual int
	}{{&c.Limits.Sends, 256}, {&c.Limits.PerHost, 8}, {&c.Limits.PerWebhook, 2}, {&c.Limits.Held, 100_000}} {
		if *l.limit == 0 {
			*l.limit = l.usual
		}
	}
}

// readChunk bounds the changes, or rows, read at once.
const readChunk = 512

// Worker sends what is due of the partitions that this node leads.
type Worker struct {
	cfg     WorkerConfig
	metrics *metrics
	sends   sync.WaitGroup // attempts, which Run waits for
	nudged  chan struct{}  // an attempt ended: there may be another to make

	mu sync.Mutex
	schedule
}

// NewWorker makes a worker, which does nothing before Run.
func NewWorker(cfg WorkerConfig) *Worker {
	cfg.setDefaults()
	w := &Worker{cfg: cfg, nudged: make(chan struct{}, 1), schedule: newSchedule(cfg.Limits)}
	w.metrics = newMetrics(cfg.Metrics, w)
	return w
}

// Run sends until ctx ends, and waits for what it began. What was changed before the
// cursor is read with the partitions.
func (w *Worker) Run(ctx context.Context) {
	defer w.sends.Wait()
	follow.New(follow.Config{
		Log: w.cfg.Log, Consumer: consumer, Name: "the delivery of webhooks", Logger: w.cfg.Logger,
		Chunk: readChunk, Take: w.takeUp, Tend: w.tend, Due: w.startDue, Wake: w.nudged,
	}).Run(ctx)
}

// takeUp takes up the next changes of the log.
func (w *Worker) takeUp(ctx context.Context, changes []store.Change) error {
	var deliveries, hooks []store.Key
	for _, c := range changes {
		if !w.holds(c.Partition) {
			continue // read as a whole when this node comes to lead it
		}
		for _, k := range c.Keys {
			switch k.Family {
			case schema.FamilyWebhookDelivery:
				deliveries = append(deliveries, k)
			case schema.FamilyWebhook:
				hooks = append(hooks, k)
			}
		}
	}
	return errors.Join(w.refreshHooks(ctx, hooks), w.refresh(ctx, deliveries))
}

// nudge wakes the loop.
func (w *Worker) nudge() {
	select {
	case w.nudged <- struct{}{}:
	default:
	}
}
