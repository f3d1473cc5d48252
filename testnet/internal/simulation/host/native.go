package host

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"

	"grapevine/testnet/internal/simulation"
)

// native is the path of a program for this machine.
type native string

func (native) close(context.Context) error { return nil }

func (n native) run(ctx context.Context, _ uint64, mutation string, input []byte) (string, error) {
	cmd := exec.CommandContext(ctx, string(n), arguments...)
	cmd.Env = append(os.Environ(), simulation.JobVariable+"=1", mutationVariable+"="+mutation, "GOMAXPROCS=1")
	cmd.Stdin = bytes.NewReader(input)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError // says no more than the output does
	if err != nil && (!errors.As(err, &exit) || ctx.Err() != nil) {
		return "", err
	}
	return string(out), nil
}
