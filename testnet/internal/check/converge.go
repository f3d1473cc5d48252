package check

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"grapevine/node/client"
	"grapevine/testnet/internal/api"
)

// Node is a node to ask.
type Node struct {
	Index int
	ID    string
	URL   string
}

// views holds each node's partitions, by node id.
type views map[string][]client.Partition

// disagreements says, partition by partition, what keeps the owners from being
// one: it is empty when all owners of every partition are caught up and report
// the same digest, and all nodes name the same owners.
func disagreements(v views) []string {
	var out []string
	byID := map[int]map[string]client.Partition{}
	for node, partitions := range v {
		for _, p := range partitions {
			if byID[p.ID] == nil {
				byID[p.ID] = map[string]client.Partition{}
			}
			byID[p.ID][node] = p
		}
	}
	if len(byID) == 0 {
		return []string{"no node lists any partition"}
	}
	for _, id := range slices.Sorted(maps.Keys(byID)) {
		if d := disagreement(byID[id], len(v)); d != "" {
			out = append(out, fmt.Sprintf("partition %d: %s", id, d))
		}
	}
	return out
}

// disagreement says what is wrong with one partition as the nodes see it.
func disagreement(seen map[string]client.Partition, nodes int) string {
	if len(seen) < nodes {
		return fmt.Sprintf("only %d of %d nodes list it", len(seen), nodes)
	}
	var owners []string
	digests := map[string][]string{}
	for _, node := range slices.Sorted(maps.Keys(seen)) {
		named := slices.Sorted(slices.Values(seen[node].Owners))
		if owners == nil {
			owners = named
		}
		if !slices.Equal(owners, named) || len(named) == 0 {
			return "the nodes do not name the same owners"
		}
	}
	for _, owner := range owners {
		p, ok := seen[owner]
		switch {
		case !ok:
			return "owner " + short(owner) + " does not answer"
		case !p.Local || !p.CaughtUp:
			return "owner " + short(owner) + " has not caught up"
		case p.Digest == "":
			return "owner " + short(owner) + " gives no digest"
		}
		digests[p.Digest] = append(digests[p.Digest], short(owner))
	}
	if len(digests) > 1 {
		return fmt.Sprintf("the owners hold %d different states: %v", len(digests), digests)
	}
	return ""
}

func short(id string) string { return id[max(0, len(id)-8):] }

// look asks all nodes for their partitions at once.
func look(ctx context.Context, nodes []Node) (views, error) {
	seen := views{}
	var mu sync.Mutex
	var wait sync.WaitGroup
	var failed error
	for _, n := range nodes {
		wait.Go(func() {
			api := client.New(n.URL)
			defer api.Close()
			partitions, err := api.Partitions(ctx, true)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failed = fmt.Errorf("node %d: %w", n.Index, err)
				return
			}
			seen[n.ID] = partitions
		})
	}
	wait.Wait()
	return seen, failed
}

// converge looks until nothing disagrees or ctx ends, and returns what disagreed
// last and the number of partitions seen. A look makes the nodes read all they
// hold, so they rest as long as it took.
func converge(ctx context.Context, nodes []Node) (partitions int, left []string) {
	for {
		begun := time.Now()
		v, err := look(ctx, nodes)
		if err != nil {
			if ctx.Err() == nil || left == nil {
				left = []string{err.Error()}
			}
		} else {
			left = disagreements(v)
			for _, p := range v {
				partitions = max(partitions, len(p))
			}
		}
		if len(left) == 0 || api.Pause(ctx, max(again, time.Since(begun))) != nil {
			return partitions, left
		}
	}
}
