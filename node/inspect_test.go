package node_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"grapevine/node/client"
	"grapevine/node/config"
)

// explained asks a node to explain something.
func (s *simulation) explained(i int, id string) client.Explanation {
	s.t.Helper()
	var e client.Explanation
	s.expect(http.StatusOK, i, nil, "GET", "/v1/cluster/explain/"+url.PathEscape(id), nil, &e)
	return e
}

// rowOf gives the row that an explanation calls so.
func rowOf(t *testing.T, e client.Explanation, name string) client.ExplainedRow {
	t.Helper()
	for _, r := range e.Rows {
		if r.Name == name {
			return r
		}
	}
	t.Fatalf("no row %q in %+v", name, e)
	return client.ExplainedRow{}
}

func verdict(e client.Explanation) string { return strings.Join(e.Verdict, "\n") }

func TestAnExplanationSaysWhereAThingIsAndWhyItIsNotSeen(t *testing.T) {
	simulate(t, 3, lan, func(s *simulation) {
		ada, bob := s.signUp(0, "ada"), s.signUp(1, "bob")
		id := s.post(0, ada, "to be explained")
		s.expect(http.StatusNoContent, 1, bob, "PUT", "/v1/users/@bob/following/@ada", nil, nil)
		s.homeShows(2, bob, "to be explained")
		s.converge()

		for asked, kind := range map[string]string{
			id: "post", ada.ID: "user", "@ADA": "name", "@bob:@ada": "follow", id + ":@bob": "home entry",
		} {
			e := s.explained(2, asked)
			if e.Kind != kind || len(e.Rows) == 0 || len(e.Places) == 0 || len(e.Places[0].Holders) != 3 {
				t.Errorf("%s: %+v", asked, e)
			}
			for _, r := range e.Rows {
				if !r.Exists || !r.Agreed || len(r.Writes) == 0 || len(r.Writes[0].Has) != 3 {
					t.Errorf("%s: %+v", asked, r)
				}
			}
			if strings.Contains(verdict(e), "not yet") || strings.Contains(verdict(e), "does not answer") {
				t.Errorf("%s: %s", asked, verdict(e))
			}
		}
		if e := s.explained(2, "@ada:@bob"); len(e.Rows) != 0 || !strings.Contains(verdict(e), "following: no node that answers has anything of it") {
			t.Errorf("ada follows nobody: %+v", e)
		}
	})
}

func TestAnExplanationNamesTheOwnersThatDoNotAnswer(t *testing.T) {
	simulate(t, 3, lan, func(s *simulation) {
		ada := s.signUp(0, "ada")
		id := s.post(0, ada, "to be explained")
		s.converge()
		s.crash(2)
		s.eventually("the dead owner is named", func() error {
			e := s.explained(1, id)
			if !strings.Contains(verdict(e), "owner node node-c does not answer: it is down") {
				return fmt.Errorf("%s", verdict(e))
			}
			if r := rowOf(t, e, "post"); !r.Exists || len(r.Writes[0].Has) != 2 {
				return fmt.Errorf("%+v", r)
			}
			return nil
		})
	})
}

func TestWhatCannotBeExplainedIsRefusedByName(t *testing.T) {
	simulate(t, 1, lan, func(s *simulation) {
		for id, want := range map[string]int{
			"nonsense": http.StatusUnprocessableEntity, "@": http.StatusUnprocessableEntity, ":": http.StatusUnprocessableEntity,
			"@nobody:@noone": http.StatusNotFound, "@" + strings.Repeat("x", 127): http.StatusOK,
		} {
			s.expect(want, 0, nil, "GET", "/v1/cluster/explain/"+url.PathEscape(id), nil, nil)
		}
		if e := s.explained(0, "01JCQ0M3E7ZK6V8B2N5Y4T9XWD"); e.Kind != "unknown" || len(e.Rows) != 0 || len(e.Verdict) == 0 {
			t.Errorf("%+v", e)
		}
	})
}

func TestNodesMeasureTheirLinksAndClocks(t *testing.T) {
	simulate(t, 3, lan, func(s *simulation) {
		var l client.Links
		s.expect(http.StatusOK, 0, theOperator(), "GET", "/v1/cluster/links", nil, &l)
		if l.Node != "node-a" || len(l.Links) != 2 {
			t.Fatalf("%+v", l)
		}
		for _, link := range l.Links {
			// A way takes 0.2 to 2 ms, and the clocks of a simulation are one.
			if !link.Answers || link.RTTMillis < 0.4 || link.RTTMillis > 4 || link.OffsetMillis < -1 || link.OffsetMillis > 1 || link.Version == "" {
				t.Errorf("%+v", link)
			}
		}
		s.net.CutOneWay("node-b", "node-a")
		s.eventually("the cut link is told", func() error {
			s.expect(http.StatusOK, 0, theOperator(), "GET", "/v1/cluster/links", nil, &l)
			if at := slices.IndexFunc(l.Links, func(l client.Link) bool { return l.To == "node-b" }); l.Links[at].Answers || l.Links[at].Error == "" {
				return fmt.Errorf("%+v", l.Links[at])
			}
			return nil
		})
	})
}

// theOperator gives who has the operator token of simulated clusters.
func theOperator() *account {
	operator := &account{}
	operator.Session.Token = config.Secret{1}.OperatorToken()
	return operator
}

func TestTheLoadTellsWhatIsHotAndNotWhoBlocksWhom(t *testing.T) {
	simulate(t, 1, lan, func(s *simulation) {
		ada, bob := s.signUp(0, "ada"), s.signUp(0, "bob")
		for range 5 {
			s.post(0, ada, "hot")
		}
		s.expect(http.StatusNoContent, 0, bob, "PUT", "/v1/users/@bob/blocks/@ada", nil, nil)
		var l client.Load
		s.expect(http.StatusOK, 0, theOperator(), "GET", "/v1/cluster/load", nil, &l)
		if l.Requests.Served < 8 || l.Requests.Failed != 0 || len(l.Requests.Buckets) == 0 || l.Writes < 5 {
			t.Errorf("%+v", l)
		}
		if len(l.Hot.Partitions) == 0 || l.Hot.Partitions[0].Writes < 5 {
			t.Errorf("%+v", l.Hot)
		}
		if !slices.ContainsFunc(l.Hot.Keys, func(k client.HotKey) bool {
			return k.Kind == "posts of the author" && k.Owner == ada.ID && k.Writes == 5
		}) {
			t.Errorf("%+v", l.Hot.Keys)
		}
		for _, k := range l.Hot.Keys {
			if strings.HasPrefix(k.Kind, "family") {
				t.Errorf("tells %+v", k)
			}
		}
	})
}
