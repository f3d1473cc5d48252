package main

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"grapevine/node/client"
)

// cluster makes the sight of a cluster of n nodes in which all is well: n
// partitions that everybody owns.
func cluster(n int) sight {
	ids := []string{"node-a", "node-b", "node-c"}[:n]
	s := sight{ring: client.Ring{Cluster: "c", Partitions: n, Copies: 3, Digest: "d"}}
	for _, id := range ids {
		s.ring.Members = append(s.ring.Members, client.RingMember{ID: id, State: "active", Weight: 100})
	}
	for _, id := range ids {
		v := view{member: client.Member{ID: id, RingState: "active", Alive: true, Reachable: true}, ring: s.ring}
		v.health.Status = client.HealthOK
		v.health.Readiness = client.Readiness{Ready: true, SafeToRestartNext: true}
		for p, other := range ids {
			v.members = append(v.members, client.Member{ID: other, RingState: "active", Alive: true, Reachable: true, Self: other == id})
			v.partitions = append(v.partitions, client.Partition{ID: p, Owners: ids, Local: true, CaughtUp: true, Rows: 2})
		}
		s.nodes = append(s.nodes, v)
	}
	return s
}

func TestAWholeClusterIsWell(t *testing.T) {
	t.Parallel()
	r := judge(cluster(3))
	if !r.Well || len(r.Problems) != 0 || len(r.Notes) != 0 {
		t.Errorf("got %+v", r)
	}
	if !r.SafeToRestartNext || len(r.UnderWay) != 0 {
		t.Errorf("got %+v", r)
	}
	if r.Problems == nil || r.Notes == nil || r.UnderWay == nil || r.WhyNot == nil {
		t.Errorf("an empty list is null in JSON: %#v", r)
	}
	if n := r.Nodes[0]; !n.Alive || !n.Answers || n.Owned != 3 || n.CaughtUp != 3 || n.Rows != 6 {
		t.Errorf("node %+v", n)
	}
}

func TestASmallClusterIsWellButToldOfIt(t *testing.T) {
	t.Parallel()
	if r := judge(cluster(2)); !r.Well || len(r.Notes) != 1 {
		t.Errorf("got %+v", r)
	}
}

func TestWhatIsNotWellIsFound(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		harm func(*sight)
		want []string
	}{
		"a node is down": {func(s *sight) {
			s.nodes[2] = view{member: s.nodes[2].member, err: errors.New("refused")}
			for i := range 2 {
				s.nodes[i].members[2].Alive = false
			}
		}, []string{"node-c is down or cut off: refused"}},
		"an API does not answer here": {func(s *sight) {
			s.nodes[2] = view{member: s.nodes[2].member, err: errors.New("refused")}
		}, []string{"node-c is alive, but its API"}},
		"two nodes are cut off from each other": {func(s *sight) {
			s.nodes[0].members[1].Reachable = false
			s.nodes[1].members[0].Alive = false
		}, []string{"node-a does not reach node-b", "node-b does not reach node-a"}},
		"the ring is seen differently": {func(s *sight) { s.nodes[1].ring.Digest = "e" },
			[]string{"disagree on who is in the ring: node-a node-c | node-b"}},
		"a node of another cluster is in contact": {func(s *sight) {
			v := view{member: client.Member{ID: "node-d", HTTP: "d:7400", Alive: true, Reachable: true}, ring: client.Ring{Cluster: "e", Digest: "e"}}
			v.health.Status = client.HealthOK
			v.partitions = []client.Partition{{ID: 0, Owners: []string{"node-d"}, Local: true, CaughtUp: true}}
			s.nodes = append(s.nodes, v)
			s.nodes[0].partitions[0].CaughtUp = false // its copy is none of this cluster's
		}, []string{"node-d at d:7400 is in contact, but is a member of another cluster, e", "1 partition with fewer than 3 whole copies: 0"}},
		"a node complains": {func(s *sight) {
			s.nodes[1].health.Status = client.HealthDegraded
			s.nodes[1].health.Problems = []client.HealthProblem{{What: "disk is full", Do: "free some"}}
		}, []string{"node-b: disk is full"}},
		"a node is unwell and does not say why": {func(s *sight) { s.nodes[1].health.Status = client.HealthFailing },
			[]string{"node-b calls itself failing"}},
		"an owner is catching up": {func(s *sight) { s.nodes[0].partitions[1].CaughtUp = false },
			[]string{"1 partition with fewer than 3 whole copies: 1"}},
		"nobody has a partition": {func(s *sight) {
			for i := range s.nodes {
				s.nodes[i].partitions[1].Local = false
			}
		}, []string{"no node that answers holds a whole copy of 1 partition: 1"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := cluster(3)
			c.harm(&s)
			r := judge(s)
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
	s.nodes[2] = view{member: s.nodes[2].member, err: errors.New("refused")}
	for i := range 2 {
		s.nodes[i].members[2].Alive = false
		s.nodes[i].health.Status = client.HealthDegraded
		s.nodes[i].health.Problems = []client.HealthProblem{{What: "node node-c is down: its copies are missing", Do: "start it"}}
	}
	s.nodes[0].partitions[1].CaughtUp = false // lacks another copy, for another reason
	r := judge(s)
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
	s.nodes[2] = view{member: s.nodes[2].member, err: errHidden}
	r := judge(s)
	if !r.Well || len(r.Notes) != 1 || !strings.Contains(r.Notes[0], "node-c is alive but cannot be asked from here") {
		t.Errorf("got %+v", r)
	}
	for i := range 2 {
		s.nodes[i].members[2].Alive = false
	}
	if r := judge(s); r.Well || len(r.Notes) != 0 || !strings.HasSuffix(r.Problems[0].What, "node-c is down or cut off") {
		t.Errorf("a dead one: %+v", r)
	}
}

func TestWhatSeveralNodesFindIsSaidOnce(t *testing.T) {
	t.Parallel()
	s := cluster(3)
	for i := range 2 {
		s.nodes[i].health.Status = client.HealthDegraded
		s.nodes[i].health.Problems = []client.HealthProblem{{What: "an owner is down", Do: "start it"}}
	}
	r := judge(s)
	if len(r.Problems) != 1 || r.Problems[0].What != "nodes node-a, node-b: an owner is down" {
		t.Errorf("found %+v", r.Problems)
	}
}

func TestTheNextNodeIsSafeToRestartWhenEveryNodeSaysSo(t *testing.T) {
	t.Parallel()
	for want, harm := range map[string]func(*sight){
		"node node-x is down": func(s *sight) {
			for i := range 2 { // two that say the same are one reason
				s.nodes[i].health.Readiness = client.Readiness{Ready: true, WhyNot: []string{"node node-x is down"}}
			}
		},
		"node node-b is not ready: catching up": func(s *sight) {
			s.nodes[1].health.Readiness = client.Readiness{Reason: "catching up", WhyNot: []string{"catching up"}}
		},
		"node node-d is a member of another cluster": func(s *sight) {
			s.nodes = append(s.nodes, view{member: client.Member{ID: "node-d", Alive: true}, ring: client.Ring{Cluster: "e"}})
		},
		"the asked node has not reached its cluster": func(s *sight) {
			*s = sight{nodes: []view{{member: client.Member{ID: "node-a", Alive: true}, health: client.Health{Status: client.HealthDegraded}}}}
		},
		"node node-c does not answer":           func(s *sight) { s.nodes[2] = view{member: s.nodes[2].member, err: errors.New("refused")} },
		"node node-c cannot be asked from here": func(s *sight) { s.nodes[2] = view{member: s.nodes[2].member, err: errHidden} },
	} {
		s := cluster(3)
		harm(&s)
		if r := judge(s); r.SafeToRestartNext || len(r.WhyNot) != 1 || r.WhyNot[0] != want {
			t.Errorf("%v %q, want %q", r.SafeToRestartNext, r.WhyNot, want)
		}
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
		change(&s.nodes[1].health)
		if r := judge(s); len(r.UnderWay) != 1 || r.UnderWay[0] != want {
			t.Errorf("%q, want %q", r.UnderWay, want)
		}
	}
}

func TestANodeThatIsGoneIsNotMissed(t *testing.T) {
	t.Parallel()
	s := cluster(3)
	s.nodes = append(s.nodes, view{member: client.Member{ID: "node-d", RingState: "gone"}, err: errors.New("refused")})
	r := judge(s)
	if !r.Well || !r.SafeToRestartNext {
		t.Errorf("found %+v, %q", r.Problems, r.WhyNot)
	}
	if r.present() != 3 || r.Nodes[3].condition() != "-" {
		t.Errorf("%d nodes are counted, and one that is gone is said to be %q", r.present(), r.Nodes[3].condition())
	}
}
