package search

import (
	"context"
	"fmt"

	"github.com/fxamacker/cbor/v2"

	"grapevine/store"
)

// maxRounds bounds how often what was not answered is asked for again, from other
// owners.
const maxRounds = 3

// share is what one node is asked for, and what came of it.
type share struct {
	node       string
	partitions []store.Partition
	answer     answer
	err        error
}

// tries is which nodes failed, and which did not answer for what. A node that
// answered for some partitions may be asked for others.
type tries struct {
	failed map[string]bool
	empty  map[nodePartition]bool
}

type nodePartition struct {
	node      string
	partition store.Partition
}

func (t tries) note(sh share) {
	if sh.err != nil {
		t.failed[sh.node] = true
	}
	for _, p := range sh.answer.Unanswered {
		t.empty[nodePartition{sh.node, p}] = true
	}
}

func (t tries) has(node string, p store.Partition) bool {
	return t.failed[node] || t.empty[nodePartition{node, p}]
}

// gather asks each partition once, of whatever node answers for it, and tells how
// many were answered for. It fails only when none was.
func (s *Service) gather(ctx context.Context, r request, take func(answer)) (store.Coverage, error) {
	coverage := store.Coverage{Asked: s.cfg.Nodes.Partitions()}
	missing := make([]store.Partition, coverage.Asked)
	for i := range missing {
		missing[i] = store.Partition(i)
	}
	tried := tries{failed: map[string]bool{}, empty: map[nodePartition]bool{}}
	var failed error
	for round := 0; round < maxRounds && len(missing) > 0; round++ {
		deal := s.cfg.Nodes.Deal(missing, tried.has)
		if len(deal) == 0 {
			break
		}
		left := len(missing)
		for _, sh := range s.ask(ctx, r, deal) {
			tried.note(sh)
			if sh.err != nil {
				failed = sh.err
				continue
			}
			take(sh.answer)
			missing = without(missing, sh.partitions, sh.answer.Unanswered)
		}
		coverage.Answered += left - len(missing)
	}
	s.metrics.unanswered.Add(float64(coverage.Asked - coverage.Answered))
	if coverage.Answered == 0 {
		if failed == nil || ctx.Err() == nil {
			failed = fmt.Errorf("search: %w", store.ErrUnavailable)
		}
		return coverage, failed
	}
	return coverage, nil
}

// without removes from missing what was answered, which is given but for what was
// not.
func without(missing, given, unanswered []store.Partition) []store.Partition {
	answered := map[store.Partition]bool{}
	for _, p := range given {
		answered[p] = true
	}
	for _, p := range unanswered {
		delete(answered, p)
	}
	var left []store.Partition
	for _, p := range missing {
		if !answered[p] {
			left = append(left, p)
		}
	}
	return left
}

// ask asks all nodes at once.
func (s *Service) ask(ctx context.Context, r request, deal map[string][]store.Partition) []share {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	answers := make(chan share, len(deal))
	for node, partitions := range deal {
		go func() {
			sh := share{node: node, partitions: partitions}
			sh.answer, sh.err = s.askOne(ctx, node, r, partitions)
			answers <- sh
		}()
	}
	out := make([]share, 0, len(deal))
	for range deal {
		out = append(out, <-answers) // all end with ctx
	}
	return out
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
