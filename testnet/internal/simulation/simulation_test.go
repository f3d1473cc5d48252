package simulation_test

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"
	"testing/synctest"

	"grapevine/testnet/internal/simulation"
)

// TestSchedule is the door for runs from outside: it reads a job from standard
// input and writes what came of it to standard output. The host of the simulation
// runs it in a process of its own; without a job it does nothing.
func TestSchedule(t *testing.T) {
	if os.Getenv(simulation.JobVariable) == "" {
		t.Skip("no job")
	}
	var job simulation.Job
	if err := json.NewDecoder(os.Stdin).Decode(&job); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(*testing.T) { job.Run(os.Stdout) })
}

func TestInvariantsHoldUnderAnySchedule(t *testing.T) {
	seeds := uint64(16)
	if testing.Short() {
		seeds = 4
	}
	for seed := range seeds {
		t.Run(fmt.Sprint("seed-", seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				if r := simulation.Run(simulation.NewSchedule(seed), nil, false); r.Failure != nil {
					t.Errorf("%s: %s\nsee it: go run ./testnet simulate -seed %d -trace", r.Failure.Invariant, r.Failure.Detail, seed)
				}
			})
		})
	}
}
