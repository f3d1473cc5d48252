package cluster

import (
	"context"
	"fmt"
	"os/exec"
)

// Build builds cmd/grapevine to the absolute path binary. It needs go on the
// PATH and a working directory in the repository.
func Build(ctx context.Context, binary string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-o", binary, "grapevine/cmd/grapevine")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build cmd/grapevine, from within the repository: %w\n%s", err, out)
	}
	return nil
}
