package torture

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os/exec"
	"strings"
	"sync"
	"time"

	"grapevine/testnet/internal/cluster"
)

// UpgradeConfig is what a rolling upgrade takes.
type UpgradeConfig struct {
	Seed  uint64
	Nodes int
	// Between is how long the load goes on with each mix of builds.
	Between  time.Duration
	Rate     float64 // acts of users per second
	Dir      string  // of the run; it need not exist
	From, To string  // the programs
	Out      io.Writer
}

// Upgrade brings up a cluster of one build and, under load, restarts node after node
// with another, as an operator does: each is asked to stop, and the next one's turn
// comes when the cluster says so. With every mix of builds all owners must come to
// hold the same and every node answer what the journal says; what only the later
// build knows is used through it while there are earlier ones, and has to be whole in
// the end. All nodes have ended when it returns.
func Upgrade(ctx context.Context, cfg UpgradeConfig) (_ *Report, err error) {
	u := &upgrade{UpgradeConfig: cfg, run: &run{
		Config: Config{Seed: cfg.Seed, Nodes: cfg.Nodes, Rate: cfg.Rate, Dir: cfg.Dir, Binary: cfg.From, Out: cfg.Out},
		load:   &load{targets: &targets{conns: clients}, tally: newTally(), gate: newGate(), rate: cfg.Rate, seed: cfg.Seed},
	}}
	u.cluster, err = cluster.Create(cfg.Dir, cfg.From, func(index int, end error) { u.rig.exited(index, end) })
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, u.close()) }()
	if err := u.open(); err != nil {
		return nil, err
	}
	err = u.all(ctx)
	u.report.fill(u.run)
	return &u.report, err
}

// upgrade is a rolling upgrade under way.
type upgrade struct {
	UpgradeConfig
	*run
	news news
}

func (u *upgrade) all(ctx context.Context) error {
	for i := range u.Nodes {
		if err := u.rig.start(ctx, i+1); err != nil {
			return err
		}
	}
	rng := rand.New(rand.NewPCG(u.Seed, 1<<32))
	for i := range people {
		if err := u.load.signUp(ctx, rng, fmt.Sprintf("person_%d", i+1)); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	u.begun = time.Now()
	u.journal.Begin(u.begun)
	var wait sync.WaitGroup
	defer wait.Wait()
	defer cancel()
	wait.Go(func() { u.load.run(ctx, clients) })
	wait.Go(func() { u.newcomers(ctx, rng) })
	if err := u.roll(ctx); err != nil {
		return err
	}
	return u.listen()
}

// roll exchanges the nodes one by one, and looks at each mix.
func (u *upgrade) roll(ctx context.Context) error {
	if err := u.mix(ctx, 0); err != nil {
		return err
	}
	if err := u.cluster.Use(u.To); err != nil {
		return err
	}
	for index := 1; index <= u.Nodes && u.report.OK(); index++ {
		if err := u.exchange(ctx, index); err != nil {
			return fmt.Errorf("torture: upgrade node %d: %w", index, err)
		}
		if err := u.mix(ctx, index); err != nil {
			return err
		}
	}
	return nil
}

// exchange restarts a node with the other build, when that may be.
func (u *upgrade) exchange(ctx context.Context, index int) error {
	for _, t := range u.load.targets.all() {
		if err := u.spared(ctx, t); err != nil {
			return err
		}
	}
	u.say("node %d is restarted with the later build", index)
	u.rig.expect(index, true)
	if err := u.rig.with(index, u.cluster.End); err != nil {
		return err
	}
	return u.rig.start(ctx, index)
}

// spared waits until a node says that another may be restarted.
func (u *upgrade) spared(ctx context.Context, t *target) error {
	return u.rig.until(ctx, settleWithin, func(ctx context.Context) error {
		_, err := t.pool.Do(ctx, 0, getRequest("/readyz?for=restart"))
		return err
	})
}

// mix has the load go on for a while with so many nodes of the later build, and then
// compares all answers.
func (u *upgrade) mix(ctx context.Context, later int) error {
	if err := u.wait(ctx, time.Since(u.begun)-u.paused+u.Between); err != nil {
		return err
	}
	if later > 0 {
		u.act(ctx, later)
	}
	u.say("%d of %d nodes run the later build", later, u.Nodes)
	if err := u.settle(ctx, later == u.Nodes); err != nil {
		return err
	}
	if err := u.told(ctx, later > 0 && later < u.Nodes); err != nil {
		return err
	}
	if later == u.Nodes {
		u.whole(ctx)
	}
	return nil
}

// told asks the later build's doctor what runs: it finds a mix of builds while there is
// one.
func (u *upgrade) told(ctx context.Context, mixed bool) error {
	n, err := u.cluster.Node(1)
	if err != nil {
		return err
	}
	doctor := exec.CommandContext(ctx, u.To, "doctor", "-o", "json", "--node", n.URL())
	out, err := doctor.Output() // it fails when it finds anything
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return fmt.Errorf("torture: ask the doctor: %w", err)
	}
	if found := bytes.Contains(out, []byte("the nodes run different builds")); found != mixed {
		u.report.Faults = append(u.report.Faults, Fault{Kind: Complaint, Node: 1, Thing: "grapevine doctor",
			Detail: fmt.Sprintf("says that there is a mix of builds: %t: %s", found, out)})
	}
	return nil
}

// listen reads the nodes' logs and what clients were told: an error in a log and an
// answer that is an error of the node's own are faults.
func (u *upgrade) listen() error {
	for i := range u.Nodes {
		lines, err := complaints(u.cluster.Log(i + 1))
		if err != nil {
			return err
		}
		for _, line := range lines {
			u.report.Faults = append(u.report.Faults, Fault{Kind: Complaint, Node: i + 1, Detail: line})
		}
	}
	for what, n := range u.load.tally.Counts().Errors {
		if strings.Contains(what, ": 5") && !strings.HasSuffix(what, ": 503") {
			u.report.Faults = append(u.report.Faults, Fault{Kind: Complaint, Thing: what, Detail: fmt.Sprintf("%d times", n)})
		}
	}
	return nil
}
