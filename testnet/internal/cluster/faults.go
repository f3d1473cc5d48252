package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ParseGroups reads groups of node names such as A,B|C.
func (s State) ParseGroups(text string) ([][]int, error) {
	var groups [][]int
	seen := map[int]bool{}
	for part := range strings.SplitSeq(text, "|") {
		var group []int
		for name := range strings.SplitSeq(part, ",") {
			node, err := s.Find(strings.TrimSpace(name))
			if err != nil {
				return nil, err
			}
			if seen[node.Index] {
				return nil, fmt.Errorf("cluster: %q names node %d twice", text, node.Index)
			}
			seen[node.Index] = true
			group = append(group, node.Index)
		}
		groups = append(groups, group)
	}
	if len(groups) < 2 || len(seen) != len(s.Nodes) {
		return nil, fmt.Errorf("cluster: %q must put each of %d nodes into one of at least two groups, such as 1,2|3", text, len(s.Nodes))
	}
	return groups, nil
}

// CutFrom gives the nodes that a node is cut off from, by index.
func (s State) CutFrom(index int) []int {
	own := slices.IndexFunc(s.Groups, func(g []int) bool { return slices.Contains(g, index) })
	if own < 0 {
		return nil
	}
	return slices.Concat(slices.Delete(slices.Clone(s.Groups), own, own+1)...)
}

func (s State) ids(indices []int) []string {
	out := make([]string, len(indices))
	for i, index := range indices {
		out[i] = s.Nodes[index-1].ID
	}
	return out
}

// Partition cuts all links between groups of nodes, given by index. No groups
// heal all cuts.
func (c *Cluster) Partition(ctx context.Context, groups [][]int) error {
	err := c.update(func(s *State) error {
		s.Groups = groups
		return nil
	})
	return errors.Join(err, c.cut(ctx))
}

// cut tells every living node whom it is cut off from.
func (c *Cluster) cut(ctx context.Context) error {
	s, err := c.State()
	if err != nil {
		return err
	}
	for _, node := range s.Living() {
		api, failed := c.Operator(node)
		if failed != nil {
			return failed
		}
		err = errors.Join(err, api.Block(ctx, s.ids(s.CutFrom(node.Index))...))
		api.Close()
	}
	return err
}
