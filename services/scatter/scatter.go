// Package scatter asks every partition of the cluster once, through as few nodes as
// answer for them, and says how complete the answer is.
package scatter

import (
	"context"
	"time"

	"grapevine/store"
)

const (
	// AskTime bounds the wait for one node's answer.
	AskTime = time.Second
	// maxRounds bounds how often what was not answered is asked for again, from other
	// owners.
	maxRounds = 3
)

// Nodes is the nodes of the cluster, by names that only it understands.
type Nodes interface {
	// Deal gives partitions to nodes that are likely to answer for them and were not
	// tried in vain: this node what it can answer for, and the rest so that few nodes
	// are asked. A partition that nobody is left for is in no share.
	Deal(partitions []store.Partition, tried func(node string, p store.Partition) bool) map[string][]store.Partition
	// Partitions is the number of partitions, 0 while the ring is not known.
	Partitions() int
}

// Ask asks a node for some partitions. Unanswered are those of them that the node
// does not answer for. It must end with ctx.
type Ask[A any] func(ctx context.Context, node string, partitions []store.Partition) (answer A, unanswered []store.Partition, err error)

// share is what one node is asked for, and what came of it.
type share[A any] struct {
	node       string
	partitions []store.Partition
	answer     A
	unanswered []store.Partition
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

func (t tries) has(node string, p store.Partition) bool {
	return t.failed[node] || t.empty[nodePartition{node, p}]
}

// Gather asks each partition once, of whatever node answers for it, gives take the
// answers one after another, and tells how many partitions were answered for. It
// fails only when none was: with the error of a node, or with store.ErrUnavailable.
func Gather[A any](ctx context.Context, nodes Nodes, ask Ask[A], take func(A)) (store.Coverage, error) {
	coverage := store.Coverage{Asked: nodes.Partitions()}
	missing := make([]store.Partition, coverage.Asked)
	for i := range missing {
		missing[i] = store.Partition(i)
	}
	tried := tries{failed: map[string]bool{}, empty: map[nodePartition]bool{}}
	var failed error
	for round := 0; round < maxRounds && len(missing) > 0; round++ {
		deal := nodes.Deal(missing, tried.has)
		if len(deal) == 0 {
			break
		}
		left := len(missing)
		for _, sh := range askAll(ctx, deal, ask) {
			for _, p := range sh.unanswered {
				tried.empty[nodePartition{sh.node, p}] = true
			}
			if sh.err != nil {
				tried.failed[sh.node], failed = true, sh.err
				continue
			}
			take(sh.answer)
			missing = without(missing, sh.partitions, sh.unanswered)
		}
		coverage.Answered += left - len(missing)
	}
	if coverage.Answered == 0 {
		if failed == nil || ctx.Err() == nil {
			failed = store.ErrUnavailable
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

// askAll asks all nodes at once.
func askAll[A any](ctx context.Context, deal map[string][]store.Partition, ask Ask[A]) []share[A] {
	ctx, cancel := context.WithTimeout(ctx, AskTime)
	defer cancel()
	answers := make(chan share[A], len(deal))
	for node, partitions := range deal {
		go func() {
			sh := share[A]{node: node, partitions: partitions}
			sh.answer, sh.unanswered, sh.err = ask(ctx, node, partitions)
			answers <- sh
		}()
	}
	out := make([]share[A], 0, len(deal))
	for range deal {
		out = append(out, <-answers) // all end with ctx
	}
	return out
}
