package verdict

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"grapevine/node/client"
)

var errHidden = errors.New("its API listens on the loopback of its own machine")

// cluster makes the sight of a cluster of n nodes in which all is well: n
// partitions that everybody owns.
func cluster(n int) Sight {
	ids := []string{"node-a", "node-b", "node-c"}[:n]
	s := Sight{Ring: client.Ring{Cluster: "c", Partitions: n, Copies: 3, Digest: "d"}}
	for _, id := range ids {
		s.Ring.Members = append(s.Ring.Members, client.RingMember{ID: id, State: "active", Weight: 100})
		s.Owners = append(s.Owners, ids)
	}
	for _, id := range ids {
		v := View{Member: client.Member{ID: id, RingState: "active", Alive: true, Reachable: true}, Cluster: "c", Digest: "d"}
		v.Health.Status = client.HealthOK
		v.Health.Readiness = client.Readiness{Ready: true, SafeToRestartNext: true}
		for _, other := range ids {
			v.Whole = append(v.Whole, true)
			if other != id {
				v.Sees = append(v.Sees, Contact{ID: other, Alive: true, Reachable: true})
			}
		}
		s.Nodes = append(s.Nodes, v)
	}
	return s
}

// silence has a node answer nobody, and the others have it for dead.
func (s Sight) silence(node int) {
	s.Nodes[node] = View{Member: s.Nodes[node].Member, Err: errors.New("refused")}
	s.bury(node)
}

func (s Sight) bury(node int) {
	for _, v := range s.Nodes {
		for i := range v.Sees {
			if v.Sees[i].ID == s.Nodes[node].Member.ID {
				v.Sees[i].Alive = false
			}
		}
	}
}

func TestAWholeClusterIsWell(t *testing.T) {
	t.Parallel()
	r := Of(cluster(3))
	if !r.Well || len(r.Problems) != 0 || len(r.Notes) != 0 {
		t.Errorf("got %+v", r)
	}
	if !r.SafeToRestartNext || len(r.UnderWay) != 0 {
		t.Errorf("got %+v", r)
	}
	if r.Problems == nil || r.Notes == nil || r.UnderWay == nil || r.WhyNot == nil {
		t.Errorf("an empty list is null in JSON: %#v", r)
	}
}

func TestASmallClusterIsWellButToldOfIt(t *testing.T) {
	t.Parallel()
	if r := Of(cluster(2)); !r.Well || len(r.Notes) != 1 {
		t.Errorf("got %+v", r)
	}
}

func TestWhatIsNotWellIsFound(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		harm func(*Sight)
		want []string
	}{
		"a node is down": {func(s *Sight) {
			s.silence(2)
		}, []string{"node-c is down or cut off"}},
		"an API does not answer here": {func(s *Sight) {
			s.Nodes[2] = View{Member: s.Nodes[2].Member, Err: errors.New("its API does not answer here")}
		}, []string{"node-c is alive, but its API does not answer here"}},
		"two nodes are cut off from each other": {func(s *Sight) {
			s.Nodes[0].Sees[0].Reachable = false
			s.Nodes[1].Sees[0].Alive = false
			for i, other := range []string{"node-b", "node-a"} {
				s.Nodes[i].Health.Status = client.HealthDegraded
				s.Nodes[i].Health.Problems = []client.HealthProblem{{What: Down(other, "its copies are missing"), Do: "start it"}}
			}
		}, []string{"nodes node-a and node-b do not reach one another"}},
		"a link works one way": {func(s *Sight) { s.Nodes[1].Sees[0].Reachable = false },
			[]string{"node node-b does not reach node node-a, which reaches it"}},
		"a node is cut off from the others": {func(s *Sight) {
			s.Nodes[2].Sees[0].Alive, s.Nodes[2].Sees[1].Alive = false, false
			s.bury(2)
		}, []string{"the nodes fall apart into sides that do not reach one another: node-a node-b | node-c"}},
		"the ring is seen differently": {func(s *Sight) { s.Nodes[1].Digest = "e" },
			[]string{"disagree on who is in the ring: node-a node-c | node-b"}},
		"a node of another cluster is in contact": {func(s *Sight) {
			v := View{Member: client.Member{ID: "node-d", HTTP: "d:7400", Alive: true, Reachable: true}, Cluster: "e", Digest: "e"}
			v.Health.Status = client.HealthOK
			v.Whole = []bool{true}
			s.Nodes = append(s.Nodes, v)
			s.Nodes[0].Whole[0] = false // its copy is none of this cluster's
		}, []string{"node-d at d:7400 is in contact, but is a member of another cluster, e", "1 partition with fewer than 3 whole copies: 0"}},
		"a node complains": {func(s *Sight) {
			s.Nodes[1].Health.Status = client.HealthDegraded
			s.Nodes[1].Health.Problems = []client.HealthProblem{{What: "disk is full", Do: "free some"}}
		}, []string{"node-b: disk is full"}},
		"a node is unwell and does not say why": {func(s *Sight) { s.Nodes[1].Health.Status = client.HealthFailing },
			[]string{"node-b calls itself failing"}},
		"an owner is catching up": {func(s *Sight) { s.Nodes[0].Whole[1] = false },
			[]string{"1 partition with fewer than 3 whole copies: 1"}},
		"nobody has a partition": {func(s *Sight) {
			for i := range s.Nodes {
				s.Nodes[i].Whole[1] = false
			}
		}, []string{"no node that answers holds a whole copy of 1 partition: 1"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := cluster(3)
			c.harm(&s)
			r := Of(s)
			if r.Well || len(r.Problems) != len(c.want) {
				t.Fatalf("found %+v, want %q", r.Problems, c.want)
			}
			for i, want := range c.want {
				if !strings.Contains(r.Problems[i].What, want) || r.Problems[i].Do == "" {
					t.Errorf("found %+v, want %q", r.Problems[i], want)
				}
			}
		})
	}
}

func TestADeadNodeIsOneProblemWithItsConsequencesUnderIt(t *testing.T) {
	t.Parallel()
	s := cluster(3)
	s.silence(2)
	for i := range 2 {
		s.Nodes[i].Health.Status = client.HealthDegraded
		s.Nodes[i].Health.Problems = []client.HealthProblem{{What: "node node-c is down: its copies are missing", Do: "start it"}}
	}
	s.Nodes[0].Whole[1] = false // lacks another copy, for another reason
	r := Of(s)
	if len(r.Problems) != 2 || !strings.Contains(r.Problems[0].What, "node-c is down or cut off") ||
		!strings.Contains(r.Problems[1].What, "1 partition with fewer than 3 whole copies: 1") {
		t.Fatalf("found %+v", r.Problems)
	}
	want := []string{
		"its copies are missing (seen by node-a, node-b)",
		"3 partitions lack its copy and have fewer than 3 whole copies: 0, 1, 2",
	}
	if !slices.Equal(r.Problems[0].Follows, want) {
		t.Errorf("what follows: %q", r.Problems[0].Follows)
	}
}

func TestAPIsOnTheLoopbackOfOtherMachinesAreNoFault(t *testing.T) {
	t.Parallel()
	s := cluster(3)
	s.Nodes[2] = View{Member: s.Nodes[2].Member, Err: errHidden, Hidden: true}
	r := Of(s)
	if !r.Well || len(r.Notes) != 1 || !strings.Contains(r.Notes[0], "node-c is alive but cannot be asked from here") {
		t.Errorf("got %+v", r)
	}
	s.bury(2)
	if r := Of(s); r.Well || len(r.Notes) != 0 || !strings.HasSuffix(r.Problems[0].What, "node-c is down or cut off") {
		t.Errorf("a dead one: %+v", r)
	}
}

func TestWhatSeveralNodesFindIsSaidOnce(t *testing.T) {
	t.Parallel()
	s := cluster(3)
	for i := range 2 {
		s.Nodes[i].Health.Status = client.HealthDegraded
		s.Nodes[i].Health.Problems = []client.HealthProblem{{What: "an owner is down", Do: "start it"}}
	}
	r := Of(s)
	if len(r.Problems) != 1 || r.Problems[0].What != "nodes node-a, node-b: an owner is down" {
		t.Errorf("found %+v", r.Problems)
	}
}

func TestTheNextNodeIsSafeToRestartWhenEveryNodeSaysSo(t *testing.T) {
	t.Parallel()
	for want, harm := range map[string]func(*Sight){
		"node node-x is down": func(s *Sight) {
			for i := range 2 { // two that say the same are one reason
				s.Nodes[i].Health.Readiness = client.Readiness{Ready: true, WhyNot: []string{"node node-x is down"}}
			}
		},
		"node node-c is down": func(s *Sight) { // one reason, whoever finds it
			s.silence(2)
			s.Nodes[0].Health.Readiness = client.Readiness{Ready: true, WhyNot: []string{"node node-c is down"}}
		},
		"node node-b is not ready: catching up": func(s *Sight) {
			s.Nodes[1].Health.Readiness = client.Readiness{Reason: "catching up", WhyNot: []string{"catching up"}}
		},
		"node node-d is a member of another cluster": func(s *Sight) {
			s.Nodes = append(s.Nodes, View{Member: client.Member{ID: "node-d", Alive: true}, Cluster: "e"})
		},
		"the asked node has not reached its cluster": func(s *Sight) {
			*s = Sight{Nodes: []View{{Member: client.Member{ID: "node-a", Alive: true}, Health: client.Health{Status: client.HealthDegraded}}}}
		},
		"node node-c does not answer":           func(s *Sight) { s.Nodes[2] = View{Member: s.Nodes[2].Member, Err: errors.New("refused")} },
		"node node-c cannot be asked from here": func(s *Sight) { s.Nodes[2] = View{Member: s.Nodes[2].Member, Err: errHidden, Hidden: true} },
	} {
		s := cluster(3)
		harm(&s)
		if r := Of(s); r.SafeToRestartNext || len(r.WhyNot) != 1 || r.WhyNot[0] != want {
			t.Errorf("%v %q, want %q", r.SafeToRestartNext, r.WhyNot, want)
		}
	}
}

func TestTheWorstIsSaidFirstAndHowBadItIs(t *testing.T) {
	t.Parallel()
	s := cluster(3)
	s.Nodes[0].Sees[0].Reachable = false
	s.Nodes[1].Health.Problems = []client.HealthProblem{{What: "the disk is full", Do: "free some", Severity: client.HealthFailing}}
	r := Of(s)
	if len(r.Problems) != 2 || r.Problems[0].Severity != client.HealthFailing || r.Problems[1].Severity != client.HealthDegraded ||
		!strings.Contains(r.Problems[0].What, "the disk is full") {
		t.Errorf("found %+v", r.Problems)
	}
}

func TestANodeOfAnEarlierVersionIsNotTakenToLackWhatItDoesNotTell(t *testing.T) {
	t.Parallel()
	s := cluster(3)
	s.Nodes[2].Whole, s.Nodes[2].Sees, s.Nodes[2].Digest, s.Nodes[2].Cluster = nil, nil, "", ""
	if r := Of(s); !r.Well {
		t.Errorf("found %+v", r.Problems)
	}
}

func TestWhatIsUnderWayIsShown(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(*client.Health){
		"node node-b is leaving: the others copy 7 partitions that it owns": func(h *client.Health) {
			h.RingState, h.Partitions.Owned = "leaving", 7
		},
		"node node-b takes over 5 partitions: it has 2": func(h *client.Health) {
			h.Partitions.Coming, h.Partitions.ComingCaughtUp = 5, 2
		},
		"node node-b copies 2 partitions from node-a, node-c, 3.0 KiB so far": func(h *client.Health) {
			h.Transfers = []client.Transfer{{From: "node-c", Bytes: 1024}, {From: "node-a", Bytes: 2048}}
		},
		"node node-b keeps 1 partition (1.5 MiB) that moved away, until the owners have proved theirs": func(h *client.Health) {
			h.Kept.Moved, h.Kept.MovedBytes = 1, 3<<19
		},
		"node node-b keeps writes (10 B) for the owners of 2 partitions, whom it could not reach": func(h *client.Health) {
			h.Kept.Hints, h.Kept.HintBytes = 2, 10
		},
		"9 log entries and 4 delete markers are kept for node-c, which must return or be forgotten": func(h *client.Health) {
			h.Stability = client.Stability{LogEntries: 9, Marks: 4, WaitsFor: []client.WaitsFor{{Node: "node-a", Alive: true}, {Node: "node-c"}}}
		},
	} {
		s := cluster(3)
		change(&s.Nodes[1].Health)
		if r := Of(s); len(r.UnderWay) != 1 || r.UnderWay[0] != want {
			t.Errorf("%q, want %q", r.UnderWay, want)
		}
	}
}

func TestANodeThatIsGoneIsNotMissed(t *testing.T) {
	t.Parallel()
	s := cluster(3)
	s.Nodes = append(s.Nodes, View{Member: client.Member{ID: "node-d", RingState: "gone"}, Err: errors.New("refused")})
	r := Of(s)
	if !r.Well || !r.SafeToRestartNext {
		t.Errorf("found %+v, %q", r.Problems, r.WhyNot)
	}
}
