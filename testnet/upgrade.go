package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"grapevine/testnet/internal/cluster"
	"grapevine/testnet/internal/torture"
)

// earlier is the commit of the last build that spoke and stored other formats than
// this one: it is before store.Mutation.Ends, and knows no family above 39.
const earlier = "9c8957c133c4"

// upgradeOptions are the flags of the verb upgrade.
type upgradeOptions struct {
	from    string
	between time.Duration
}

func upgradeFlags(f *flag.FlagSet, o *options) {
	f.StringVar(&o.upgrade.from, "from", earlier, "build the earlier program from this `commit`")
	f.IntVar(&o.nodes, "n", 3, "number of nodes")
	f.DurationVar(&o.upgrade.between, "between", 10*time.Second, "how long the load goes on with each mix of builds")
	f.Float64Var(&o.torture.rate, "rate", 60, "acts of users a second")
	f.Uint64Var(&o.seed, "seed", 1, "draws what users do")
	f.StringVar(&o.torture.keepDir, "keep", "", "run in `DIR` and keep data, logs and journal there")
	f.StringVar(&o.bin, "bin", "", "run this `program` as the later one instead of building it")
}

// runUpgrade builds both programs and exchanges one for the other.
func runUpgrade(ctx context.Context, o *options) error {
	if o.upgrade.between <= 0 || o.torture.rate <= 0 || o.nodes < 2 {
		return errors.New("-between and -rate must be positive and -n at least 2")
	}
	dir, temporary, err := o.torture.dir()
	if err != nil {
		return err
	}
	err = upgradeIn(ctx, o, dir)
	if temporary && (err == nil || ctx.Err() != nil || errors.Is(err, cluster.ErrNotHere)) {
		return errors.Join(err, os.RemoveAll(dir))
	}
	if temporary {
		fmt.Fprintf(o.stderr, "data, logs and journal are kept in %s\n", dir)
	}
	return err
}

func upgradeIn(ctx context.Context, o *options, dir string) error {
	to, err := o.torture.binary(ctx, o, dir)
	if err != nil {
		return err
	}
	fmt.Fprintf(o.stderr, "building cmd/grapevine of %s\n", o.upgrade.from)
	from := filepath.Join(dir, "grapevine-earlier")
	commit, err := cluster.BuildCommit(ctx, o.upgrade.from, from)
	if err != nil {
		return err
	}
	fmt.Fprintf(o.stdout, "from %s to %s\n", commit, to)
	report, err := torture.Upgrade(ctx, torture.UpgradeConfig{
		Seed: o.seed, Nodes: o.nodes, Between: o.upgrade.between, Rate: o.torture.rate,
		Dir: dir, From: from, To: to, Out: o.stdout,
	})
	if report != nil {
		err = errors.Join(err, report.Print(o.stdout))
		if !report.OK() {
			err = errors.Join(err, errBroken)
		}
	}
	return err
}
