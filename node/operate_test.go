package node_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"grapevine/node/client"
	"grapevine/node/config"
)

// root is the operator.
func root() *account {
	a := &account{}
	a.Session.Token = config.Secret{1}.OperatorToken()
	return a
}

// restartable waits until a node says that the next one can be restarted, or that
// it cannot for a reason.
func (s *simulation) restartable(i int, reason string) {
	s.t.Helper()
	s.eventually(fmt.Sprintf("node %d says %q", i, reason), func() error {
		var h client.Health
		s.expect(http.StatusOK, i, nil, "GET", "/v1/cluster/health", nil, &h)
		r, code := h.Readiness, s.do(i, nil, "GET", "/readyz?for=restart", nil, nil)
		if r.SafeToRestartNext != (code == http.StatusOK) || r.SafeToRestartNext != (len(r.WhyNot) == 0) {
			return fmt.Errorf("%+v, yet %d", r, code)
		}
		if r.SafeToRestartNext != (reason == "") || !strings.Contains(strings.Join(r.WhyNot, "; "), reason) {
			return fmt.Errorf("%+v", r)
		}
		return nil
	})
}

func TestTheNextNodeMayBeRestartedOnceAllOwnersAreUpAndCaughtUp(t *testing.T) {
	simulate(t, 3, lan, func(s *simulation) {
		ada := s.signUp(0, "ada")
		s.restartable(0, "")
		s.crash(2)
		s.restartable(0, "node node-c is down")
		s.expect(http.StatusOK, 0, nil, "GET", "/readyz", nil, nil)
		for i := range 50 {
			s.post(0, ada, fmt.Sprint("missed ", i))
		}
		s.start(2)
		s.restartable(0, "")
		if !s.nodes[2].Active() {
			t.Error("a node may be restarted though another has not caught up")
		}
	})
}

func TestNoNodeMayBeRestartedWhileADiskIsFull(t *testing.T) {
	simulate(t, 3, lan, func(s *simulation) {
		s.restartable(0, "")
		s.nodes[2].db.Fill(true)
		s.restartable(2, "node node-c takes no writes: its disk is nearly full")
		s.restartable(0, "node node-c is catching up")
		s.nodes[2].db.Fill(false)
		s.restartable(2, "")
		s.restartable(0, "")
	})
}

func TestANodeThatWasToJoinAndIsAloneSaysSo(t *testing.T) {
	simulate(t, 2, lan, func(s *simulation) {
		alone := func() bool {
			var h client.Health
			s.expect(http.StatusOK, 1, nil, "GET", "/v1/cluster/health", nil, &h)
			return slices.ContainsFunc(h.Problems, func(p client.HealthProblem) bool {
				return strings.HasPrefix(p.What, "this node is alone in its cluster") && strings.Contains(p.Do, "--join")
			})
		}
		if alone() {
			t.Error("said of one of two")
		}
		s.crash(0)
		if alone() {
			t.Error("said of one whose cluster is down")
		}
		s.eventually("the other is forgotten", func() error {
			if code := s.do(1, root(), "POST", "/v1/cluster/forget/node-a", nil, nil); code != http.StatusOK && code != http.StatusAccepted {
				return fmt.Errorf("forget: %d", code)
			}
			return nil
		})
		if !alone() {
			t.Error("not said of the only one")
		}
	})
}

func TestALoneNodeCannotBeSpared(t *testing.T) {
	simulate(t, 1, lan, func(s *simulation) {
		s.restartable(0, "node node-a has the only copy of 8 partitions")
		s.expect(http.StatusConflict, 0, root(), "POST", "/v1/cluster/leave", nil, nil)
	})
}

func TestANodeThatIsDownIsNamedWithTheWayOut(t *testing.T) {
	simulate(t, 3, lan, func(s *simulation) {
		s.crash(2)
		s.signUp(0, "ada")
		s.eventually("health names the node", func() error {
			var h client.Health
			s.expect(http.StatusOK, 0, nil, "GET", "/v1/cluster/health", nil, &h)
			for _, p := range h.Problems {
				if strings.HasPrefix(p.What, "node node-c is down: its copies are missing, and the log") && strings.Contains(p.Do, "grapevine forget node-c") {
					return nil
				}
			}
			return fmt.Errorf("%+v", h.Problems)
		})
	})
}

// ringState gives a member's state as a node sees it.
func (s *simulation) ringState(i int, id string) string {
	var r client.Ring
	s.expect(http.StatusOK, i, nil, "GET", "/v1/cluster/ring", nil, &r)
	for _, m := range r.Members {
		if m.ID == id {
			return m.State
		}
	}
	return ""
}

func TestANodeLeavesOnTheOperatorsWord(t *testing.T) {
	simulate(t, 4, lan, func(s *simulation) {
		ada := s.signUp(3, "ada")
		id := s.post(3, ada, "written where it will not stay")
		s.expect(http.StatusUnauthorized, 3, ada, "POST", "/v1/cluster/leave", nil, nil)
		s.expect(http.StatusAccepted, 3, root(), "POST", "/v1/cluster/leave", nil, nil)
		s.expect(http.StatusAccepted, 3, root(), "POST", "/v1/cluster/leave", nil, nil)
		var p client.Plan
		s.expect(http.StatusOK, 3, nil, "GET", "/v1/cluster/plan", nil, &p)
		if d := named(p, "node-d"); p.Copies == 0 || d.Gives != d.Before || d.After != 0 {
			t.Errorf("the plan of what is under way: %+v", p)
		}
		s.eventually("the node has left", func() error {
			if !s.nodes[3].Left() {
				return fmt.Errorf("it is %s", s.ringState(0, "node-d"))
			}
			return nil
		})
		s.crash(3)
		for i := range 3 {
			if state := s.ringState(i, "node-d"); state != "gone" {
				t.Errorf("node %d has it for %s", i, state)
			}
			s.expect(http.StatusOK, i, ada, "GET", "/v1/posts/"+id, nil, nil)
			s.restartable(i, "")
		}
	})
}

func TestANodeIsForgottenOnlyWhenItIsDown(t *testing.T) {
	simulate(t, 4, lan, func(s *simulation) {
		const forget = "/v1/cluster/forget/"
		s.expect(http.StatusConflict, 0, root(), "POST", forget+"node-d", nil, nil)
		s.expect(http.StatusNotFound, 0, root(), "POST", forget+"node-x", nil, nil)
		s.crash(3)
		s.restartable(0, "node node-d is down")
		s.expect(http.StatusUnauthorized, 0, nil, "POST", forget+"node-d", nil, nil)
		s.expect(http.StatusAccepted, 0, root(), "POST", forget+"node-d", nil, nil)
		for i := range 3 {
			s.restartable(i, "")
		}
		if state := s.ringState(2, "node-d"); state != "gone" {
			t.Errorf("it is %s", state)
		}
		s.expect(http.StatusAccepted, 0, root(), "POST", "/v1/cluster/repair", nil, nil)
	})
}

func TestAPlanSaysWhatWouldMoveAndChangesNothing(t *testing.T) {
	simulate(t, 4, lan, func(s *simulation) {
		s.signUp(0, "ada")
		s.converge()
		var before, after client.Ring
		s.expect(http.StatusOK, 0, nil, "GET", "/v1/cluster/ring", nil, &before)
		for query, want := range map[string]func(client.Plan) bool{
			"":                 func(p client.Plan) bool { return p.Copies == 0 && len(p.Nodes) == 4 && len(p.Notes) == 0 },
			"?add=100:east":    func(p client.Plan) bool { return p.Copies > 0 && p.Share > 0 && named(p, "new-1").Takes == p.Copies },
			"?add=100&add=100": func(p client.Plan) bool { return named(p, "new-2").Takes > 0 && len(p.Notes) == 1 },
			"?remove=node-d":   func(p client.Plan) bool { return named(p, "node-d").Gives == p.Copies && named(p, "node-d").After == 0 },
			"?weight=node-d:300": func(p client.Plan) bool {
				return named(p, "node-d").Takes == p.Copies && named(p, "node-d").Weight == 300
			},
			"?weight=node-d:50":            func(p client.Plan) bool { return p.Copies > 0 && named(p, "node-d").Gives == p.Copies },
			"?zone=node-a:x":               func(p client.Plan) bool { return named(p, "node-a").Zone == "x" },
			"?remove=node-c&remove=node-d": func(p client.Plan) bool { return len(p.Notes) == 1 && strings.Contains(p.Notes[0], "2 of 3 copies") },
		} {
			var p client.Plan
			s.expect(http.StatusOK, 0, nil, "GET", "/v1/cluster/plan"+query, nil, &p)
			if !want(p) {
				t.Errorf("%q: %+v", query, p)
			}
		}
		s.expect(http.StatusOK, 0, nil, "GET", "/v1/cluster/ring", nil, &after)
		if before.Digest != after.Digest {
			t.Error("a plan changed the ring")
		}
		for query, code := range map[string]int{
			"?add=heavy": 422, "?add=100:no+zone": 422, "?add=99999": 422, "?remove=nobody": 404,
			"?weight=node-a": 422, "?weight=node-a:heavy": 422, "?weight=nobody:1": 404, "?zone=node-a:no+zone": 422,
		} {
			s.expect(code, 0, nil, "GET", "/v1/cluster/plan"+query, nil, nil)
		}
	})
}

func named(p client.Plan, id string) client.PlanNode {
	for _, n := range p.Nodes {
		if n.ID == id {
			return n
		}
	}
	return client.PlanNode{}
}
