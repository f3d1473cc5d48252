package host

import (
	"context"
	"iter"
	"time"

	"golang.org/x/sync/errgroup"

	"grapevine/testnet/internal/simulation"
)

// Outcome is what came of one seed.
type Outcome struct {
	Seed   uint64
	Result simulation.Result
	Err    error // why it could not be run
}

// Total sums up outcomes.
type Total struct {
	Seeds, Failed int
	Writes        int
	Simulated     time.Duration
}

// Add counts an outcome.
func (t *Total) Add(o Outcome) {
	t.Seeds++
	t.Writes += o.Result.Writes
	t.Simulated += o.Result.Simulated
	if o.Result.Failure != nil {
		t.Failed++
	}
}

// Seeds runs the schedules of n seeds, several at a time, and gives their outcomes
// as they come. It has ended what it began when the loop over it is left.
func (h *Host) Seeds(ctx context.Context, from, n uint64, workers int, mutation string) iter.Seq[Outcome] {
	return func(yield func(Outcome) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		outcomes := make(chan Outcome)
		go func() {
			defer close(outcomes)
			h.runSeeds(ctx, from, n, workers, mutation, outcomes)
		}()
		for o := range outcomes {
			if !yield(o) {
				cancel()
				break
			}
		}
		for range outcomes { // until the last run has ended
		}
	}
}

func (h *Host) runSeeds(ctx context.Context, from, n uint64, workers int, mutation string, outcomes chan<- Outcome) {
	var group errgroup.Group
	group.SetLimit(workers)
	for i := range n {
		if ctx.Err() != nil {
			break
		}
		group.Go(func() error {
			seed := from + i
			result, _, err := h.Run(ctx, simulation.Job{Schedule: simulation.NewSchedule(seed)}, mutation)
			select {
			case outcomes <- Outcome{seed, result, err}:
			case <-ctx.Done():
			}
			return nil
		})
	}
	_ = group.Wait() // errors are in the outcomes
}
