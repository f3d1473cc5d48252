package torture

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"grapevine/node/client"
	"grapevine/testnet/internal/api"
	"grapevine/testnet/internal/cluster"
	"grapevine/testnet/internal/torture/lab"
)

// Bounds of waiting for the cluster. What takes longer is a fault of its own.
const (
	forgetWithin = 60 * time.Second // until a dead node is believed dead
	leaveWithin  = 3 * time.Minute  // until a node has handed over what it held
	settleWithin = 5 * time.Minute  // until all owners hold the same
	again        = 250 * time.Millisecond
	ballast      = "ballast" // the file that fills a disk
)

// rig does the steps of a schedule to a cluster.
type rig struct {
	cluster *cluster.Cluster
	lab     *lab.Lab // nil where nodes are on loopback
	targets *targets
	journal *Journal

	mu       sync.Mutex
	expected map[int]bool   // nodes whose process may end
	ended    []string       // nodes that ended by themselves
	wrong    map[int]string // as the planner has it: what is done to a node, by index
	injected map[string]int
	network  string       // the fault of the network in force
	blank    map[int]bool // nodes that remember nobody: their disk was wiped
}

func newRig(c *cluster.Cluster, l *lab.Lab, t *targets, j *Journal) *rig {
	return &rig{
		cluster: c, lab: l, targets: t, journal: j,
		expected: map[int]bool{}, wrong: map[int]string{}, injected: map[string]int{}, blank: map[int]bool{},
	}
}

// exited is told of each process that ends.
func (r *rig) exited(index int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.expected[index] {
		r.ended = append(r.ended, fmt.Sprintf("node %d ended by itself: %v", index, err))
	}
}

// Ended gives the nodes that ended though nobody ended them.
func (r *rig) Ended() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.ended)
}

func (r *rig) expect(index int, end bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.expected[index] = end
}

// mark notes what is done to nodes, for people and for settling.
func (r *rig) mark(what string, nodes []int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, n := range nodes {
		if r.wrong[n] = what; what == "" {
			delete(r.wrong, n)
		}
	}
}

func (r *rig) net(fault string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.network = fault
}

// do carries out one step.
func (r *rig) do(ctx context.Context, s Step) error {
	if slices.Contains(Kinds, s.Do) {
		r.mu.Lock()
		r.injected[s.Do]++
		r.mu.Unlock()
	}
	switch s.Do {
	case Cut, OneWay, Lossy:
		r.net(s.Do)
		return r.links(ctx, s)
	case heal:
		r.net("")
		return r.links(ctx, s)
	}
	if slices.Contains([]string{start, resume, space}, s.Do) {
		defer r.mark("", s.Nodes)
	} else if s.Do != Join && s.Do != save {
		r.mark(s.Do, s.Nodes)
	}
	return r.each(ctx, s.Nodes, func(int) string { return s.Do })
}

// each does something to some nodes at the same time.
func (r *rig) each(ctx context.Context, nodes []int, what func(index int) string) error {
	var group errgroup.Group
	for _, index := range nodes {
		group.Go(func() error {
			if err := r.one(ctx, what(index), index); err != nil {
				return fmt.Errorf("torture: %s node %d: %w", what(index), index, err)
			}
			return nil
		})
	}
	return group.Wait()
}

// one does a step to one node.
func (r *rig) one(ctx context.Context, do string, index int) error {
	switch do {
	case Kill, KillAll:
		return r.kill(index)
	case start:
		if err := r.reachable(ctx, index); err != nil {
			return err
		}
		return r.start(ctx, index)
	case Pause:
		return r.with(index, r.cluster.Pause)
	case resume:
		return r.with(index, r.cluster.Resume)
	case FullDisk:
		return fill(r.cluster.DataDir(index))
	case space:
		return os.Remove(filepath.Join(r.cluster.DataDir(index), ballast))
	case save:
		return errors.Join(r.kill(index), r.cluster.Save(index, r.copyDir(index)), r.start(ctx, index))
	case Rollback:
		err := errors.Join(r.kill(index), r.cluster.Restore(index, r.copyDir(index)))
		r.lose()
		return err
	case Replace, Forget:
		return r.forget(ctx, index, do == Replace)
	case Join:
		return r.start(ctx, index)
	case Leave:
		return r.leave(ctx, index)
	}
	return fmt.Errorf("there is no such step")
}

func (r *rig) with(index int, fn func(cluster.Node) error) error {
	n, err := r.cluster.Node(index)
	if err != nil {
		return err
	}
	return fn(n)
}

func (r *rig) kill(index int) error {
	r.expect(index, true)
	return r.with(index, r.cluster.Kill)
}

func (r *rig) start(ctx context.Context, index int) error {
	n, err := r.cluster.Restart(ctx, index)
	if err != nil {
		return err
	}
	r.expect(index, false)
	r.targets.set(index, n.URL())
	return nil
}

// reachable ends the faults of the network before a node starts that knows only the
// addresses it is to join: behind a cut it waits for them, as it should, and the
// schedule would wait for it.
func (r *rig) reachable(ctx context.Context, index int) error {
	r.mu.Lock()
	blank := r.blank[index]
	delete(r.blank, index)
	r.mu.Unlock()
	if !blank {
		return nil
	}
	r.net("")
	return r.links(ctx, Step{Do: heal})
}

func (r *rig) copyDir(index int) string {
	return filepath.Join(r.cluster.Dir(), fmt.Sprintf("copy-of-node%d", index))
}

// lose notes that a disk is lost. The node is down by now, so that every
// acknowledgement it gave counts as given before.
func (r *rig) lose() { r.journal.Add(Entry{Act: DiskLost}) }

// forget kills a node and has the others give it up. With wipe its disk is lost;
// else it returns with what it had.
func (r *rig) forget(ctx context.Context, index int, wipe bool) error {
	gone, err := r.cluster.Node(index)
	if err != nil {
		return err
	}
	if err := r.kill(index); err != nil {
		return err
	}
	r.lose()
	if wipe {
		if err := r.cluster.Wipe(index); err != nil {
			return err
		}
		r.mu.Lock()
		r.blank[index] = true
		r.mu.Unlock()
	}
	return r.until(ctx, forgetWithin, func(ctx context.Context) error {
		return r.elsewhere(index, func(c *client.Client) error {
			_, err := c.Forget(ctx, gone.ID)
			return err
		})
	})
}

// leave asks a node to leave, which it does while other things happen; settling
// waits for it.
func (r *rig) leave(ctx context.Context, index int) error {
	r.expect(index, true)
	return r.as(index, func(c *client.Client) error {
		_, err := c.Leave(ctx)
		return err
	})
}

// elsewhere does something with an operator's rights at a node other than the
// given one.
func (r *rig) elsewhere(than int, do func(*client.Client) error) error {
	r.mu.Lock()
	wrong := maps.Clone(r.wrong)
	r.mu.Unlock()
	for _, t := range r.targets.all() {
		if what := wrong[t.index]; t.index != than && (what == "" || what == FullDisk) {
			return r.as(t.index, do)
		}
	}
	return errors.New("no other node is well")
}

// as does something with an operator's rights at a node.
func (r *rig) as(index int, do func(*client.Client) error) error {
	return r.with(index, func(n cluster.Node) error {
		c, err := r.cluster.Operator(n)
		if err != nil {
			return err
		}
		defer c.Close()
		return do(c)
	})
}

// until tries again until it succeeds or the time is over.
func (r *rig) until(ctx context.Context, within time.Duration, try func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for {
		err := try(ctx)
		if err == nil || api.Pause(ctx, again) != nil {
			return err
		}
	}
}

// links puts the network of a step into force: by the relay where there is one,
// else by telling the nodes whom to shun.
func (r *rig) links(ctx context.Context, s Step) error {
	if r.lab != nil {
		r.lab.Set(s.Links)
		return nil
	}
	return r.cluster.Partition(ctx, r.groups(s.Nodes))
}

// groups divides the nodes in two; nobody on one side is no division.
func (r *rig) groups(side []int) [][]int {
	if len(side) == 0 {
		return nil
	}
	var other []int
	for _, n := range r.targets.all() {
		if !slices.Contains(side, n.index) {
			other = append(other, n.index)
		}
	}
	return [][]int{side, other}
}

// state says in few words what is wrong with the cluster.
func (r *rig) state() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var parts []string
	if r.network != "" {
		parts = append(parts, r.network)
	}
	for _, n := range slices.Sorted(maps.Keys(r.wrong)) {
		parts = append(parts, fmt.Sprintf("node %d: %s", n, r.wrong[n]))
	}
	if parts == nil {
		return "all is well"
	}
	return strings.Join(parts, ", ")
}

// end makes every exit of a node one that is wanted, and lets stopped ones hear
// of it.
func (r *rig) end() {
	r.mu.Lock()
	paused := map[int]bool{}
	for n, what := range r.wrong {
		paused[n] = what == Pause
	}
	r.mu.Unlock()
	for _, n := range r.targets.all() {
		r.expect(n.index, true)
		if paused[n.index] {
			// One that cannot be resumed is killed as any that does not end.
			_ = r.with(n.index, r.cluster.Resume)
		}
	}
}
