package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"grapevine/testnet/internal/bench"
	"grapevine/testnet/internal/cluster"
)

var errGoals = errors.New("not every goal was met")

// benchNodes is the size of the cluster that bench starts.
const benchNodes = 3

// runBench measures the running testnet, or one of its own.
func runBench(ctx context.Context, o *options) (err error) {
	c, err := cluster.Open(o.dir())
	running := err == nil
	if errors.Is(err, cluster.ErrNotRunning) {
		c, err = benchCluster(ctx, o)
	}
	if c != nil && !running {
		defer func() { err = errors.Join(err, end(o, c)) }()
	}
	if err != nil {
		return err
	}
	report, err := measure(ctx, o, c, running)
	if len(report.Lines) == 0 {
		return err
	}
	if o.output == "json" {
		err = errors.Join(err, json.NewEncoder(o.stdout).Encode(report))
	} else {
		err = errors.Join(err, report.Print(o.stdout))
	}
	if err == nil && !report.Met() {
		err = errGoals
	}
	return err
}

// benchCluster starts nodes in a directory of their own.
func benchCluster(ctx context.Context, o *options) (*cluster.Cluster, error) {
	dir, err := os.MkdirTemp("", "grapevine-bench-")
	if err != nil {
		return nil, err
	}
	o.data, o.nodes = dir, benchNodes
	c, err := start(ctx, o, func(int, error) {})
	o.data = ""
	return c, err
}

func measure(ctx context.Context, o *options, c *cluster.Cluster, running bool) (bench.Report, error) {
	s, err := c.State()
	if err != nil {
		return bench.Report{}, err
	}
	cfg := bench.Config{
		Clients: o.clients, Rounds: o.rounds, Duration: o.duration, Dir: c.Dir(), Floor: []string{"floor"},
		Kill: func(index int) error { return c.Kill(s.Nodes[index-1]) },
		Say:  func(what string) { fmt.Fprintln(o.stderr, what) },
	}
	if running {
		cfg.Revive = func(ctx context.Context, index int) error {
			_, err := c.Restart(ctx, index)
			return err
		}
	}
	for _, n := range s.Living() {
		cfg.Nodes = append(cfg.Nodes, bench.Node{Index: n.Index, ID: n.ID, Addr: n.HTTP, PID: n.Process.PID})
	}
	return bench.Run(ctx, cfg)
}

// floor serves the bench's HTTP floor until its input ends.
func floor(_ context.Context, _ *options) error { return bench.Serve(os.Stdin, os.Stdout) }
