package graph

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"grapevine/services/schema"
	"grapevine/services/social"
	"grapevine/store"
)

// MaxPathEdges bounds the follows that are looked at from each end of a path, and
// pathAtOnce those who are asked for theirs at once.
const (
	MaxPathEdges = 200_000
	pathAtOnce   = 16
	pathPage     = 1000
)

// Path gives a shortest chain of follows that leads from the user of a ref to
// another, both included: each follows the next. The chain has at most
// social.MaxPathSteps follows, and is looked for from both ends at once, breadth
// first. An end beside which more than MaxPathEdges follows lie is looked at no
// further, and the search goes on from the other one alone; so what is found is
// always shortest, and NotFound means that there is none within the bounds.
func (s *Service) Path(ctx context.Context, ref, other string) ([]social.User, error) {
	from, err := s.users.Resolve(ctx, ref)
	if err != nil {
		return nil, err
	}
	to, err := s.users.Resolve(ctx, other)
	if err != nil {
		return nil, err
	}
	ids, err := s.search(ctx, newReach(schema.FamilyFollowing, from), newReach(schema.FamilyFollower, to))
	if err != nil {
		return nil, err
	}
	users, err := s.users.GetMany(ctx, ids)
	if err != nil {
		return nil, err
	}
	if len(ids) == 0 || len(users) < len(ids) { // someone on it was deleted just now
		return nil, social.Errorf(social.NotFound,
			"there is no path of at most %d follows, among up to %d follows looked at from each end", social.MaxPathSteps, MaxPathEdges)
	}
	return users, nil
}

// reach is what was found from one end.
type reach struct {
	family   store.Family
	came     map[string]string // of everyone reached, from whom
	frontier []string          // those reached last
	edges    atomic.Int64      // looked at
	stuck    bool              // there is no more, or too much
}

func newReach(f store.Family, end string) *reach {
	return &reach{family: f, came: map[string]string{end: ""}, frontier: []string{end}}
}

// search goes on from the end with the smaller frontier until the two meet.
func (s *Service) search(ctx context.Context, from, to *reach) ([]string, error) {
	if _, same := to.came[from.frontier[0]]; same {
		return from.frontier, nil
	}
	for steps := 0; steps < social.MaxPathSteps && !(from.stuck && to.stuck); {
		near, far := from, to
		if from.stuck || !to.stuck && len(to.frontier) < len(from.frontier) {
			near, far = to, from
		}
		if err := s.step(ctx, near); err != nil {
			return nil, err
		}
		if near.stuck {
			continue
		}
		steps++
		for _, id := range near.frontier {
			if _, met := far.came[id]; met {
				return join(from, to, id), nil
			}
		}
	}
	return nil, nil
}

// step replaces the frontier by those next to it, in their order. Beyond the bound it
// gets stuck instead.
func (s *Service) step(ctx context.Context, r *reach) error {
	came := map[string]string{}
	var next []string
	for chunk := range slices.Chunk(r.frontier, pathAtOnce) {
		found := make([][]string, len(chunk))
		group, ctx := errgroup.WithContext(ctx)
		for i, id := range chunk {
			group.Go(func() (err error) {
				found[i], err = s.edges(ctx, r, id)
				return err
			})
		}
		if err := group.Wait(); err != nil {
			return err
		}
		if r.edges.Load() > MaxPathEdges {
			r.stuck = true
			return nil
		}
		for i, ids := range found {
			for _, id := range ids {
				_, old := r.came[id]
				if _, known := came[id]; !old && !known {
					came[id] = chunk[i]
					next = append(next, id)
				}
			}
		}
	}
	maps.Copy(r.came, came)
	r.frontier, r.stuck = next, len(next) == 0
	return nil
}

// edges gives everyone next to an account, or gives up when too much was looked at.
func (s *Service) edges(ctx context.Context, r *reach, id string) ([]string, error) {
	var ids []string
	for after := ""; r.edges.Load() <= MaxPathEdges; {
		entries, err := s.rows.Scan(ctx, schema.Of(r.family, id, after, false, pathPage))
		if err != nil {
			return nil, fmt.Errorf("read follows of %s: %w", id, err)
		}
		r.edges.Add(int64(len(entries)))
		ids = append(ids, schema.Others(entries)...)
		if len(entries) < pathPage {
			break
		}
		after = ids[len(ids)-1]
	}
	return ids, nil
}

// join gives the path through someone whom both ends reached.
func join(from, to *reach, met string) []string {
	var path []string
	for id := met; id != ""; id = from.came[id] {
		path = append(path, id)
	}
	slices.Reverse(path)
	for id := to.came[met]; id != ""; id = to.came[id] {
		path = append(path, id)
	}
	return path
}
