package verdict

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"grapevine/node/client"
)

// foreigners finds nodes that hold the secret, and have begun or joined another
// cluster: --join does not take them over.
func (s Sight) foreigners() (found []client.Finding) {
	for _, v := range s.Nodes {
		if s.foreign(v) {
			found = append(found, client.Finding{
				What: fmt.Sprintf("node %s at %s is in contact, but is a member of another cluster, %s", short(v), v.Member.HTTP, v.Cluster),
				Do:   "to have it join this cluster, start it with --join and an empty --data directory: what it holds now is not taken along; else start it without --join, with a secret of its own",
			})
		}
	}
	return found
}

// divided finds nodes with different views of the ring.
func (s Sight) divided() []client.Finding {
	sides := map[string][]string{}
	for _, v := range s.Nodes {
		if v.Err == nil && v.Digest != "" && !s.foreign(v) {
			sides[v.Digest] = append(sides[v.Digest], short(v))
		}
	}
	if len(sides) < 2 {
		return nil
	}
	var parts []string
	for _, ids := range sides {
		parts = append(parts, strings.Join(ids, " "))
	}
	slices.Sort(parts)
	return []client.Finding{{
		What: "nodes disagree on who is in the ring: " + strings.Join(parts, " | "),
		Do:   "wait some seconds and look again; when it lasts, mend the network between the sides",
	}}
}

// complaints are what the nodes find themselves, each with all who find it.
func (s Sight) complaints() (found []client.Finding) {
	by := map[client.HealthProblem][]string{}
	var first []client.HealthProblem
	for _, v := range s.Nodes {
		for _, p := range v.Health.Problems {
			if s.explained(v, p) {
				continue
			}
			if by[p] == nil {
				first = append(first, p)
			}
			by[p] = append(by[p], short(v))
		}
	}
	for _, p := range first {
		who := "node"
		if len(by[p]) > 1 {
			who = "nodes"
		}
		found = append(found, client.Finding{
			Severity: p.Severity, What: fmt.Sprintf("%s %s: %s", who, strings.Join(by[p], ", "), p.What), Do: p.Do,
		})
	}
	for _, v := range s.Nodes {
		if Counts(v.Member) && v.Err == nil && v.Health.Status != client.HealthOK && len(v.Health.Problems) == 0 {
			found = append(found, client.Finding{What: fmt.Sprintf("node %s calls itself %s", short(v), cmp.Or(v.Health.Status, "nothing")), Do: "look at its log"})
		}
	}
	return found
}

// thin finds the partitions with fewer whole copies than they should have.
func (s Sight) thin() (found []client.Finding) {
	want := min(s.Ring.Copies, s.active())
	var none, few []int
	for id, owners := range s.Owners {
		switch n := s.whole(id); {
		case n == 0:
			none = append(none, id)
		case n < want && !s.lackedBySilent(id, owners):
			few = append(few, id)
		}
	}
	if len(none) > 0 {
		found = append(found, client.Finding{
			Severity: client.HealthFailing,
			What:     fmt.Sprintf("no node that answers holds a whole copy of %s: %s", Count(len(none), "partition"), firstFew(none)),
			Do:       "bring back the nodes that are down; until then that data cannot be read",
		})
	}
	if len(few) > 0 {
		found = append(found, client.Finding{
			What: fmt.Sprintf("%s with fewer than %s: %s", Count(len(few), "partition"), Count(want, "whole copy"), firstFew(few)),
			Do:   "bring back the nodes that are down; nodes that are catching up need only time",
		})
	}
	return found
}

// whole counts the owners of a partition that hold all of it, or are taken to.
func (s Sight) whole(partition int) (n int) {
	for _, owner := range s.Owners[partition] {
		if s.holds(owner, partition) {
			n++
		}
	}
	return n
}

// holds says whether a node has all of a partition. One that lives and cannot be
// asked, or does not tell, is taken to.
func (s Sight) holds(id string, partition int) bool {
	return slices.ContainsFunc(s.Nodes, func(v View) bool {
		switch {
		case v.Member.ID != id || s.foreign(v):
			return false
		case v.Err != nil:
			return s.hidden(v)
		}
		return v.Whole == nil || partition < len(v.Whole) && v.Whole[partition]
	})
}

// lackedBySilent says whether only nodes that do not answer keep a partition from
// having all its copies.
func (s Sight) lackedBySilent(partition int, owners []string) bool {
	return len(owners) > 0 && !slices.ContainsFunc(owners, func(owner string) bool {
		return !s.holds(owner, partition) && s.answers(owner)
	})
}

func firstFew(ids []int) string {
	const few = 8
	shown := make([]string, 0, few)
	for _, id := range ids[:min(few, len(ids))] {
		shown = append(shown, fmt.Sprint(id))
	}
	if len(ids) > few {
		return strings.Join(shown, ", ") + ", …"
	}
	return strings.Join(shown, ", ")
}
