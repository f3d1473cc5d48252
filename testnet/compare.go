package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"time"

	"grapevine/testnet/internal/api"
	"grapevine/testnet/internal/cluster"
	"grapevine/testnet/internal/dataset"
	"grapevine/testnet/internal/naive"
	"grapevine/testnet/internal/progress"
)

func compareFlags(f *flag.FlagSet, o *options) {
	f.IntVar(&o.nodes, "n", 3, "number of nodes")
	f.Var(&o.loads, "load", "begin with the dataset in `DIR`; may be repeated")
	f.IntVar(&o.limit, "limit", 0, "load at most so many posts of a dataset; 0 is all")
	f.IntVar(&o.acts, "acts", 2000, "random acts after that")
	f.Uint64Var(&o.seed, "seed", 1, "draws the acts and the sample")
	f.IntVar(&o.sample, "sample", 100, "ask as so many users, and about so many users and posts")
	f.DurationVar(&o.timeout, "timeout", time.Minute, "longest wait for the last answer to be right")
	f.StringVar(&o.bin, "bin", "", "run this grapevine `program` instead of building one")
}

// newcomers are the users beside those of datasets.
const newcomers = 30

// runCompare makes the same acts on a cluster of its own and on the network in
// memory, kills a node half-way, and compares the answers of all nodes.
func runCompare(ctx context.Context, o *options) (err error) {
	dir, err := os.MkdirTemp("", "grapevine-compare-")
	if err != nil {
		return err
	}
	o.data = dir
	c, err := start(ctx, o, func(int, error) {})
	o.data = "" // a temporary directory, removed at the end
	if c != nil {
		defer func() { err = errors.Join(err, end(o, c)) }()
	}
	if err != nil {
		return err
	}
	s, err := c.State()
	if err != nil {
		return err
	}
	p := naive.NewPlayer(naive.Config{
		Nodes: urls(s.Nodes), HTTP: &http.Client{Timeout: 30 * time.Second},
		Rand: rand.New(rand.NewPCG(o.seed, 1)), Pause: api.Pause,
	})
	if err := o.play(ctx, c, p); err != nil {
		return err
	}
	return o.compare(ctx, p, len(s.Nodes))
}

func (o *options) play(ctx context.Context, c *cluster.Cluster, p *naive.Player) error {
	for _, path := range o.loads {
		sets, err := openData(path, o.limit)
		if err != nil {
			return err
		}
		for _, d := range sets {
			if err := o.playSet(ctx, p, d); err != nil {
				return err
			}
		}
	}
	if err := p.SignUp(ctx, newcomers); err != nil {
		return err
	}
	if err := p.Play(ctx, o.acts/2); err != nil {
		return err
	}
	if o.nodes > 1 {
		s, err := c.State()
		if err != nil {
			return err
		}
		fmt.Fprintln(o.stderr, "killing node 2")
		if err := c.Kill(s.Nodes[1]); err != nil {
			return err
		}
	}
	if err := p.Play(ctx, o.acts/4); err != nil {
		return err
	}
	if o.nodes > 1 {
		if _, err := c.Restart(ctx, 2); err != nil {
			return err
		}
	}
	if err := p.DeleteUsers(ctx, newcomers/10); err != nil {
		return err
	}
	return p.Play(ctx, o.acts-o.acts/2-o.acts/4)
}

func (o *options) playSet(ctx context.Context, p *naive.Player, d *dataset.Dataset) error {
	meter := progress.New(o.stderr, d.Kind, len(d.Users)+len(d.Follows)+len(d.Posts))
	defer meter.Done()
	return p.Load(ctx, d, func() { meter.Add(1) })
}

// compare asks every node until all its answers are right, or for too long.
func (o *options) compare(ctx context.Context, p *naive.Player, nodes int) error {
	total := 0
	for node := range nodes {
		deadline := time.Now().Add(o.timeout)
		for {
			answers, err := p.Compare(ctx, node, naive.Sample{Viewers: o.sample / 10, Users: o.sample, Posts: o.sample})
			if err == nil {
				total += answers
				break
			}
			if time.Now().After(deadline) {
				return err
			}
			if err := api.Pause(ctx, time.Second); err != nil {
				return err
			}
		}
	}
	fmt.Fprintf(o.stdout, "OK: after %d acts, %d of them refused on both sides, all %d answers of %d nodes are those of one program in memory.\n",
		p.Acts, p.Refused, total, nodes)
	return nil
}
