package main

import (
	"context"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"grapevine/node/client"
	"grapevine/testnet/internal/cluster"
)

// named gives the running testnet and the nodes that the arguments name.
func named(o *options) (*cluster.Cluster, []cluster.Node, error) {
	c, err := cluster.Open(o.dir())
	if err != nil {
		return nil, nil, fmt.Errorf("%w; start one with: go run ./testnet", err)
	}
	s, err := c.State()
	if err != nil {
		return nil, nil, err
	}
	var nodes []cluster.Node
	for _, name := range o.args {
		n, err := s.Find(name)
		if err != nil {
			return nil, nil, err
		}
		nodes = append(nodes, n)
	}
	return c, nodes, nil
}

func kill(_ context.Context, o *options) error {
	c, nodes, err := named(o)
	if err != nil {
		return err
	}
	for _, n := range nodes {
		if err := c.Kill(n); err != nil {
			return err
		}
		fmt.Fprintf(o.stdout, "node %d is killed\n", n.Index)
	}
	return nil
}

func restart(ctx context.Context, o *options) error {
	c, nodes, err := named(o)
	if err != nil {
		return err
	}
	for _, n := range nodes {
		n, err := c.Restart(ctx, n.Index)
		if err != nil {
			return err
		}
		fmt.Fprintf(o.stdout, "node %d serves on %s\n", n.Index, n.URL())
	}
	return nil
}

func partition(ctx context.Context, o *options) error {
	groups := o.args[0]
	o.args = nil
	c, _, err := named(o)
	if err != nil {
		return err
	}
	s, err := c.State()
	if err != nil {
		return err
	}
	cut, err := s.ParseGroups(groups)
	if err != nil {
		return err
	}
	if err := c.Partition(ctx, cut); err != nil {
		return err
	}
	fmt.Fprintf(o.stdout, "cut: %s\n", groups)
	return nil
}

func heal(ctx context.Context, o *options) error {
	c, _, err := named(o)
	if err != nil {
		return err
	}
	if err := c.Partition(ctx, nil); err != nil {
		return err
	}
	fmt.Fprintln(o.stdout, "all links are restored")
	return nil
}

func stop(_ context.Context, o *options) error {
	c, _, err := named(o)
	if err != nil {
		return err
	}
	return c.StopSupervisor()
}

// statusTimeout bounds the wait for one node's health.
const statusTimeout = 3 * time.Second

func status(ctx context.Context, o *options) error {
	c, _, err := named(o)
	if err != nil {
		return err
	}
	s, err := c.State()
	if err != nil {
		return err
	}
	t := tabwriter.NewWriter(o.stdout, 0, 0, 3, ' ', 0)
	fmt.Fprintln(t, "NODE\tURL\tPID\tHEALTH\tCUT FROM\tID")
	for _, n := range s.Nodes {
		pid, health := "-", "down"
		if n.Process.Alive() {
			pid, health = fmt.Sprint(n.Process.PID), judgement(ctx, n)
		}
		fmt.Fprintf(t, "%d\t%s\t%s\t%s\t%s\t%s\n", n.Index, n.URL(), pid, health, cutFrom(s, n), n.ID)
	}
	return errors.Join(t.Flush(), ctx.Err())
}

// judgement is the node's own.
func judgement(ctx context.Context, n cluster.Node) string {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	api := client.New(n.URL())
	defer api.Close()
	h, err := api.Health(ctx)
	if err != nil {
		return "no answer"
	}
	return h.Status
}

func cutFrom(s cluster.State, n cluster.Node) string {
	others := s.CutFrom(n.Index)
	if len(others) == 0 {
		return "-"
	}
	return fmt.Sprint(others)
}
