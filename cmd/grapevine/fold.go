package main

import (
	"fmt"
	"slices"
	"strings"

	"grapevine/node/client"
)

// A node that does not answer is one problem, whatever comes of it: what other
// nodes say of it, and the copies that it has and others lack, are told under it.

// fold tells under each silent node what comes of its silence.
func (s sight) fold(silent []finding) []finding {
	out := slices.Clone(silent)
	at := 0
	for _, v := range s.nodes {
		if !s.isSilent(v) {
			continue
		}
		out[at].Follows = append(s.saidOf(v), s.lackedWithout(v)...)
		at++
	}
	return out
}

// isSilent says whether silent has a finding for a node.
func (s sight) isSilent(v view) bool { return v.err != nil && counts(v.member) && !s.hidden(v) }

// downPrefix begins what a node says of one that it takes for down (node/health.go).
func downPrefix(v view) string { return "node " + short(v.member.ID) + " is down: " }

// explained says whether a complaint is about a node that does not answer here.
func (s sight) explained(p client.HealthProblem) bool {
	return slices.ContainsFunc(s.nodes, func(v view) bool { return s.isSilent(v) && strings.HasPrefix(p.What, downPrefix(v)) })
}

// saidOf gives what the others say of a silent node, with who says it.
func (s sight) saidOf(silent view) (out []string) {
	by := map[string][]string{}
	var first []string
	for _, v := range s.nodes {
		for _, p := range v.health.Problems {
			what, about := strings.CutPrefix(p.What, downPrefix(silent))
			if !about {
				continue
			}
			for part := range strings.SplitSeq(what, ", and ") {
				if by[part] == nil {
					first = append(first, part)
				}
				by[part] = append(by[part], short(v.member.ID))
			}
		}
	}
	for _, what := range first {
		out = append(out, fmt.Sprintf("%s (seen by %s)", what, strings.Join(by[what], ", ")))
	}
	return out
}

// lackedWithout counts the partitions that lack the copy of a silent node.
func (s sight) lackedWithout(v view) []string {
	whole := s.whole()
	want := min(s.ring.Copies, s.active())
	var few []int
	for id := range s.ring.Partitions {
		n := len(whole[id])
		if n > 0 && n < want && slices.Contains(s.ownersOf(id), v.member.ID) {
			few = append(few, id)
		}
	}
	if len(few) == 0 {
		return nil
	}
	return []string{fmt.Sprintf("%s lack its copy and have fewer than %s: %s", count(len(few), "partition"), count(want, "whole copy"), firstFew(few))}
}

// lackedBySilent says whether only nodes that do not answer keep a partition from
// having all its copies.
func (s sight) lackedBySilent(id int, whole map[string]bool) bool {
	owners := s.ownersOf(id)
	return len(owners) > 0 && !slices.ContainsFunc(owners, func(owner string) bool { return !whole[owner] && s.answers(owner) })
}

// ownersOf gives the owners of a partition as the first node that answers sees
// them.
func (s sight) ownersOf(id int) []string {
	for _, v := range s.nodes {
		if s.foreign(v) {
			continue
		}
		for _, p := range v.partitions {
			if p.ID == id {
				return p.Owners
			}
		}
	}
	return nil
}
