// Package host runs simulations as a function of their schedule.
//
// Natively Go's scheduler, select and maps draw at random, and so a seed repeats
// the faults of a run but not its every interleaving. Compiled to WebAssembly, Go
// has one thread and no preemption, and takes time and randomness from its host:
// given a clock that only counts its readings and a random source with a seed, a
// run is the same to the byte. (Polar Signals, "Mostly deterministic simulation
// testing in Go", 2024.)
package host

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"grapevine/testnet/internal/simulation"
)

// tested is the package whose test binary is the program that runs.
const tested = "grapevine/testnet/internal/simulation"

// Config is what a Host is made of.
type Config struct {
	// Dir holds the compiled program and its machine code; it is made when missing.
	Dir string
	// Mutations builds the program with the deliberate faults of store/replica, of
	// which a run may choose one.
	Mutations bool
	// Native builds for this machine instead: several times as fast, and what a seed
	// does not determine is left to chance.
	Native bool
	// Race builds a native program with the race detector.
	Race bool
}

// Host is the program, ready to run. It is safe for concurrent use.
type Host struct{ program program }

// program runs with some input. Its output says what became of it, an error that
// it could not be run.
type program interface {
	run(ctx context.Context, seed uint64, mutation string, input []byte) (output string, err error)
	close(context.Context) error
}

// New builds the program, which needs go on the PATH and a working directory in
// the repository. Compiled to WebAssembly and on to machine code, that takes
// seconds when it has changed.
func New(ctx context.Context, cfg Config) (*Host, error) {
	path, err := build(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if cfg.Native {
		return &Host{native(path)}, nil
	}
	p, err := compile(ctx, path, filepath.Join(cfg.Dir, "machine-code"))
	if err != nil {
		return nil, fmt.Errorf("simulation: compiling: %w", err)
	}
	return &Host{p}, nil
}

// Close gives the program's memory back.
func (h *Host) Close(ctx context.Context) error { return h.program.close(ctx) }

// build builds the test binary and gives its path.
func build(ctx context.Context, cfg Config) (string, error) {
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return "", fmt.Errorf("simulation: %w", err)
	}
	name, args, env := "simulation", []string{"test", "-c"}, os.Environ()
	if cfg.Mutations {
		name, args = name+"-mutations", append(args, "-tags", "mutation")
	}
	switch {
	case !cfg.Native:
		name, env = name+".wasm", append(env, "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
	case cfg.Race:
		name, args = name+"-race", append(args, "-race")
	}
	path := filepath.Join(cfg.Dir, name)
	cmd := exec.CommandContext(ctx, "go", append(args, "-o", path, tested)...)
	cmd.Env = env
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the simulation, from within the repository: %w\n%s", err, out)
	}
	return path, nil
}

// arguments are those of the test binary.
var arguments = []string{"-test.run=^TestSchedule$", "-test.timeout=0"}

// mutationVariable is the one that store/replica reads.
const mutationVariable = "GRAPEVINE_MUTATION"

// Run does a job, with a mutation unless it is "". It gives the account of it
// beside the result. An error says that the run could not be made.
func (h *Host) Run(ctx context.Context, job simulation.Job, mutation string) (simulation.Result, string, error) {
	input, err := json.Marshal(job)
	if err != nil {
		return simulation.Result{}, "", fmt.Errorf("simulation: %w", err)
	}
	out, err := h.program.run(ctx, job.Schedule.Seed, mutation, input)
	if err != nil {
		return simulation.Result{}, "", fmt.Errorf("simulation: %w", err)
	}
	result, account := read(out)
	return result, account, nil
}

// read finds the result in what a run has written. A run that wrote none came to
// a bad end, which is a failure of its own.
func read(out string) (simulation.Result, string) {
	if account, rest, found := strings.Cut(out, "\n"+simulation.ResultMark); found {
		var result simulation.Result
		line, _, _ := strings.Cut(rest, "\n")
		if json.Unmarshal([]byte(line), &result) == nil {
			if _, after, blocked := strings.Cut(rest, "blocked goroutines remain"); blocked && result.Failure == nil {
				result.Failure = &simulation.Failure{Invariant: simulation.NoGoroutineLeft, Detail: after}
			}
			return result, account
		}
	}
	return simulation.Result{Failure: &simulation.Failure{Invariant: cause(out), Detail: end(out)}}, out
}

// cause names the invariant that a run without a result has broken.
func cause(out string) string {
	switch {
	case strings.Contains(out, "panic: simulation: "+simulation.Terminates):
		return simulation.Terminates
	case strings.Contains(out, "blocked goroutines remain"):
		return simulation.NoGoroutineLeft
	}
	return simulation.NoPanic
}

// end gives the part of a run's output that tells why it ended.
func end(out string) string {
	const most = 4000
	for _, sign := range []string{"panic: ", "fatal error: "} {
		if i := strings.Index(out, sign); i >= 0 {
			return out[i:min(len(out), i+most)]
		}
	}
	return out[max(0, len(out)-most):]
}
