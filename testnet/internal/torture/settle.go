package torture

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"grapevine/testnet/internal/check"
	"grapevine/testnet/internal/cluster"
)

// converge waits until all owners hold the same, and marks it. Nothing must be
// wrong any more and nobody act.
func (r *rig) converge(ctx context.Context) error {
	nodes, err := r.running()
	if err != nil {
		return err
	}
	report, err := check.Run(ctx, check.Config{
		Nodes: nodes, Model: &check.Model{}, Timeout: settleWithin, Workers: 1,
		Progress: func(int) (func(int), func()) { return func(int) {}, func() {} },
	})
	if err == nil && !report.OK() {
		err = fmt.Errorf("torture: not converged within %s: %v", settleWithin, report.Disagreements)
	}
	if err != nil {
		return err
	}
	r.journal.Add(Entry{Act: Settled, Copies: min(3, len(nodes))})
	return nil
}

// ends are the steps that end a fault of a node.
var ends = map[string]string{
	Kill: start, KillAll: start, Pause: resume, FullDisk: space, Rollback: start, Replace: start, Forget: start,
}

// mend heals, resumes, empties and starts all that a fault has befallen, and
// awaits those that leave.
func (r *rig) mend(ctx context.Context) error {
	r.mu.Lock()
	wrong := r.wrong
	r.wrong = map[int]string{}
	r.mu.Unlock()
	var paused, leaving, others []int
	for _, n := range slices.Sorted(maps.Keys(wrong)) {
		switch wrong[n] {
		case Pause:
			paused = append(paused, n)
		case Leave:
			leaving = append(leaving, n)
		default:
			others = append(others, n)
		}
	}
	end := func(n int) string { return ends[wrong[n]] }
	// A paused node could not be told that its links are good again.
	if err := r.each(ctx, paused, end); err != nil {
		return err
	}
	if err := r.links(ctx, Step{}); err != nil {
		return err
	}
	r.net("")
	if err := r.each(ctx, others, end); err != nil {
		return err
	}
	for _, n := range leaving {
		if err := r.left(n); err != nil {
			return err
		}
	}
	return nil
}

// left waits until a node that leaves has ended, and removes it.
func (r *rig) left(index int) error {
	if err := r.with(index, func(n cluster.Node) error { return r.cluster.AwaitExit(n, leaveWithin) }); err != nil {
		return fmt.Errorf("torture: node %d has not left within %s: %w", index, leaveWithin, err)
	}
	r.targets.remove(index)
	return errors.Join(r.cluster.Retire(index), r.cluster.Wipe(index))
}

func (r *rig) running() ([]check.Node, error) {
	s, err := r.cluster.State()
	if err != nil {
		return nil, err
	}
	var nodes []check.Node
	for _, n := range s.Living() {
		nodes = append(nodes, check.Node{Index: n.Index, ID: n.ID, URL: n.URL()})
	}
	return nodes, nil
}
