package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"grapevine/testnet/internal/cluster"
	"grapevine/testnet/internal/torture"
	"grapevine/testnet/internal/torture/lab"
)

// tortureOptions are the flags of the verb torture.
type tortureOptions struct {
	netns   bool
	evil    time.Duration
	without list
	rate    float64
	keepDir string
}

func tortureFlags(f *flag.FlagSet, o *options) {
	f.IntVar(&o.nodes, "n", 5, "number of nodes to begin with")
	f.DurationVar(&o.torture.evil, "for", 10*time.Minute, "how long faults are injected")
	f.Uint64Var(&o.seed, "seed", 1, "draws the schedule of faults")
	f.BoolVar(&o.torture.netns, "netns", false, "give each node a network of its own: adds one-way cuts, loss, delay and a full disk")
	f.Float64Var(&o.torture.rate, "rate", 60, "acts of users a second")
	f.Var(&o.torture.without, "without", "leave out a `kind` of fault; may be repeated: "+strings.Join(torture.Kinds, ", "))
	f.StringVar(&o.torture.keepDir, "keep", "", "run in `DIR` and keep data, logs and journal there")
	f.StringVar(&o.bin, "bin", "", "run this grapevine `program` instead of building one")
}

var errBroken = errors.New("a promise was broken")

// runTorture builds the program, and with -netns starts itself again where it has
// networks and mounts of its own, which end with it.
func runTorture(ctx context.Context, o *options) error {
	if err := o.torture.verify(o); err != nil {
		return err
	}
	dir, temporary, err := o.torture.dir()
	if err != nil {
		return err
	}
	binary, err := o.torture.binary(ctx, o, dir)
	if err == nil {
		if o.torture.netns {
			err = apart(ctx, o, dir, binary)
		} else {
			err = tortureIn(ctx, o, dir, binary)
		}
	}
	if temporary && (err == nil || ctx.Err() != nil) {
		return errors.Join(err, os.RemoveAll(dir))
	}
	if temporary {
		fmt.Fprintf(o.stderr, "data, logs and journal are kept in %s\n", dir)
	}
	return err
}

func (t tortureOptions) verify(o *options) error {
	for _, kind := range t.without {
		if !slices.Contains(torture.Kinds, kind) {
			return fmt.Errorf("-without %q: there are %s", kind, strings.Join(torture.Kinds, ", "))
		}
	}
	if t.evil <= 0 || t.rate <= 0 || o.nodes < 2 {
		return errors.New("-for and -rate must be positive and -n at least 2")
	}
	return nil
}

// dir makes the run directory, and says whether it is to be removed.
func (t tortureOptions) dir() (dir string, temporary bool, err error) {
	if t.keepDir != "" {
		if there, err := os.ReadDir(t.keepDir); err == nil && len(there) > 0 {
			return "", false, fmt.Errorf("-keep %s: it is not empty, and a run begins with empty disks; name another directory", t.keepDir)
		}
		dir, err = filepath.Abs(t.keepDir)
		return dir, false, err
	}
	dir, err = os.MkdirTemp("", "grapevine-torture-")
	return dir, true, err
}

func (t tortureOptions) binary(ctx context.Context, o *options, dir string) (string, error) {
	if o.bin != "" {
		return filepath.Abs(o.bin)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	fmt.Fprintln(o.stderr, "building cmd/grapevine (the first time takes a minute)")
	binary := filepath.Join(dir, "grapevine")
	return binary, cluster.Build(ctx, binary)
}

// apart runs this program again in namespaces of its own. A Ctrl-C at the terminal
// reaches it too; it is given time to end by itself.
func apart(ctx context.Context, o *options, dir, binary string) error {
	args := []string{
		"torture-apart", "-n", strconv.Itoa(o.nodes), "-for", o.torture.evil.String(), "-seed", strconv.FormatUint(o.seed, 10),
		"-rate", strconv.FormatFloat(o.torture.rate, 'g', -1, 64), "-keep", dir, "-bin", binary,
	}
	for _, kind := range o.torture.without {
		args = append(args, "-without", kind)
	}
	cmd, err := lab.Command(ctx, args...)
	if err != nil {
		return err
	}
	cmd.Stdout, cmd.Stderr = o.stdout, o.stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = time.Minute
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("torture in namespaces of its own: %w", err)
	}
	return nil
}

// tortureApart is what apart runs.
func tortureApart(ctx context.Context, o *options) error {
	if err := lab.MountProc(); err != nil {
		return err
	}
	o.torture.netns = true
	return tortureIn(ctx, o, o.torture.keepDir, o.bin)
}

func tortureIn(ctx context.Context, o *options, dir, binary string) error {
	report, err := torture.Run(ctx, torture.Config{
		Seed: o.seed, Nodes: o.nodes, For: o.torture.evil, Without: o.torture.without, Rate: o.torture.rate,
		Dir: dir, Binary: binary, Lab: o.torture.netns, Out: o.stdout,
	})
	if report != nil {
		err = errors.Join(err, report.Print(o.stdout))
		if !report.OK() {
			err = errors.Join(err, errBroken)
		}
	}
	return err
}
