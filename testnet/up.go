package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"grapevine/testnet/internal/cluster"
	"grapevine/testnet/internal/sample"
)

// up runs a testnet until ctx ends.
func up(ctx context.Context, o *options) (err error) {
	var stopping atomic.Bool
	c, err := start(ctx, o, func(index int, end error) {
		if end != nil || !stopping.Load() {
			fmt.Fprintf(o.stderr, "node %d ended: %v (its log: %s)\n", index, end, filepath.Join(o.dir(), fmt.Sprintf("node%d.log", index)))
		}
	})
	if errors.Is(err, cluster.ErrLiving) {
		return fmt.Errorf("%w; end it with: testnet stop, or choose another -data DIR", err)
	}
	if c == nil {
		return err
	}
	defer func() {
		stopping.Store(true)
		err = errors.Join(err, end(o, c))
	}()
	if err == nil {
		err = serve(ctx, o, c)
	}
	if ctx.Err() != nil {
		fmt.Fprintln(o.stderr, "\nstopping")
		return nil
	}
	return err
}

// start builds the program and starts the nodes. The cluster it returns, if any,
// must be ended even after an error.
func start(ctx context.Context, o *options, exited func(int, error)) (*cluster.Cluster, error) {
	binary := o.bin
	if binary == "" {
		binary = filepath.Join(o.dir(), "grapevine")
	}
	binary, err := filepath.Abs(binary)
	if err != nil {
		return nil, err
	}
	c, err := cluster.Create(o.dir(), binary, exited)
	if err != nil {
		return nil, err
	}
	if o.bin == "" {
		begun := time.Now()
		fmt.Fprintln(o.stderr, "building cmd/grapevine (the first time takes a minute)")
		if err := cluster.Build(ctx, binary); err != nil {
			return c, err
		}
		fmt.Fprintf(o.stderr, "built in %s\n", time.Since(begun).Round(100*time.Millisecond))
	}
	return c, c.Start(ctx, o.nodes, func(n cluster.Node) {
		fmt.Fprintf(o.stderr, "node %d serves on %s\n", n.Index, n.URL())
	})
}

// serve loads the data, says what there is, and waits for the end of ctx.
func serve(ctx context.Context, o *options, c *cluster.Cluster) error {
	village, err := sample.Load()
	if err != nil {
		return err
	}
	if err := loadInto(ctx, o, c, village); err != nil {
		return err
	}
	if err := loadPaths(ctx, o, c, o.loads); err != nil {
		return err
	}
	if err := welcome(o, c); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// end stops the nodes and removes what is temporary.
func end(o *options, c *cluster.Cluster) error {
	err := c.Stop()
	if o.data == "" && !o.keep && err == nil {
		return os.RemoveAll(c.Dir())
	}
	return err
}

// welcome prints the nodes and how to talk to them.
func welcome(o *options, c *cluster.Cluster) error {
	s, err := c.State()
	if err != nil {
		return err
	}
	fmt.Fprintln(o.stdout)
	t := tabwriter.NewWriter(o.stdout, 0, 0, 3, ' ', 0)
	fmt.Fprintln(t, "NODE\tURL\tID\tPID")
	for _, n := range s.Nodes {
		fmt.Fprintf(t, "%d\t%s\t%s\t%d\n", n.Index, n.URL(), n.ID, n.Process.PID)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	url := func(i int) string { return s.Nodes[i%len(s.Nodes)].URL() }
	fmt.Fprintf(o.stdout, `
Log in as %[1]s with the password %[2]s. Any node does:

  TOKEN=$(curl -s --json '{"username":"%[1]s","password":"%[2]s"}' %[3]s/v1/sessions | sed 's/.*"token":"\([^"]*\)".*/\1/')
  curl -s -H "Authorization: Bearer $TOKEN" '%[4]s/v1/timelines/home?limit=3'
  curl -s -H "Authorization: Bearer $TOKEN" --json '{"text":"Pass it on."}' %[5]s/v1/posts

Data and logs are in %[6]s.
In another terminal: go run ./testnet VERB%[7]s, where VERB is
status, kill 2, restart 2, partition '1,2|3', heal, check or load DIR.
Ctrl-C ends it.
`, sample.Visitor, "testnet-"+sample.Kind+"-"+sample.Visitor, url(0), url(1), url(2), c.Dir(), dataHint(o))
	return nil
}

// dataHint says which flag the other verbs need to find this testnet.
func dataHint(o *options) string {
	if o.data == "" {
		return ""
	}
	return " -data " + o.data
}
