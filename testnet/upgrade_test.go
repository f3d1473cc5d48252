package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"grapevine/testnet/internal/cluster"
)

func TestARollingUpgradeFromTheEarlierFormatsLosesNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("builds an earlier commit and starts real processes")
	}
	c := build(t)
	b, err := exec.CommandContext(t.Context(), c.self, "upgrade", "-bin", c.program, "-keep", c.data, "-between", "1s").CombinedOutput()
	out := string(b)
	if strings.Contains(out, cluster.ErrNotHere.Error()) {
		t.Skip(out)
	}
	t.Log(out)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"0 of 3 nodes run the later build", "3 of 3 nodes run the later build", "0 were refused", "verdict: OK"} {
		if !strings.Contains(out, want) {
			t.Errorf("it does not say %q", want)
		}
	}
}

func TestAnUpgradeFromACommitThatThereIsNotSaysWhatToDo(t *testing.T) {
	t.Parallel()
	out, err := os.CreateTemp(t.TempDir(), "out")
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	code := run(t.Context(), []string{"upgrade", "-from", "no-such-commit", "-bin", "/bin/true"}, out, out)
	said, err := os.ReadFile(out.Name())
	if err != nil || code != exitFailed || !strings.Contains(string(said), "git fetch --unshallow") {
		t.Errorf("exit %d, %v: %s", code, err, said)
	}
}
