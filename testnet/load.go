package main

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"grapevine/testnet/internal/api"
	"grapevine/testnet/internal/cluster"
	"grapevine/testnet/internal/dataset"
	"grapevine/testnet/internal/load"
	"grapevine/testnet/internal/progress"
	"grapevine/testnet/internal/sample"
	"grapevine/testnet/internal/stats"
)

// loadMore loads datasets into a running testnet.
func loadMore(ctx context.Context, o *options) error {
	paths := o.args
	o.args = nil
	c, _, err := named(o)
	if err != nil {
		return err
	}
	return loadPaths(ctx, o, c, paths)
}

func loadPaths(ctx context.Context, o *options, c *cluster.Cluster, paths []string) error {
	for _, path := range paths {
		sets, err := openData(path, o.limit)
		if err != nil {
			return err
		}
		for _, d := range sets {
			if err := loadInto(ctx, o, c, d); err != nil {
				return err
			}
		}
	}
	return nil
}

// openData reads a dataset whose people get no name of the sample's.
func openData(path string, limit int) ([]*dataset.Dataset, error) {
	village, err := sample.Load()
	if err != nil {
		return nil, err
	}
	return dataset.Open(path, limit, sample.Reserved(village))
}

// loadInto loads one dataset, or what is left of it.
func loadInto(ctx context.Context, o *options, c *cluster.Cluster, d *dataset.Dataset) error {
	s, err := c.State()
	if err != nil {
		return err
	}
	journal, err := load.OpenJournal(c.Dir(), d)
	if err != nil {
		return err
	}
	defer journal.Close()
	pool := api.NewPool(urls(s.Living()), o.workers)
	defer pool.Close()
	phases, err := load.Run(ctx, load.Config{
		Pool: pool, Journal: journal, Data: d, Workers: o.workers,
		Meter: func(what string, total int) load.Meter { return progress.New(o.stderr, what, total) },
	})
	printPhases(o, d, phases)
	if err != nil {
		return fmt.Errorf("%w\nThe same command continues where this one ended", err)
	}
	return nil
}

func printPhases(o *options, d *dataset.Dataset, phases []load.Phase) {
	t := tabwriter.NewWriter(o.stdout, 0, 0, 3, ' ', 0)
	fmt.Fprintf(t, "%s\tdone\tbefore\trefused\ttook\tper second\tp50\tp90\tp99\tmax\n", d.Kind)
	for _, p := range phases {
		l := p.Latency
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t%s\t%.0f\t%s\t%s\t%s\t%s\n", p.What, p.Done, p.Before, p.Refused,
			p.Took.Round(time.Millisecond), p.PerSecond(),
			stats.Short(l.P50), stats.Short(l.P90), stats.Short(l.P99), stats.Short(l.Max))
	}
	// Nothing better can be done about a report that cannot be printed.
	_ = t.Flush()
}

func urls(nodes []cluster.Node) []string {
	out := make([]string, len(nodes))
	for i, n := range nodes {
		out[i] = n.URL()
	}
	return out
}
