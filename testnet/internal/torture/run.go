package torture

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"time"

	"grapevine/testnet/internal/cluster"
	"grapevine/testnet/internal/torture/lab"
)

// Config is what a run takes.
type Config struct {
	Seed    uint64
	Nodes   int // at the start
	For     time.Duration
	Without []string // kinds of fault to leave out
	Rate    float64  // acts of users per second
	Dir     string   // of the run; it need not exist
	Binary  string   // of the node
	Lab     bool     // the process runs in what lab.Command starts
	Out     io.Writer
}

// The people of a run.
const (
	people      = 24
	clients     = 12
	signUpEvery = 20 * time.Second
	lineEvery   = 10 * time.Second
)

// run is one run under way.
type run struct {
	Config
	cluster *cluster.Cluster
	lab     *lab.Lab
	rig     *rig
	load    *load
	journal *Journal
	begun   time.Time
	paused  time.Duration // of begun, in settling

	mu     sync.Mutex // guards Out
	report Report
}

// Run brings up a cluster, tortures it and returns the verdict; all nodes have
// ended when it returns. It stops early at the first settling that shows a fault.
// The error is of the run itself; whatever was found till then is in the Report.
func Run(ctx context.Context, cfg Config) (_ *Report, err error) {
	r := &run{Config: cfg, load: &load{
		targets: &targets{conns: clients}, tally: newTally(), gate: newGate(), rate: cfg.Rate, seed: cfg.Seed,
	}}
	r.cluster, err = cluster.Create(cfg.Dir, cfg.Binary, func(index int, end error) { r.rig.exited(index, end) })
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	if err := r.open(); err != nil {
		return nil, err
	}
	err = r.all(ctx)
	r.report.fill(r)
	return &r.report, err
}

func (r *run) open() (err error) {
	if r.journal, err = OpenJournal(filepath.Join(r.Dir, "journal.ndjson")); err != nil {
		return err
	}
	if r.Lab {
		if r.lab, err = lab.Open(); err != nil {
			return err
		}
		r.cluster.Place(r.lab)
		if err := r.smallDisk(); err != nil {
			return err
		}
	}
	r.load.journal = r.journal
	r.rig = newRig(r.cluster, r.lab, r.load.targets, r.journal)
	return nil
}

// close ends the nodes and what they ran in.
func (r *run) close() error {
	if r.rig != nil {
		r.rig.end()
	}
	err := r.cluster.Stop()
	if r.journal != nil {
		err = errors.Join(err, r.journal.Close())
	}
	r.load.targets.close()
	if r.lab != nil {
		r.lab.Close()
	}
	return err
}

func (r *run) smallDisk() error {
	dir := r.cluster.DataDir(smallDisk)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("torture: %w", err)
	}
	return lab.MountSmall(dir, smallDiskBytes)
}

// all starts the nodes and the load, and does the steps of the schedule.
func (r *run) all(ctx context.Context) error {
	for i := range r.Nodes {
		if err := r.rig.start(ctx, i+1); err != nil {
			return err
		}
	}
	rng := rand.New(rand.NewPCG(r.Seed, 1<<32))
	for i := range people {
		if err := r.load.signUp(ctx, rng, fmt.Sprintf("person_%d", i+1)); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r.begun = time.Now()
	r.journal.Begin(r.begun)
	var wait sync.WaitGroup
	defer wait.Wait()
	defer cancel()
	wait.Go(func() { r.load.run(ctx, clients) })
	wait.Go(func() { r.newcomers(ctx, rng) })
	wait.Go(func() { r.lines(ctx) })
	return r.steps(ctx)
}

// steps does the schedule until its end, the end of the time or the first fault.
func (r *run) steps(ctx context.Context) error {
	plan := Plan(PlanConfig{Seed: r.Seed, Nodes: r.Nodes, For: r.For, Lab: r.Lab, Without: r.Without})
	for i, s := range plan {
		late := time.Since(r.begun) > r.For
		if late || i == len(plan)-1 {
			return r.settle(ctx, true)
		}
		if err := r.wait(ctx, s.At); err != nil {
			return err
		}
		if s.Do == settle {
			if err := r.settle(ctx, false); err != nil || !r.report.OK() {
				return err
			}
			continue
		}
		r.say("%v", s)
		if err := r.rig.do(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// wait waits for a time of the schedule, whose clock stands while all settles.
func (r *run) wait(ctx context.Context, at time.Duration) error {
	timer := time.NewTimer(at - (time.Since(r.begun) - r.paused))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// settle ends all faults, holds the load, waits until the cluster has converged
// and judges what it answers.
func (r *run) settle(ctx context.Context, last bool) error {
	begun := time.Now()
	defer func() { r.paused += time.Since(begun) }()
	if err := r.rig.mend(ctx); err != nil {
		return err
	}
	mended := time.Now()
	r.load.gate.shut()
	defer r.load.gate.reopen()
	if err := r.rig.converge(ctx); err != nil {
		return err
	}
	took := time.Since(mended)
	r.report.Settled = append(r.report.Settled, took)
	r.say("settled: %s to end the faults, %s until all owners held the same", mended.Sub(begun).Round(time.Millisecond), took.Round(time.Millisecond))
	return r.judge(ctx, last)
}

func (r *run) judge(ctx context.Context, last bool) error {
	begun := time.Now()
	x := Expect(r.journal.Entries())
	answers, err := r.load.askAll(ctx, x, last)
	if err != nil {
		return err
	}
	v := Judge(x, answers)
	r.report.Verdict, r.report.Excused = v, x.Excused
	r.report.Faults = append(r.load.tally.Faults(), v.Faults...)
	r.report.Ended = r.rig.Ended()
	r.load.forgive(x, answers)
	r.say("compared %d answers in %s: %s", v.Answers, time.Since(begun).Round(time.Millisecond), r.report.outcome())
	return nil
}

// newcomers sign up now and then. A sign-up that no node acknowledges is no fault.
func (r *run) newcomers(ctx context.Context, rng *rand.Rand) {
	tick := time.NewTicker(signUpEvery)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if r.load.gate.enter(ctx) {
			if err := r.load.signUp(ctx, rng, fmt.Sprintf("newcomer_%d", n)); err != nil && ctx.Err() == nil {
				r.say("%v", err)
			}
			r.load.gate.leave()
		}
	}
}

// lines says now and then how things are.
func (r *run) lines(ctx context.Context) {
	tick := time.NewTicker(lineEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		c := r.load.tally.Counts()
		r.say("%d writes acknowledged, %d uncertain, %d reads, %d errors; %s", c.Acknowledged, c.Uncertain, c.Reads, c.total(), r.rig.state())
	}
}

func (r *run) say(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	at := time.Duration(0)
	if !r.begun.IsZero() {
		at = time.Since(r.begun)
	}
	fmt.Fprintf(r.Out, "%8s  %s\n", at.Round(100*time.Millisecond), fmt.Sprintf(format, args...))
}
