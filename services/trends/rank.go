package trends

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/fxamacker/cbor/v2"

	"grapevine/services/scatter"
	"grapevine/services/social"
	"grapevine/store"
)

const (
	// maxTags bounds the tags of one answer.
	maxTags = 500
	// maxWanted bounds the tags that a node is asked for by name: what all nodes may
	// have answered with, within reason.
	maxWanted = 5000
)

// request asks a node for the tags of some partitions: those that trend there, or
// those that are named.
type request struct {
	Partitions []store.Partition `cbor:"1,keyasint"`
	Tags       []string          `cbor:"2,keyasint,omitempty"`
}

// answer is what a node counted. Unanswered are those of the partitions that it does
// not serve, or has not read yet. More says that other tags are used there too.
type answer struct {
	Unanswered []store.Partition `cbor:"1,keyasint,omitempty"`
	Tags       []tagCount        `cbor:"2,keyasint,omitempty"`
	More       bool              `cbor:"3,keyasint,omitempty"`
}

type tagCount struct {
	Tag     string  `cbor:"1,keyasint"`
	Posts   int     `cbor:"2,keyasint"`
	Authors int     `cbor:"3,keyasint"`
	Usual   float64 `cbor:"4,keyasint"` // authors on a day of the baseline
}

func encode(a answer) ([]byte, error) { return cbor.Marshal(a) }

func timeOf(id string) time.Time { return social.TimeOf(id) }

// bounded is how messages of other nodes are read.
var bounded = func() cbor.DecMode {
	mode, err := cbor.DecOptions{MaxArrayElements: 1 << 16, MaxMapPairs: 16, MaxNestedLevels: 6}.DecMode()
	if err != nil {
		panic(fmt.Sprint("trends: ", err)) // the options are constants
	}
	return mode
}()

// choose gives what is known of the named tags or, when there are none, those that
// trend most, and whether others were left out.
func choose(named []string, sum map[string]count, days int64) (chosen []tagCount, more bool) {
	tag := func(name string) tagCount {
		n := sum[name]
		t := tagCount{Tag: name, Posts: n.posts, Authors: n.authors}
		if days > 0 {
			t.Usual = float64(n.usual) / float64(days)
		}
		return t
	}
	if len(named) > 0 {
		for _, name := range named {
			if sum[name] != (count{}) {
				chosen = append(chosen, tag(name))
			}
		}
		return chosen, false
	}
	for name := range sum {
		chosen = append(chosen, tag(name))
	}
	if len(chosen) <= maxTags {
		return chosen, false
	}
	slices.SortFunc(chosen, func(a, b tagCount) int { return compare(a.trending(), b.trending()) })
	return chosen[:maxTags], true
}

func (t tagCount) plus(u tagCount) tagCount {
	return tagCount{u.Tag, t.Posts + u.Posts, t.Authors + u.Authors, t.Usual + u.Usual}
}

// trending scores a tag; the package comment says how.
func (t tagCount) trending() social.TrendingTag {
	k, mean := float64(t.Authors), (baselineDays*t.Usual+1)/(baselineDays+1)
	out := social.TrendingTag{Tag: t.Tag, Posts: t.Posts, Authors: t.Authors, Usual: t.Usual}
	if k > mean {
		out.Score = k*math.Log(k/mean) - (k - mean)
	}
	return out
}

// compare orders tags by what trends most.
func compare(a, b social.TrendingTag) int {
	return cmp.Or(cmp.Compare(b.Score, a.Score), b.Authors-a.Authors, b.Posts-a.Posts, strings.Compare(a.Tag, b.Tag))
}

// verify refuses an answer that is none to the request.
func (a *answer) verify(r request) error {
	if len(a.Tags) > max(maxTags, len(r.Tags)) {
		return errors.New("the answer is beyond what was asked for")
	}
	for _, t := range a.Tags {
		if social.FoldTag(t.Tag) != t.Tag || t.Posts < 0 || t.Authors < 0 || !(t.Usual >= 0) || math.IsInf(t.Usual, 0) {
			return fmt.Errorf("the answer has a malformed tag %.40q", t.Tag)
		}
	}
	return nil
}

// Nodes is the nodes of the cluster.
type Nodes interface {
	scatter.Nodes
	// Ask sends a request to the Counter of a node, this one included.
	Ask(ctx context.Context, node string, request []byte) ([]byte, error)
}

// Service ranks the tags of the whole cluster. It is safe for concurrent use.
type Service struct{ nodes Nodes }

// New makes the service.
func New(nodes Nodes) *Service { return &Service{nodes} }

// Tags gives the tags that trend most, up to limit, and of how many partitions. A
// limit of 0 means social.DefaultTrends; one beyond social.MaxPage is Invalid.
func (s *Service) Tags(ctx context.Context, limit int) ([]social.TrendingTag, store.Coverage, error) {
	if limit == 0 {
		limit = social.DefaultTrends
	}
	if limit < 0 || limit > social.MaxPage {
		return nil, store.Coverage{}, social.InvalidField("limit", "must be 1 to %d", social.MaxPage)
	}
	tags, more, coverage, err := s.gather(ctx, nil)
	if err == nil && more {
		// A node may have left out tags that others have: ask all for all of them.
		named := slices.Sorted(maps.Keys(tags))
		tags, _, coverage, err = s.gather(ctx, named[:min(len(named), maxWanted)])
	}
	if err != nil {
		return nil, coverage, fmt.Errorf("trends: %w", err)
	}
	out := []social.TrendingTag{}
	for _, t := range tags {
		if trending := t.trending(); trending.Score > 0 {
			out = append(out, trending)
		}
	}
	slices.SortFunc(out, compare)
	return out[:min(len(out), limit)], coverage, nil
}

// gather sums the counts of all partitions.
func (s *Service) gather(ctx context.Context, named []string) (tags map[string]tagCount, more bool, _ store.Coverage, _ error) {
	tags = map[string]tagCount{}
	ask := func(ctx context.Context, node string, partitions []store.Partition) (answer, []store.Partition, error) {
		a, err := s.ask(ctx, node, request{Partitions: partitions, Tags: named})
		return a, a.Unanswered, err
	}
	coverage, err := scatter.Gather(ctx, s.nodes, ask, func(a answer) {
		more = more || a.More
		for _, t := range a.Tags {
			tags[t.Tag] = tags[t.Tag].plus(t)
		}
	})
	return tags, more, coverage, err
}

func (s *Service) ask(ctx context.Context, node string, r request) (a answer, err error) {
	encoded, err := cbor.Marshal(r)
	if err != nil {
		return a, err
	}
	reply, err := s.nodes.Ask(ctx, node, encoded)
	if err == nil {
		err = bounded.Unmarshal(reply, &a)
	}
	if err == nil {
		err = a.verify(r)
	}
	if err != nil {
		return a, fmt.Errorf("trends of %s: %w", node, err)
	}
	return a, nil
}
