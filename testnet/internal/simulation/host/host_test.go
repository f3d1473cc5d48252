package host

import (
	"strings"
	"testing"
	"time"

	"grapevine/testnet/internal/simulation"
)

func newHost(t *testing.T, cfg Config) *Host {
	t.Helper()
	if testing.Short() {
		t.Skip("it builds a program")
	}
	cfg.Dir = t.TempDir()
	h, err := New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
	return h
}

func TestARunIsAFunctionOfItsSchedule(t *testing.T) {
	t.Parallel()
	h := newHost(t, Config{})
	for _, seed := range []uint64{5, 6} {
		job := simulation.Job{Schedule: simulation.NewSchedule(seed), Trace: true, Verbose: true}
		_, first, err := h.Run(t.Context(), job, "")
		if err != nil {
			t.Fatal(err)
		}
		_, again, err := h.Run(t.Context(), job, "")
		if err != nil || first != again {
			t.Errorf("seed %d: two accounts of one schedule, of %d and %d bytes, %v", seed, len(first), len(again), err)
		}
		if strings.Count(first, "\n") < len(job.Schedule.Acts) {
			t.Errorf("seed %d: an account of %d lines", seed, strings.Count(first, "\n"))
		}
	}
}

// mutations are the deliberate faults of store/replica, with the seeds within
// which each must be noticed: ten times what is needed on average, for the runs are
// native and leave interleavings to chance.
var mutations = []struct {
	name  string
	seeds uint64
}{
	{"reuse-dot", 20},
	{"drop-hint", 300},
	{"ack-before-fsync", 300},
	{"skip-stability", 300},
	{"snapshot-keeps-absent", 600},
	{"serve-before-caught-up", 1500},
	{"trust-old-disk", 600},
	{"drop-copy-early", 1000},
	{"drop-marks-early", 3000},
}

// quickly is how many seeds a run that has less than an hour may take for one of
// them.
const quickly = 1000

func TestTheSimulationNoticesWhatIsBrokenOnPurpose(t *testing.T) {
	t.Parallel()
	h := newHost(t, Config{Mutations: true, Native: true})
	for _, m := range mutations {
		t.Run(m.name, func(t *testing.T) {
			if deadline, ok := t.Deadline(); ok && m.seeds > quickly && time.Until(deadline) < time.Hour {
				t.Skip("it takes hundreds of seeds: go test -timeout 2h, or testnet simulate -mutation " + m.name)
			}
			for o := range h.Seeds(t.Context(), 0, m.seeds, 2, m.name) {
				if o.Err != nil {
					t.Fatal(o.Err)
				}
				if o.Result.Failure != nil && holds(t, h, o.Seed) {
					t.Logf("seed %d: %s: %s", o.Seed, o.Result.Failure.Invariant, o.Result.Failure.Detail)
					return
				}
			}
			t.Errorf("%d seeds did not notice", m.seeds)
		})
	}
}

// holds says whether a seed fails only because of the mutation.
func holds(t *testing.T, h *Host, seed uint64) bool {
	t.Helper()
	result, _, err := h.Run(t.Context(), simulation.Job{Schedule: simulation.NewSchedule(seed)}, "")
	if err != nil {
		t.Fatal(err)
	}
	return result.Failure == nil
}

func TestABadEndIsAFailureOfItsOwn(t *testing.T) {
	t.Parallel()
	for out, want := range map[string]string{
		"panic: runtime error: index out of range":                                        simulation.NoPanic,
		"panic: simulation: terminates: the run has hung":                                 simulation.Terminates,
		"panic: deadlock: main bubble goroutine has exited but blocked goroutines remain": simulation.NoGoroutineLeft,
		"": simulation.NoPanic,
		"\nresult {}\npanic: deadlock: main bubble goroutine has exited but blocked goroutines remain": simulation.NoGoroutineLeft,
	} {
		if result, _ := read(out); result.Failure == nil || result.Failure.Invariant != want {
			t.Errorf("%q is %+v, want %s", out, result.Failure, want)
		}
	}
	if result, account := read("told\n\nresult {\"writes\":3}\nPASS\n"); result.Failure != nil || result.Writes != 3 || account != "told\n" {
		t.Errorf("%+v, account %q", result, account)
	}
}
