package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"grapevine/testnet/internal/simulation"
	"grapevine/testnet/internal/simulation/host"
)

// simulateOptions are the flags of simulate.
type simulateOptions struct {
	seeds    uint64
	from     uint64
	seed     int64 // negative for none
	trace    bool
	verbose  bool
	mutation string
	shrink   int
	schedule string
	native   bool
	race     bool
}

func simulateFlags(f *flag.FlagSet, o *options) {
	s := &o.simulate
	f.Uint64Var(&s.seeds, "seeds", 100, "number of seeds to run")
	f.Uint64Var(&s.from, "from", 0, "the first seed")
	f.Int64Var(&s.seed, "seed", -1, "run this seed alone")
	f.BoolVar(&s.trace, "trace", false, "print the account of the run of -seed")
	f.BoolVar(&s.verbose, "verbose", false, "with the logs of the nodes")
	f.StringVar(&s.mutation, "mutation", "", "break the protocol on purpose: a `NAME` of store/replica/mutations.go")
	f.IntVar(&s.shrink, "shrink", 400, "runs that may be made to shrink a failure")
	f.StringVar(&s.schedule, "schedule", "", "run the schedule in `FILE`, as written for a failure")
	f.BoolVar(&s.native, "native", false, "run faster, and leave interleavings to chance: a failure may not come again")
	f.BoolVar(&s.race, "race", false, "run natively with the race detector")
}

// errInvariant is returned when a seed broke an invariant.
var errInvariant = errors.New("an invariant does not hold")

func runSimulate(ctx context.Context, o *options) error {
	s := &o.simulate
	cache, err := os.UserCacheDir()
	if err != nil {
		return fmt.Errorf("where to keep the compiled simulation: %w", err)
	}
	began := time.Now()
	h, err := host.New(ctx, host.Config{
		Dir: filepath.Join(cache, "grapevine-simulation"), Mutations: s.mutation != "",
		Native: s.native || s.race, Race: s.race,
	})
	if err != nil {
		return err
	}
	defer h.Close(context.WithoutCancel(ctx))
	fmt.Fprintf(o.stderr, "built in %v\n", time.Since(began).Round(100*time.Millisecond))
	if s.schedule != "" {
		schedule, err := simulation.ReadSchedule(s.schedule)
		if err != nil {
			return err
		}
		return o.simulateOne(ctx, h, schedule)
	}
	if s.seed >= 0 {
		return o.simulateOne(ctx, h, simulation.NewSchedule(uint64(s.seed)))
	}
	return o.simulateMany(ctx, h)
}

func (o *options) simulateOne(ctx context.Context, h *host.Host, schedule simulation.Schedule) error {
	s := &o.simulate
	job := simulation.Job{Schedule: schedule, Trace: s.trace, Verbose: s.verbose}
	result, account, err := h.Run(ctx, job, s.mutation)
	if err != nil {
		return err
	}
	fmt.Fprint(o.stdout, account)
	if result.Failure == nil {
		fmt.Fprintf(o.stdout, "seed %d: all invariants hold; %d writes in %v\n", schedule.Seed, result.Writes, result.Simulated.Round(time.Second))
		return nil
	}
	if s.trace {
		return fmt.Errorf("seed %d: %w: %s: %s", schedule.Seed, errInvariant, result.Failure.Invariant, result.Failure.Detail)
	}
	return o.explain(ctx, h, schedule, result.Failure)
}

func (o *options) simulateMany(ctx context.Context, h *host.Host) error {
	s := &o.simulate
	began := time.Now()
	var total host.Total
	var failed *host.Outcome
	for outcome := range h.Seeds(ctx, s.from, s.seeds, runtime.GOMAXPROCS(0), s.mutation) {
		if outcome.Err != nil {
			return outcome.Err
		}
		total.Add(outcome)
		if f := outcome.Result.Failure; f != nil {
			fmt.Fprintf(o.stdout, "seed %d: %s: %s\n", outcome.Seed, f.Invariant, f.Detail)
			if failed == nil {
				failed = &outcome
			}
		}
	}
	took := time.Since(began)
	fmt.Fprintf(o.stdout, "%d seeds, %d failed; %.1f simulated hours, %d writes; %.0f seeds a minute\n",
		total.Seeds, total.Failed, total.Simulated.Hours(), total.Writes, float64(total.Seeds)/took.Minutes())
	if failed == nil {
		return ctx.Err()
	}
	return o.explain(ctx, h, simulation.NewSchedule(failed.Seed), failed.Result.Failure)
}

// explain shrinks a schedule that failed and prints the account of what is left.
func (o *options) explain(ctx context.Context, h *host.Host, schedule simulation.Schedule, f *simulation.Failure) error {
	s := &o.simulate
	fmt.Fprintf(o.stdout, "seed %d: %s: %s\n", schedule.Seed, f.Invariant, f.Detail)
	small := simulation.Shrink(schedule, s.shrink, func(c simulation.Schedule) bool {
		result, _, err := h.Run(ctx, simulation.Job{Schedule: c}, s.mutation)
		return err == nil && result.Failure != nil && result.Failure.Invariant == f.Invariant
	})
	fmt.Fprintf(o.stdout, "shrunk from %d acts to %d, on %d nodes:\n", len(schedule.Acts), len(small.Acts), small.Nodes)
	_, account, err := h.Run(ctx, simulation.Job{Schedule: small, Trace: true, Verbose: s.verbose}, s.mutation)
	if err != nil {
		return err
	}
	fmt.Fprint(o.stdout, account)
	file := filepath.Join(os.TempDir(), fmt.Sprintf("grapevine-seed-%d.json", schedule.Seed))
	if err := small.Write(file); err != nil {
		return err
	}
	fmt.Fprintf(o.stdout, "again: go run ./testnet simulate -trace -schedule %s\n", file)
	return fmt.Errorf("seed %d: %w: %s", schedule.Seed, errInvariant, f.Invariant)
}
