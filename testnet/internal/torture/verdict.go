package torture

import (
	"cmp"
	"fmt"
	"slices"
)

// Answers is what one node said about one user.
type Answers struct {
	Node    int
	User    string            // id
	Known   bool              // there is such a user
	Posts   map[string]string // id to text, all that the node lists
	Follows map[string]bool   // by id
	Home    []string          // ids of the posts of the home timeline
	Read    map[string]bool   // posts asked for one by one: whether there was one
	Stuck   string            // why the user's session is not served, "" when it is
}

// Fault is one thing that a node answered and that must not be.
type Fault struct {
	Kind   string `json:"kind"` // one of the Kinds
	Node   int    `json:"node"` // asked
	User   string `json:"user"`
	Thing  string `json:"thing"` // id of a post or of who is followed
	Detail string `json:"detail"`
}

func (f Fault) String() string {
	return fmt.Sprintf("%s: node %d, @%s, %s: %s", f.Kind, f.Node, f.User, f.Thing, f.Detail)
}

// The kinds of fault.
const (
	Lost        = "lost"        // acknowledged and not there, or not as acknowledged
	Resurrected = "resurrected" // acknowledged as deleted, and there
	Strange     = "strange"     // nobody ever asked for it
	Divided     = "divided"     // nodes that have converged answer differently
	Stuck       = "stuck"       // a session that no node serves any more
	Backwards   = "backwards"   // a session did not read what it had written
	Complaint   = "complaint"   // a node failed at something, and said so
)

// Verdict sums up what the nodes answered beside what the journal says.
type Verdict struct {
	Faults      []Fault
	Posts       int // that the journal tells of
	Follows     int // pairs
	Answers     int // compared
	ExcusedLost int // things that are not as acknowledged, by a permitted loss
	// Twice counts texts that stand in two posts: nodes that could not reach each
	// other were both sent it, under one Idempotency-Key, and none is removed.
	Twice int

	excused, twice map[string]bool
}

// Judge compares all answers with what is expected.
func Judge(x *Expectation, answers []Answers) *Verdict {
	v := &Verdict{excused: map[string]bool{}, twice: map[string]bool{}}
	byUser := map[string][]Answers{}
	for _, a := range answers {
		byUser[a.User] = append(byUser[a.User], a)
	}
	deleted := x.deleted()
	for id, u := range x.Users {
		v.Posts += len(u.Posts)
		v.Follows += len(u.Follows)
		for _, a := range byUser[id] {
			j := judge{v, u, a}
			v.Answers += 1 + len(u.Posts) + len(u.Follows)
			if j.account() {
				j.posts()
				j.follows()
				j.home(deleted)
				j.agrees(byUser[id][0])
			}
		}
	}
	v.ExcusedLost, v.Twice = len(v.excused), len(v.twice)
	slices.SortFunc(v.Faults, func(a, b Fault) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.User, b.User), cmp.Compare(a.Thing, b.Thing), a.Node-b.Node)
	})
	return v
}

// deleted gives the posts that must not be anywhere.
func (x *Expectation) deleted() map[string]bool {
	deleted := map[string]bool{}
	for _, u := range x.Users {
		for id, f := range u.Posts {
			if !f.Stands {
				deleted[id] = true
			}
		}
	}
	return deleted
}

// judge compares what one node says of one user.
type judge struct {
	*Verdict
	user *User
	said Answers
}

func (j judge) fault(kind, thing, detail string, args ...any) {
	j.Faults = append(j.Faults, Fault{
		Kind: kind, Node: j.said.Node, User: j.user.Name, Thing: thing, Detail: fmt.Sprintf(detail, args...),
	})
}

// account says whether there is anything else to compare.
func (j judge) account() bool {
	switch {
	case !j.said.Known && j.user.Excused:
		j.excused[j.user.ID] = true
	case !j.said.Known:
		j.fault(Lost, j.user.ID, "there is no such account")
	case j.said.Stuck != "" && j.user.Loss:
		j.excused[j.user.ID] = true // the session names a write that is lost
	case j.said.Stuck != "":
		j.fault(Stuck, j.user.ID, "%s", j.said.Stuck)
	}
	return j.said.Known
}

func (j judge) posts() {
	for id, f := range j.user.Posts {
		j.post(id, f)
	}
	seen := map[string]bool{}
	for id, text := range j.said.Posts {
		if j.user.Posts[id] == nil && !j.user.Maybe[text] {
			j.fault(Strange, id, "a post that nobody made: %q", text)
		}
		if seen[text] {
			j.twice[text] = true
		}
		seen[text] = true
	}
}

func (j judge) post(id string, f *Fate) {
	text, listed := j.said.Posts[id]
	if read, asked := j.said.Read[id]; asked && read != listed {
		j.fault(Divided, id, "in the list of posts: %t; asked for by itself: %t", listed, read)
	}
	switch {
	case listed && !f.Stands:
		j.fault(Resurrected, id, "the post was deleted and stands")
	case !listed && !f.Gone:
		j.fault(Lost, id, "the post is not there")
	case listed && !slices.Contains(f.Texts, text):
		j.fault(Lost, id, "it says %q; acknowledged or possible is %q", text, f.Texts)
	case f.Excused && (!listed || text != f.Texts[0]):
		j.excused[id] = true
	}
}

func (j judge) follows() {
	for id, f := range j.user.Follows {
		switch following := j.said.Follows[id]; {
		case following && !f.Stands:
			j.fault(Resurrected, id, "follows whom they unfollowed")
		case !following && !f.Gone:
			j.fault(Lost, id, "does not follow whom they followed")
		}
	}
	for id := range j.said.Follows {
		if j.user.Follows[id] == nil {
			j.fault(Strange, id, "follows whom they never asked to")
		}
	}
}

func (j judge) home(deleted map[string]bool) {
	for _, id := range j.said.Home {
		if deleted[id] {
			j.fault(Resurrected, id, "a deleted post is in the home timeline")
		}
	}
}

// agrees compares with another node: where either answer is right, all nodes
// must still give the same.
func (j judge) agrees(other Answers) {
	differ := map[string]bool{}
	compare(differ, j.said.Posts, other.Posts)
	compare(differ, j.said.Follows, other.Follows)
	for thing := range differ {
		j.fault(Divided, thing, "node %d answers otherwise", other.Node)
	}
}

// compare adds the keys under which two maps differ.
func compare[V comparable](differ map[string]bool, a, b map[string]V) {
	for _, pair := range [][2]map[string]V{{a, b}, {b, a}} {
		for k, v := range pair[0] {
			if w, ok := pair[1][k]; !ok || v != w {
				differ[k] = true
			}
		}
	}
}
