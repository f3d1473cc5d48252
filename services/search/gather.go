package search

import (
	"context"
	"errors"
	"fmt"

	"github.com/fxamacker/cbor/v2"

	"grapevine/services/scatter"
	"grapevine/store"
)

// gather asks each partition once, of whatever node answers for it, and tells how
// many were answered for. It fails only when none was.
func (s *Service) gather(ctx context.Context, r request, take func(answer)) (store.Coverage, error) {
	ask := func(ctx context.Context, node string, partitions []store.Partition) (answer, []store.Partition, error) {
		a, err := s.askOne(ctx, node, r, partitions)
		return a, a.Unanswered, err
	}
	coverage, err := scatter.Gather(ctx, s.cfg.Nodes, ask, take)
	s.metrics.unanswered.Add(float64(coverage.Asked - coverage.Answered))
	if errors.Is(err, store.ErrUnavailable) {
		err = fmt.Errorf("search: %w", err)
	}
	return coverage, err
}

func (s *Service) askOne(ctx context.Context, node string, r request, partitions []store.Partition) (a answer, err error) {
	r.Partitions = partitions
	encoded, err := cbor.Marshal(r)
	if err != nil {
		return a, err
	}
	reply, err := s.cfg.Nodes.Ask(ctx, node, encoded)
	if err == nil {
		err = bounded.Unmarshal(reply, &a)
	}
	if err == nil {
		err = a.verify(r)
	}
	if err != nil {
		return a, fmt.Errorf("search on %s: %w", node, err)
	}
	return a, nil
}
