// Package trends finds the hashtags that more people use now than is usual. Each
// node counts the public posts of the partitions that it serves, from its change log
// (Counter); a question is put to every partition once, and the counts are summed and
// ranked (Service).
//
// What counts is distinct authors, so that a tag does not trend by one loud account.
// All posts of an author lie in one partition, so that distinct authors of different
// partitions can be added up: the sum is exact, without a sketch.
//
// The window is the present hour and the 23 before it; the baseline is the six days
// before the window. The ranking takes the authors of a tag on a day for a Poisson
// variable. Its mean λ is estimated from the baseline, with a Gamma prior that is
// worth one day with one author (Gelman et al., Bayesian Data Analysis, 2.6), so that
// a tag never seen before has λ = 1/7. The score of a tag with k authors in the
// window is half of its Poisson deviance,
//
//	k ln(k/λ) − (k − λ)   for k > λ,
//
// the logarithm of how much likelier k is under its own mean than under λ
// (McCullagh & Nelder, Generalized Linear Models, 2.3; as a measure of surprise in
// counts: Dunning, Accurate Methods for the Statistics of Surprise and Coincidence,
// 1993). It grows with the ratio to what is usual and with the evidence for it: a
// tag that is as common as ever does not trend, however common.
package trends

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"grapevine/crdt"
	"grapevine/services/schema"
	"grapevine/services/social"
	"grapevine/store"
)

// Consumer is the name of the counter's cursor in the change log.
const consumer = "trends"

const (
	windowHours  = 24
	baselineDays = 6
	allHours     = windowHours * (1 + baselineDays)

	// DefaultMaxPosts bounds the posts that a node keeps count of: about 30 MB.
	DefaultMaxPosts = 100_000
)

// CounterConfig is what the counter needs. All but MaxPosts, Logger and Metrics is
// required.
type CounterConfig struct {
	Log  store.ChangeLog
	Rows store.Rows
	// Posts gives the posts of some partitions, newest first, from what this node
	// holds: up to limit of those before a sort key, or of all when that is empty. It
	// fails with store.ErrUnavailable when the node does not serve one of them.
	Posts func(wanted []store.Partition, before string, limit int) ([]store.Entry, error)
	// Partitions is the number of partitions.
	Partitions func() int
	// PartitionOf gives the partition of a slot.
	PartitionOf func(store.Slot) store.Partition
	// Serves says whether this node owns a partition and has caught up with it.
	Serves func(store.Partition) bool
	Now    func() time.Time
	// MaxPosts bounds the posts with hashtags that are kept count of, over all
	// partitions; beyond it the oldest are not, and the baseline is the shorter.
	// 0 means DefaultMaxPosts.
	MaxPosts int
	Logger   *slog.Logger          // nil means none
	Metrics  prometheus.Registerer // nil means none
}

// Counter keeps count of the hashtags of the partitions that this node serves, in
// memory. What it counts is made from rows as they are: an edit, a removal and a
// change that is read twice leave the count that a fresh one would have.
type Counter struct {
	cfg CounterConfig

	mu    sync.Mutex
	parts map[store.Partition]*part // those that were read as a whole
	size  int                       // posts in parts
	from  int64                     // the first hour that is kept
}

// NewCounter makes a counter, which answers for nothing before Run.
func NewCounter(cfg CounterConfig) *Counter {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.MaxPosts == 0 {
		cfg.MaxPosts = DefaultMaxPosts
	}
	c := &Counter{cfg: cfg, parts: map[store.Partition]*part{}}
	if cfg.Metrics != nil {
		cfg.Metrics.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "grapevine_trends_posts", Help: "Posts with hashtags that this node keeps count of.",
		}, func() float64 { return float64(c.posts()) }))
	}
	return c
}

func (c *Counter) posts() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.size
}

// hour gives the hour since 1970 of a time.
func hour(at time.Time) int64 { return at.Unix() / 3600 }

// set makes the count of a post that of its row, in a partition that was read.
func (c *Counter) set(k store.Key, row crdt.Row) error {
	p := c.parts[c.cfg.PartitionOf(k.Slot)]
	if p == nil {
		return nil // it is read as a whole when it is served here
	}
	use, counts, err := read(k, row)
	if counts && use.hour >= c.from {
		c.size += p.put(k.Sort, use)
	} else {
		c.size -= p.remove(k.Sort)
	}
	return err
}

// read gives what is counted of a post, if anything: a public text with hashtags
// that was written here.
func read(k store.Key, row crdt.Row) (use, bool, error) {
	if !row.Exists() {
		return use{}, false, nil
	}
	p, err := schema.DecodePost(k.Sort, row)
	if err != nil {
		return use{}, false, fmt.Errorf("trends: %w", err)
	}
	counts := p.Visibility == social.Public && p.RepostOf == "" && p.ImportedAt == nil && len(p.Tags) > 0
	return use{author: p.Author, tags: p.Tags, hour: hour(p.CreatedAt)}, counts, nil
}

// age forgets what is older than the baseline, and the oldest of what is too much.
func (c *Counter) age() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.from = max(c.from, hour(c.cfg.Now())-allHours+1)
	c.forget()
	for c.size > c.cfg.MaxPosts {
		c.from++
		c.forget()
	}
}

func (c *Counter) forget() {
	for _, p := range c.parts {
		c.size -= p.forget(c.from)
	}
}

// Answer answers a node's question, in its encoding.
func (c *Counter) Answer(_ context.Context, encoded []byte) ([]byte, error) {
	var r request
	if err := bounded.Unmarshal(encoded, &r); err != nil {
		return nil, fmt.Errorf("trends: malformed request: %w", err)
	}
	return encode(c.answer(r))
}

func (c *Counter) answer(r request) answer {
	var a answer
	sum := map[string]count{}
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.cfg.Now()
	for _, id := range r.Partitions {
		p := c.parts[id]
		if p == nil || !c.cfg.Serves(id) {
			a.Unanswered = append(a.Unanswered, id)
			continue
		}
		for tag, n := range p.count(now) {
			sum[tag] = sum[tag].plus(n)
		}
	}
	a.Tags, a.More = choose(r.Tags, sum, c.usualDays(now))
	return a
}

// usualDays is how many whole days of the baseline are kept.
func (c *Counter) usualDays(now time.Time) int64 {
	return min(baselineDays, max(0, (hour(now)-windowHours+1-c.from)/24))
}
