package verdict

import (
	"fmt"
	"slices"
	"strings"

	"grapevine/node/client"
)

// What keeps nodes that answer here from reaching one another is one problem: of the
// cluster when it falls apart into sides, else of the link between two.

// mend is what to do about it.
const mend = "check the network between their --p2p and --gossip addresses (TCP, and UDP for gossip), and that --advertise names a host the others reach"

// apart finds the nodes that answer here but do not reach one another.
func (s Sight) apart() (found []client.Finding) {
	if sides := s.sides(); len(sides) > 1 {
		var names []string
		for _, side := range sides {
			names = append(names, strings.Join(side, " "))
		}
		return []client.Finding{{
			Severity: client.HealthFailing, Do: mend, Follows: s.takenForDown(s.Nodes, s.Nodes),
			What: "the nodes fall apart into sides that do not reach one another: " + strings.Join(names, " | "),
		}}
	}
	for i, a := range s.Nodes {
		for _, b := range s.Nodes[i+1:] {
			if what := s.parted(a, b); what != "" {
				pair := []View{a, b}
				found = append(found, client.Finding{What: what, Do: mend, Follows: s.takenForDown(pair, pair)})
			}
		}
	}
	return found
}

// misses says whether a node that answers here does not reach another that does.
func (s Sight) misses(from, to View) bool {
	return from.Err == nil && to.Err == nil && slices.ContainsFunc(from.Sees, func(c Contact) bool {
		return c.ID == to.Member.ID && (!c.Alive || !c.Reachable)
	})
}

// Apart says whether the verdict has a finding for the link between two nodes.
func (s Sight) Apart(a, b string) bool {
	return slices.ContainsFunc(s.Nodes, func(v View) bool {
		return v.Member.ID == a && slices.ContainsFunc(s.Nodes, func(w View) bool {
			return w.Member.ID == b && (s.misses(v, w) || s.misses(w, v))
		})
	})
}

// parted words how two nodes do not reach one another, "" when they do.
func (s Sight) parted(a, b View) string {
	switch there, back := s.misses(a, b), s.misses(b, a); {
	case there && back:
		return fmt.Sprintf("nodes %s and %s do not reach one another", short(a), short(b))
	case there:
		return fmt.Sprintf("node %s does not reach node %s, which reaches it", short(a), short(b))
	case back:
		return fmt.Sprintf("node %s does not reach node %s, which reaches it", short(b), short(a))
	}
	return ""
}

// sides groups the members that answer here by whether a way leads from one to the
// other, through others if need be.
func (s Sight) sides() (sides [][]string) {
	var left []View
	for _, v := range s.Nodes {
		if v.Err == nil && Counts(v.Member) && !s.foreign(v) {
			left = append(left, v)
		}
	}
	for len(left) > 0 {
		side := left[:1:1]
		left = left[1:]
		for at := 0; at < len(side); at++ {
			for i := len(left) - 1; i >= 0; i-- {
				if s.parted(side[at], left[i]) == "" {
					side = append(side, left[i])
					left = slices.Delete(slices.Clone(left), i, i+1)
				}
			}
		}
		var names []string
		for _, v := range side {
			names = append(names, short(v))
		}
		slices.Sort(names)
		sides = append(sides, names)
	}
	return sides
}

// takenForDown tells what nodes say of others that answer here and that they do not
// reach.
func (s Sight) takenForDown(by, of []View) (out []string) {
	for _, v := range by {
		for _, p := range v.Health.Problems {
			for _, o := range of {
				if what, about := strings.CutPrefix(p.What, downPrefix(short(o))); about && s.misses(v, o) {
					out = append(out, fmt.Sprintf("node %s takes %s for down: %s", short(v), short(o), what))
				}
			}
		}
	}
	return out
}
