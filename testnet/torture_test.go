package main

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"grapevine/testnet/internal/cluster"
)

// tortures runs the verb in its own run directory and gives what it printed.
func (c command) tortures(args ...string) (string, error) {
	b, err := exec.CommandContext(c.t.Context(), c.self, append([]string{"torture", "-bin", c.program, "-keep", c.data}, args...)...).CombinedOutput()
	c.t.Logf("%s", b)
	return string(b), err
}

func TestTortureInjectsFaultsAndJudgesFromTheJournal(t *testing.T) {
	if testing.Short() {
		t.Skip("starts real processes")
	}
	c := build(t)
	out, err := c.tortures("-for", "12s", "-n", "3", "-seed", "2")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"kill", "writes acknowledged", "verdict: OK"} {
		if !strings.Contains(out, want) {
			t.Errorf("the report does not say %q", want)
		}
	}
	journal, err := os.ReadFile(filepath.Join(c.data, "journal.ndjson"))
	if err != nil || !strings.Contains(string(journal), `"act":"settled"`) {
		t.Errorf("the journal does not end settled: %v", err)
	}
}

func TestTortureRefusesADirectoryWithDataAndKindsThatThereAreNot(t *testing.T) {
	t.Parallel()
	out, err := os.CreateTemp(t.TempDir(), "out")
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	dir := filepath.Dir(out.Name())
	for _, line := range []string{"torture -keep " + dir, "torture -without mercy", "torture -n 1", "torture -for 0s", "torture -rate 0"} {
		if code := run(t.Context(), strings.Fields(line), out, out); code != exitFailed {
			t.Errorf("%s: exit %d, want %d", line, code, exitFailed)
		}
	}
}

func TestAnInterruptedTortureLeavesNothingBehind(t *testing.T) {
	if testing.Short() {
		t.Skip("starts real processes")
	}
	c := build(t)
	out := &lines{new: make(chan struct{}, 1)}
	cmd := exec.Command(c.self, "torture", "-bin", c.program, "-keep", c.data, "-n", "2", "-for", "1m")
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	deadline := time.After(time.Minute)
	for !strings.Contains(out.String(), "2s") {
		select {
		case <-out.new:
		case <-deadline:
			t.Fatalf("no fault was injected:\n%s", out)
		}
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != exitFailed {
		t.Errorf("ended with %v:\n%s", err, out)
	}
	if _, err := cluster.Open(c.data); !errors.Is(err, cluster.ErrNotRunning) && !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("something runs still: %v", err)
	}
}
