package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"grapevine/node/client"
)

// judge sums up what the nodes said. It is pure.
func judge(s sight) statusReport {
	r := statusReport{
		Cluster: s.ring.Cluster, Partitions: s.ring.Partitions, Copies: s.ring.Copies,
		Nodes: []nodeStatus{}, Problems: []finding{}, Notes: []string{}, UnderWay: s.underWay(),
	}
	for _, v := range s.nodes {
		r.Nodes = append(r.Nodes, s.statusOf(v))
	}
	// append keeps an empty list one, where slices.Concat makes it null in JSON.
	r.Problems = append(r.Problems, slices.Concat(s.fold(s.silent()), s.foreigners(), s.apart(), s.divided(), s.complaints(), s.thin())...)
	r.Well = len(r.Problems) == 0
	r.WhyNot = s.unspared()
	r.SafeToRestartNext = len(r.WhyNot) == 0
	if n := s.active(); n > 0 && n < s.ring.Copies {
		r.Notes = append(r.Notes, fmt.Sprintf("%s cannot keep %d copies: start more nodes with --join to survive the loss of a disk.", count(n, "node"), s.ring.Copies))
	}
	for _, v := range s.nodes {
		if s.hidden(v) {
			r.Notes = append(r.Notes, fmt.Sprintf("node %s is alive but cannot be asked from here, since %s: ask there too.", short(v.member.ID), v.err))
		}
	}
	return r
}

// hidden says whether a node is known to live though it cannot be asked from here.
func (s sight) hidden(v view) bool {
	return errors.Is(v.err, errHidden) && counts(v.member) && s.statusOf(v).Alive
}

func (s sight) statusOf(v view) nodeStatus {
	n := nodeStatus{
		ID: v.member.ID, HTTP: v.member.HTTP, Answers: v.err == nil,
		State: v.member.RingState, Zone: v.member.Zone,
		Health: v.health.Status, Uptime: v.health.UptimeSeconds, Version: v.health.Version,
		Taking: v.health.Partitions.Coming - v.health.Partitions.ComingCaughtUp, Moved: v.health.Kept.Moved, Hints: v.health.Kept.Hints,
		Log: v.health.Stability.LogEntries, Marks: v.health.Stability.Marks,
	}
	for _, o := range s.nodes {
		for _, m := range o.members {
			n.Alive = n.Alive || m.ID == n.ID && m.Alive
		}
	}
	for _, p := range v.partitions {
		if p.Local {
			n.Owned++
			n.Rows += p.Rows
			if p.CaughtUp {
				n.CaughtUp++
			}
		}
	}
	return n
}

// stateGone is the state in the ring of a node that has left or was forgotten.
const stateGone = "gone"

// counts says whether a node's absence matters.
func counts(m client.Member) bool { return m.RingState != stateGone && m.RingState != "" }

// silent finds the nodes that do not answer.
func (s sight) silent() (found []finding) {
	for _, v := range s.nodes {
		if v.err == nil || !counts(v.member) || s.hidden(v) {
			continue
		}
		if s.statusOf(v).Alive {
			found = append(found, finding{
				What: fmt.Sprintf("node %s is alive, but its API at %s does not answer here: %v", short(v.member.ID), v.member.HTTP, v.err),
				Do:   "look at its log; when its API listens on its own loopback only, ask from there",
			})
			continue
		}
		what := fmt.Sprintf("node %s is down or cut off", place(v.member))
		if !errors.Is(v.err, errHidden) { // or another node has its address now
			what += fmt.Sprintf(": %v", v.err)
		}
		found = append(found, finding{
			What: what,
			Do:   "start it again with the same --data and secret or, if it runs, mend the network to it; the others keep for it what it misses. If it will never return, `grapevine forget " + short(v.member.ID) + "`",
		})
	}
	return found
}

// place names a node, with its address where that is known.
func place(m client.Member) string {
	if m.Gossip == "" {
		return short(m.ID)
	}
	return short(m.ID) + " at " + m.Gossip
}

// apart finds the nodes that answer here but do not reach one another.
func (s sight) apart() (found []finding) {
	for _, from := range s.nodes {
		var missing []string
		for _, m := range from.members {
			if !m.Self && counts(m) && (!m.Alive || !m.Reachable) && s.answers(m.ID) {
				missing = append(missing, short(m.ID))
			}
		}
		if len(missing) > 0 {
			found = append(found, finding{
				What: fmt.Sprintf("node %s does not reach %s", short(from.member.ID), strings.Join(missing, ", ")),
				Do:   "check the network between their --p2p and --gossip addresses (TCP, and UDP for gossip), and that --advertise names a host the others reach",
			})
		}
	}
	return found
}

func (s sight) answers(id string) bool {
	return slices.ContainsFunc(s.nodes, func(v view) bool { return v.member.ID == id && v.err == nil })
}

// foreign says whether a node that answers is a member of another cluster.
func (s sight) foreign(v view) bool {
	return v.err == nil && v.ring.Cluster != "" && s.ring.Cluster != "" && v.ring.Cluster != s.ring.Cluster
}

// foreigners finds nodes that hold the secret, and have begun or joined another
// cluster: --join does not take them over.
func (s sight) foreigners() (found []finding) {
	for _, v := range s.nodes {
		if s.foreign(v) {
			found = append(found, finding{
				What: fmt.Sprintf("node %s at %s is in contact, but is a member of another cluster, %s", short(v.member.ID), v.member.HTTP, v.ring.Cluster),
				Do:   "to have it join this cluster, start it with --join and an empty --data directory: what it holds now is not taken along; else start it without --join, with a secret of its own",
			})
		}
	}
	return found
}

// divided finds nodes with different views of the ring.
func (s sight) divided() []finding {
	sides := map[string][]string{}
	for _, v := range s.nodes {
		if v.err == nil && !s.foreign(v) {
			sides[v.ring.Digest] = append(sides[v.ring.Digest], short(v.member.ID))
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
	return []finding{{
		What: "nodes disagree on who is in the ring: " + strings.Join(parts, " | "),
		Do:   "wait some seconds and look again; when it lasts, mend the network between the sides",
	}}
}

// complaints are what the nodes find themselves, each with all who find it.
func (s sight) complaints() (found []finding) {
	by := map[client.HealthProblem][]string{}
	var first []client.HealthProblem
	for _, v := range s.nodes {
		for _, p := range v.health.Problems {
			if s.explained(p) {
				continue
			}
			if by[p] == nil {
				first = append(first, p)
			}
			by[p] = append(by[p], short(v.member.ID))
		}
	}
	for _, p := range first {
		who := "node"
		if len(by[p]) > 1 {
			who = "nodes"
		}
		found = append(found, finding{What: fmt.Sprintf("%s %s: %s", who, strings.Join(by[p], ", "), p.What), Do: p.Do})
	}
	for _, v := range s.nodes {
		if counts(v.member) && v.err == nil && v.health.Status != client.HealthOK && len(v.health.Problems) == 0 {
			found = append(found, finding{What: fmt.Sprintf("node %s calls itself %s", short(v.member.ID), cmp.Or(v.health.Status, "nothing")), Do: "look at its log"})
		}
	}
	return found
}

// thin finds the partitions with fewer whole copies than they should have.
func (s sight) thin() (found []finding) {
	whole := s.whole()
	want := min(s.ring.Copies, s.active())
	var none, few []int
	for id := range s.ring.Partitions {
		switch n := len(whole[id]); {
		case n == 0:
			none = append(none, id)
		case n < want && !s.lackedBySilent(id, whole[id]):
			few = append(few, id)
		}
	}
	if len(none) > 0 {
		found = append(found, finding{
			What: fmt.Sprintf("no node that answers holds a whole copy of %s: %s", count(len(none), "partition"), firstFew(none)),
			Do:   "bring back the nodes that are down; until then that data cannot be read",
		})
	}
	if len(few) > 0 {
		found = append(found, finding{
			What: fmt.Sprintf("%s with fewer than %s: %s", count(len(few), "partition"), count(want, "whole copy"), firstFew(few)),
			Do:   "bring back the nodes that are down; nodes that are catching up need only time",
		})
	}
	return found
}

// whole gives the owners of each partition that hold all of it, or that live and
// cannot be asked.
func (s sight) whole() map[int]map[string]bool {
	hidden := map[string]bool{}
	for _, v := range s.nodes {
		hidden[v.member.ID] = s.hidden(v)
	}
	out := map[int]map[string]bool{}
	for _, v := range s.nodes {
		if s.foreign(v) {
			continue
		}
		for _, p := range v.partitions {
			if out[p.ID] == nil {
				out[p.ID] = map[string]bool{}
			}
			for _, id := range p.Owners {
				if hidden[id] || id == v.member.ID && p.Local && p.CaughtUp {
					out[p.ID][id] = true
				}
			}
		}
	}
	return out
}

// active counts the nodes that own data.
func (s sight) active() (n int) {
	for _, m := range s.ring.Members {
		if m.Weight > 0 && (m.State == "active" || m.State == "leaving") {
			n++
		}
	}
	return n
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
