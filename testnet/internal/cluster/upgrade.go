package cluster

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// ErrNotHere is returned by BuildCommit where git does not know the commit (there is no
// git, no repository, or a shallow clone of one) or modules that it needs are neither
// in the module cache nor to be fetched.
var ErrNotHere = errors.New("cluster: the commit cannot be built here")

// BuildCommit builds cmd/grapevine as it was at a commit to the absolute path binary.
// The source is taken from the repository that holds the working directory into a
// directory of its own, which is gone afterwards. It gives the commit's full id.
func BuildCommit(ctx context.Context, commit, binary string) (id string, err error) {
	out, err := exec.CommandContext(ctx, "git", "rev-parse", "--verify", "--quiet", commit+"^{commit}").Output()
	if err != nil {
		return "", fmt.Errorf("%w: %s: %w; a whole clone has it: `git fetch --unshallow`", ErrNotHere, commit, err)
	}
	id = strings.TrimSpace(string(out))
	source, err := os.MkdirTemp("", "grapevine-source-")
	if err != nil {
		return "", fmt.Errorf("cluster: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(source)) }()
	if err := checkOut(ctx, id, source); err != nil {
		return "", err
	}
	list := exec.CommandContext(ctx, "go", "list", "-deps", "./cmd/grapevine")
	list.Dir = source
	if out, err := list.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: modules of %s: %w\n%s", ErrNotHere, id, err, out)
	}
	build := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-o", binary, "./cmd/grapevine")
	build.Dir = source
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build cmd/grapevine of %s: %w\n%s", id, err, out)
	}
	return id, nil
}

// checkOut writes the files of a commit to a directory.
func checkOut(ctx context.Context, commit, dir string) error {
	top, err := exec.CommandContext(ctx, "git", "rev-parse", "--show-toplevel").Output()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotHere, err)
	}
	archive := exec.CommandContext(ctx, "git", "archive", "--format=tar", commit)
	archive.Dir = strings.TrimSpace(string(top))
	files, err := archive.Output()
	if err != nil {
		return fmt.Errorf("%w: git archive %s: %w", ErrNotHere, commit, err)
	}
	if err := unpack(bytes.NewReader(files), dir); err != nil {
		return fmt.Errorf("cluster: files of %s: %w", commit, err)
	}
	return nil
}

// unpack writes the regular files of a tar to a directory.
func unpack(r io.Reader, dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	files := tar.NewReader(r)
	for {
		h, err := files.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		b, err := io.ReadAll(files)
		if err == nil {
			err = root.MkdirAll(filepath.Dir(h.Name), 0o700)
		}
		if err == nil {
			err = root.WriteFile(h.Name, b, 0o600)
		}
		if err != nil {
			return err
		}
	}
}

// Use has the nodes that are started from now on run another program.
func (c *Cluster) Use(binary string) error {
	return c.update(func(s *State) error {
		s.Binary = binary
		return nil
	})
}

// End asks a node to stop, as an operator does who restarts it, and waits until it
// has.
func (c *Cluster) End(node Node) error {
	if err := node.Process.terminate(); err != nil {
		return fmt.Errorf("cluster: end node %d: %w", node.Index, err)
	}
	return node.Process.await(2 * stopTimeout)
}

// Log is the file that a node's log goes to, over all its lives.
func (c *Cluster) Log(index int) string { return c.log(index) }
