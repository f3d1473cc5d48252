// Package verdict judges a cluster by what its nodes say. It is pure: who gathers
// that, a node for the console or the command for `grapevine status`, gets the same
// sentences for the same ill.
package verdict

import (
	"cmp"
	"fmt"
	"slices"

	"grapevine/node/client"
)

// Sight is what the nodes of a cluster say at about one time.
type Sight struct {
	Ring   client.Ring // as the asked node sees it
	Owners [][]string  // of each partition, the first owner first, as the asked node sees them
	Nodes  []View      // by id
}

// View is what is known of one node: how the asked node sees it and, when it answers,
// how it sees itself and the others.
type View struct {
	Member client.Member // as the asked node sees it
	// Err is why it does not answer, as the end of a sentence that begins with its
	// name; nil when it does.
	Err error
	// Hidden says that it cannot be asked from here, which is no fault of its own.
	Hidden bool

	Health  client.Health
	Cluster string    // whose ring it is in, "" when that is not known
	Digest  string    // of its ring, "" when that is not known
	Sees    []Contact // the other members of the ring
	// Whole says of which partitions it has all that it has to have; nil when it does
	// not tell, as nodes of earlier versions.
	Whole []bool
}

// Contact is how one node sees another member of the ring.
type Contact struct {
	ID        string `json:"id"`
	Alive     bool   `json:"alive,omitempty"`     // it answers the failure detector
	Reachable bool   `json:"reachable,omitempty"` // over streams
}

// Contacts gives how a node sees the others of its ring, from what it lists.
func Contacts(members []client.Member) []Contact {
	out := []Contact{}
	for _, m := range members {
		if !m.Self && Counts(m) {
			out = append(out, Contact{ID: m.ID, Alive: m.Alive, Reachable: m.Reachable})
		}
	}
	return out
}

// Gone is the state in the ring of a node that has left or was forgotten.
const Gone = "gone"

// Counts says whether a node's absence matters.
func Counts(m client.Member) bool { return m.RingState != Gone && m.RingState != "" }

// Of judges a cluster. Its lists are never nil.
func Of(s Sight) client.Verdict {
	v := client.Verdict{Problems: []client.Finding{}, Notes: s.notes(), UnderWay: s.underWay(), WhyNot: s.unspared()}
	v.Problems = append(v.Problems, slices.Concat(s.silent(), s.foreigners(), s.apart(), s.divided(), s.complaints(), s.thin())...)
	for i := range v.Problems {
		v.Problems[i].Severity = cmp.Or(v.Problems[i].Severity, client.HealthDegraded)
	}
	slices.SortStableFunc(v.Problems, func(a, b client.Finding) int { return rank(a) - rank(b) })
	v.Well = len(v.Problems) == 0
	v.SafeToRestartNext = len(v.WhyNot) == 0
	return v
}

// rank puts the worst first.
func rank(f client.Finding) int {
	if f.Severity == client.HealthFailing {
		return 0
	}
	return 1
}

func (s Sight) notes() []string {
	notes := []string{}
	if n := s.active(); n > 0 && n < s.Ring.Copies {
		notes = append(notes, fmt.Sprintf("%s cannot keep %d copies: start more nodes with --join to survive the loss of a disk.", Count(n, "node"), s.Ring.Copies))
	}
	for _, v := range s.Nodes {
		if s.hidden(v) {
			notes = append(notes, fmt.Sprintf("node %s is alive but cannot be asked from here, since %v: ask there too.", short(v), v.Err))
		}
	}
	return notes
}

// short gives the end of a node's id that tells nodes apart.
func short(v View) string { return shortID(v.Member.ID) }

func shortID(id string) string { return id[max(0, len(id)-8):] }

// Alive says whether at least one node has another for alive.
func (s Sight) Alive(id string) bool {
	return slices.ContainsFunc(s.Nodes, func(v View) bool {
		return v.Err == nil && v.Member.ID == id ||
			slices.ContainsFunc(v.Sees, func(c Contact) bool { return c.ID == id && c.Alive })
	})
}

// hidden says whether a node is known to live though it cannot be asked from here.
func (s Sight) hidden(v View) bool { return v.Hidden && Counts(v.Member) && s.Alive(v.Member.ID) }

// IsSilent says whether the verdict has a finding for a node that does not answer.
func (s Sight) IsSilent(id string) bool {
	return slices.ContainsFunc(s.Nodes, func(v View) bool { return v.Member.ID == id && s.isSilent(v) })
}

func (s Sight) isSilent(v View) bool { return v.Err != nil && Counts(v.Member) && !s.hidden(v) }

func (s Sight) answers(id string) bool {
	return slices.ContainsFunc(s.Nodes, func(v View) bool { return v.Member.ID == id && v.Err == nil })
}

// foreign says whether a node that answers is a member of another cluster.
func (s Sight) foreign(v View) bool {
	return v.Err == nil && v.Cluster != "" && s.Ring.Cluster != "" && v.Cluster != s.Ring.Cluster
}

// active counts the nodes that own data.
func (s Sight) active() (n int) {
	for _, m := range s.Ring.Members {
		if m.Weight > 0 && (m.State == "active" || m.State == "leaving") {
			n++
		}
	}
	return n
}
