package node_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"

	"grapevine/node/client"
)

func TestTheOverviewTellsOfEveryNodeAndOfADeadOneOnce(t *testing.T) {
	simulate(t, 3, lan, func(s *simulation) {
		operator := theOperator()
		var o client.Overview
		s.expect(http.StatusUnauthorized, 0, s.signUp(0, "ada"), "GET", "/v1/cluster/overview", nil, nil)
		s.converge()
		s.expect(http.StatusOK, 1, operator, "GET", "/v1/cluster/overview?digest=true", nil, &o)
		if len(o.Nodes) != 3 || !o.Well || !o.SafeToRestartNext || len(o.Owners) != 8 {
			t.Fatalf("%d nodes, %d partitions, problems %+v", len(o.Nodes), len(o.Owners), o.Problems)
		}
		for i, n := range o.Nodes {
			if n.Health == nil || n.Health.Node != n.Member.ID || len(n.Held) != 8 || n.Held[3].Digest == "" || n.Held[3].Digest != o.Nodes[0].Held[3].Digest {
				t.Errorf("node %d: %+v", i, n)
			}
		}
		s.crash(2)
		s.eventually("the dead node is one problem", func() error {
			var o client.Overview
			s.expect(http.StatusOK, 0, operator, "GET", "/v1/cluster/overview", nil, &o)
			if len(o.Problems) != 1 || o.Problems[0].What != "node node-c is down or cut off" || o.Problems[0].Do == "" || !slices.Contains(o.Problems[0].Follows, "its copies are missing (seen by node-a, node-b)") {
				return fmt.Errorf("%+v", o.Problems)
			}
			if o.Nodes[2].Error == "" || o.Nodes[2].Health != nil || o.Nodes[1].Health == nil {
				return fmt.Errorf("%+v", o.Nodes)
			}
			return nil
		})
	})
}
