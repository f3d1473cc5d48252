package verdict

import (
	"fmt"
	"slices"
	"strings"

	"grapevine/node/client"
)

// A node that does not answer is one problem, whatever comes of it: what other
// nodes say of it, and the copies that it has and others lack, are told under it.

// silent finds the nodes that do not answer.
func (s Sight) silent() (found []client.Finding) {
	for _, v := range s.Nodes {
		if !s.isSilent(v) {
			continue
		}
		f := client.Finding{Follows: append(s.saidOf(v), s.lackedWithout(v)...)}
		if s.Alive(v.Member.ID) {
			f.What = fmt.Sprintf("node %s is alive, but %v", short(v), v.Err)
			f.Do = "look at its log, and at the network from here to it; when its API listens on its own loopback only, ask from there"
		} else {
			f.What = fmt.Sprintf("node %s is down or cut off", place(v.Member))
			f.Do = "start it again with the same --data and secret or, if it runs, mend the network to it; the others keep for it what it misses. If it will never return, `grapevine forget " + short(v) + "`"
		}
		found = append(found, f)
	}
	return found
}

// place names a node, with its address where that is known.
func place(m client.Member) string {
	if m.Gossip == "" {
		return shortID(m.ID)
	}
	return shortID(m.ID) + " at " + m.Gossip
}

// Down words what is missed of a node that is down, for the judgement of those who
// miss it. Of takes it apart again, to tell it under the node's own problem.
func Down(short string, why ...string) string { return downPrefix(short) + strings.Join(why, ", and ") }

func downPrefix(short string) string { return "node " + short + " is down: " }

// explained says whether what a node complains of comes of a finding that is told: it
// misses one that does not answer here either, or that it does not reach.
func (s Sight) explained(by View, p client.HealthProblem) bool {
	return slices.ContainsFunc(s.Nodes, func(v View) bool {
		return strings.HasPrefix(p.What, downPrefix(short(v))) && (s.isSilent(v) || s.misses(by, v))
	})
}

// saidOf gives what the others say of a silent node, with who says it.
func (s Sight) saidOf(silent View) (out []string) {
	by := map[string][]string{}
	var first []string
	for _, v := range s.Nodes {
		for _, p := range v.Health.Problems {
			what, about := strings.CutPrefix(p.What, downPrefix(short(silent)))
			if !about {
				continue
			}
			for part := range strings.SplitSeq(what, ", and ") {
				if by[part] == nil {
					first = append(first, part)
				}
				by[part] = append(by[part], short(v))
			}
		}
	}
	for _, what := range first {
		out = append(out, fmt.Sprintf("%s (seen by %s)", what, strings.Join(by[what], ", ")))
	}
	return out
}

// lackedWithout counts the partitions that lack the copy of a silent node.
func (s Sight) lackedWithout(v View) []string {
	want := min(s.Ring.Copies, s.active())
	var few []int
	for id, owners := range s.Owners {
		if n := s.whole(id); n > 0 && n < want && slices.Contains(owners, v.Member.ID) {
			few = append(few, id)
		}
	}
	if len(few) == 0 {
		return nil
	}
	return []string{fmt.Sprintf("%s lack its copy and have fewer than %s: %s", Count(len(few), "partition"), Count(want, "whole copy"), firstFew(few))}
}
