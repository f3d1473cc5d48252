package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"grapevine/testnet/internal/check"
	"grapevine/testnet/internal/cluster"
	"grapevine/testnet/internal/dataset"
	"grapevine/testnet/internal/load"
	"grapevine/testnet/internal/progress"
	"grapevine/testnet/internal/sample"
)

var errVerdict = errors.New("the check failed")

func runCheck(ctx context.Context, o *options) error {
	c, _, err := named(o)
	if err != nil {
		return err
	}
	nodes, err := allNodes(c)
	if err != nil {
		return err
	}
	model, err := loaded(c.Dir())
	if err != nil {
		return err
	}
	report, err := check.Run(ctx, check.Config{
		Nodes: nodes, Model: model, Sample: o.sample, Seed: o.seed, Timeout: o.timeout, Workers: o.workers,
		Progress: func(total int) (func(int), func()) {
			m := progress.New(o.stderr, "answers", total)
			return m.Add, m.Done
		},
		Waiting: func(wrong int) {
			fmt.Fprintf(o.stderr, "%d are not right yet; asking again for up to %s\n", wrong, o.timeout)
		},
	})
	if err != nil {
		return err
	}
	if o.output == "json" {
		err = json.NewEncoder(o.stdout).Encode(report)
	} else {
		report.Print(o.stdout)
	}
	if !report.OK() {
		err = errors.Join(errVerdict, err)
	}
	return err
}

// allNodes gives the nodes, all of which must run for a check to mean anything.
func allNodes(c *cluster.Cluster) ([]check.Node, error) {
	s, err := c.State()
	if err != nil {
		return nil, err
	}
	var nodes []check.Node
	for _, n := range s.Nodes {
		if !n.Process.Alive() {
			return nil, fmt.Errorf("node %d is down, so its copies cannot be compared; start it with: testnet restart %d", n.Index, n.Index)
		}
		nodes = append(nodes, check.Node{Index: n.Index, ID: n.ID, URL: n.URL()})
	}
	return nodes, nil
}

// loaded builds the model of all that was loaded into the testnet of a run
// directory.
func loaded(dir string) (*check.Model, error) {
	kinds, err := load.Kinds(dir)
	if err != nil {
		return nil, err
	}
	var loads []check.Load
	for _, kind := range kinds {
		done, ok, err := load.ReadJournal(dir, kind)
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		data, err := reopen(done.Header)
		if err != nil {
			return nil, err
		}
		loads = append(loads, check.Load{Data: data, Done: done})
	}
	return check.NewModel(loads, func(kind, username string) bool {
		return kind == sample.Kind && username == sample.Visitor
	})
}

// reopen reads the dataset of a journal again.
func reopen(head load.Header) (*dataset.Dataset, error) {
	if head.Kind == sample.Kind {
		return sample.Load()
	}
	sets, err := openData(head.Source, head.Limit)
	if err != nil {
		return nil, err
	}
	return sets[0], nil
}
