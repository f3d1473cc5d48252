package node_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"grapevine/p2p"
)

// listed is the usernames in a list.
type listed struct {
	Items []struct {
		Username string `json:"username"`
		User     struct {
			Username string `json:"username"`
		} `json:"user"`
	} `json:"items"`
}

func (n listed) all() []string {
	out := []string{}
	for _, item := range n.Items {
		out = append(out, item.Username+item.User.Username)
	}
	slices.Sort(out)
	return out
}

// lists waits until a list on a node names exactly these users.
func (s *simulation) lists(i int, who *account, path string, want ...string) {
	s.t.Helper()
	s.eventually(fmt.Sprintf("node %d lists %s", i, path), func() error {
		var got listed
		s.expect(http.StatusOK, i, who, "GET", path, nil, &got)
		slices.Sort(want)
		if !slices.Equal(got.all(), want) {
			return fmt.Errorf("%q, want %q", got.all(), want)
		}
		return nil
	})
}

// everywhere is lists on all nodes.
func (s *simulation) everywhere(who *account, path string, want ...string) {
	s.t.Helper()
	for i := range s.nodes {
		s.lists(i, who, path, want...)
	}
}

func (s *simulation) befriend(i int, who *account, friend, state string) {
	s.t.Helper()
	var reply struct {
		State string `json:"state"`
	}
	s.expect(http.StatusCreated, i, who, "POST", "/v1/users/"+who.ID+"/friends", map[string]string{"friend": friend}, &reply)
	if reply.State != state {
		s.t.Errorf("asking %s gives %q, want %q", friend, reply.State, state)
	}
}

func TestFriendRequestsAreAskedAnsweredAndEndedThroughAnyNode(t *testing.T) {
	simulate(t, 3, lan, func(s *simulation) {
		ada, bob, cyd := s.signUp(0, "ada"), s.signUp(1, "bob"), s.signUp(2, "cyd")
		s.befriend(0, ada, "@bob", "requested")
		s.befriend(1, ada, "@bob", "requested")
		s.everywhere(bob, "/v1/users/@bob/friend-requests", "ada")
		s.everywhere(ada, "/v1/users/@ada/friend-requests?direction=out", "bob")
		s.everywhere(nil, "/v1/users/@ada/friends")
		s.expect(http.StatusForbidden, 0, ada, "GET", "/v1/users/@bob/friend-requests", nil, nil)
		s.expect(http.StatusUnauthorized, 0, nil, "GET", "/v1/users/@bob/friend-requests", nil, nil)

		s.befriend(2, bob, "@ada", "friends")
		s.everywhere(nil, "/v1/users/@ada/friends", "bob")
		s.everywhere(nil, "/v1/users/@bob/friends", "ada")
		s.everywhere(bob, "/v1/users/@bob/friend-requests")

		// A friend is removed by one side, and gone on both; a request is declined, and
		// another withdrawn; a declined one may be made again.
		s.expect(http.StatusNoContent, 1, ada, "DELETE", "/v1/users/@ada/friends/@bob", nil, nil)
		s.everywhere(nil, "/v1/users/@bob/friends")
		s.everywhere(nil, "/v1/users/@ada/friends")
		s.befriend(2, cyd, "@ada", "requested")
		s.lists(0, ada, "/v1/users/@ada/friend-requests", "cyd")
		s.expect(http.StatusNoContent, 0, ada, "DELETE", "/v1/users/@ada/friends/@cyd", nil, nil)
		s.everywhere(ada, "/v1/users/@ada/friend-requests")
		s.everywhere(cyd, "/v1/users/@cyd/friend-requests?direction=out")
		s.befriend(0, cyd, "@ada", "requested")
		s.lists(1, ada, "/v1/users/@ada/friend-requests", "cyd")
		s.expect(http.StatusNoContent, 1, cyd, "DELETE", "/v1/users/@cyd/friends/@ada", nil, nil)
		s.everywhere(ada, "/v1/users/@ada/friend-requests")

		// Those who follow each other are friends, too.
		s.expect(http.StatusNoContent, 2, ada, "PUT", "/v1/users/@ada/following/@cyd", nil, nil)
		s.expect(http.StatusNoContent, 1, cyd, "PUT", "/v1/users/@cyd/following/@ada", nil, nil)
		s.everywhere(nil, "/v1/users/@ada/friends", "cyd")
	})
}

func TestABlockPartsTwoAccountsOnEveryNodeAndUnblockingRestoresNothing(t *testing.T) {
	simulate(t, 3, lan, func(s *simulation) {
		ada, bob, cyd := s.signUp(0, "ada"), s.signUp(1, "bob"), s.signUp(2, "cyd")
		s.expect(http.StatusNoContent, 0, ada, "PUT", "/v1/users/@ada/following/@bob", nil, nil)
		s.expect(http.StatusNoContent, 1, bob, "PUT", "/v1/users/@bob/following/@ada", nil, nil)
		s.expect(http.StatusNoContent, 2, cyd, "PUT", "/v1/users/@cyd/following/@ada", nil, nil)
		s.befriend(2, ada, "@bob", "requested")
		s.befriend(2, bob, "@ada", "friends")
		adas, bobs := s.post(0, ada, "by ada"), s.post(1, bob, "by bob")
		s.homeShows(2, bob, "by bob", "by ada")
		s.homeShows(2, ada, "by bob", "by ada")

		s.expect(http.StatusNoContent, 2, ada, "PUT", "/v1/users/@ada/blocks/@bob", nil, nil)
		s.expect(http.StatusNoContent, 2, ada, "PUT", "/v1/users/@ada/blocks/@bob", nil, nil)
		s.everywhere(ada, "/v1/users/@ada/blocks", "bob")
		for _, path := range []string{"/v1/users/@ada/following", "/v1/users/@ada/friends", "/v1/users/@bob/followers", "/v1/users/@bob/following", "/v1/users/@bob/friends"} {
			s.everywhere(nil, path)
		}
		s.everywhere(nil, "/v1/users/@ada/followers", "cyd")
		for i := range 3 {
			s.homeShows(i, ada, "by ada")
			s.homeShows(i, bob, "by bob")
			s.eventually("neither sees the other's post", func() error {
				if code := s.do(i, bob, "GET", "/v1/posts/"+adas, nil, nil); code != http.StatusNotFound {
					return fmt.Errorf("bob gets ada's post: %d", code)
				}
				if code := s.do(i, ada, "GET", "/v1/posts/"+bobs, nil, nil); code != http.StatusNotFound {
					return fmt.Errorf("ada gets bob's post: %d", code)
				}
				return nil
			})
			var public page
			s.expect(http.StatusOK, i, ada, "GET", "/v1/timelines/public", nil, &public)
			if !slices.Equal(public.texts(), []string{"by ada"}) {
				t.Errorf("node %d: public shows %q to ada", i, public.texts())
			}
			var theirs page
			s.expect(http.StatusOK, i, bob, "GET", "/v1/users/@ada/posts", nil, &theirs)
			if len(theirs.texts()) > 0 {
				t.Errorf("node %d: ada's page shows %q to bob", i, theirs.texts())
			}
			s.expect(http.StatusOK, i, cyd, "GET", "/v1/posts/"+bobs, nil, nil)
			s.expect(http.StatusForbidden, i, bob, "PUT", "/v1/users/@bob/following/@ada", nil, nil)
			s.expect(http.StatusForbidden, i, ada, "PUT", "/v1/users/@ada/following/@bob", nil, nil)
			s.expect(http.StatusForbidden, i, bob, "POST", "/v1/users/@bob/friends", map[string]string{"friend": "@ada"}, nil)
			s.expect(http.StatusUnprocessableEntity, i, bob, "POST", "/v1/posts", map[string]string{"text": "to you", "reply_to": adas}, nil)
			s.expect(http.StatusForbidden, i, bob, "GET", "/v1/users/@ada/blocks", nil, nil)
		}

		s.expect(http.StatusNoContent, 0, ada, "DELETE", "/v1/users/@ada/blocks/@bob", nil, nil)
		s.everywhere(ada, "/v1/users/@ada/blocks")
		for i := range 3 {
			s.expect(http.StatusOK, i, ada, "GET", "/v1/posts/"+bobs, nil, nil)
			s.homeShows(i, ada, "by ada")
			s.everywhere(nil, "/v1/users/@bob/friends")
		}
		s.eventually("bob sees ada's post", func() error {
			if code := s.do(1, bob, "GET", "/v1/posts/"+adas, nil, nil); code != http.StatusOK {
				return fmt.Errorf("%d", code)
			}
			return nil
		})
		s.expect(http.StatusNoContent, 1, bob, "PUT", "/v1/users/@bob/following/@ada", nil, nil)
		s.homeShows(0, bob, "by bob", "by ada")
	})
}

func TestABlockMadeWhileANodeIsDownHoldsThereWhenItReturns(t *testing.T) {
	for victim := range 3 {
		t.Run(fmt.Sprint("node-", victim), func(t *testing.T) {
			simulate(t, 3, lan, func(s *simulation) {
				ada, bob := s.signUp(0, "ada"), s.signUp(1, "bob")
				s.expect(http.StatusNoContent, 1, bob, "PUT", "/v1/users/@bob/following/@ada", nil, nil)
				s.befriend(0, ada, "@bob", "requested")
				s.befriend(0, bob, "@ada", "friends")
				adas := s.post(0, ada, "by ada")
				s.homeShows(victim, bob, "by ada")
				s.converge()
				s.crash(victim)
				ada.seen, bob.seen = "", ""
				s.eventually("the block is taken", func() error {
					if code := s.do((victim+1)%3, ada, "PUT", "/v1/users/@ada/blocks/@bob", nil, nil); code != http.StatusNoContent {
						return fmt.Errorf("%d", code)
					}
					return nil
				})
				s.start(victim)
				s.converge()
				s.everywhere(nil, "/v1/users/@ada/followers")
				s.everywhere(nil, "/v1/users/@bob/friends")
				s.everywhere(nil, "/v1/users/@ada/friends")
				for i := range s.nodes {
					s.homeShows(i, bob)
					s.expect(http.StatusNotFound, i, bob, "GET", "/v1/posts/"+adas, nil, nil)
					s.expect(http.StatusForbidden, i, bob, "PUT", "/v1/users/@bob/following/@ada", nil, nil)
				}
			})
		})
	}
}

func TestAFollowAndABlockOnTwoSidesOfACutEndInABlock(t *testing.T) {
	for blocker := range 3 {
		t.Run(fmt.Sprint("block on node ", blocker), func(t *testing.T) {
			simulate(t, 3, lan, func(s *simulation) { s.crossABlock(blocker) })
		})
	}
}

// crossABlock blocks on a node that is cut off, and on the others does all that the
// block does not suffer.
func (s *simulation) crossABlock(blocker int) {
	one, other := (blocker+1)%3, (blocker+2)%3
	ada, bob := s.signUp(0, "ada"), s.signUp(1, "bob")
	s.converge()
	s.net.Partition([]p2p.NodeID{s.nodes[blocker].id}, []p2p.NodeID{s.nodes[one].id, s.nodes[other].id})
	time.Sleep(5 * time.Second)
	ada.seen, bob.seen = "", "" // a session does not reach across the cut
	s.expect(http.StatusNoContent, blocker, ada, "PUT", "/v1/users/"+ada.ID+"/blocks/"+bob.ID, nil, nil)
	s.expect(http.StatusNoContent, one, bob, "PUT", "/v1/users/"+bob.ID+"/following/"+ada.ID, nil, nil)
	s.befriend(other, bob, ada.ID, "requested")
	device := &account{ID: ada.ID, Session: ada.Session}
	s.expect(http.StatusNoContent, one, device, "PUT", "/v1/users/"+ada.ID+"/following/"+bob.ID, nil, nil)
	s.lists(other, nil, "/v1/users/"+ada.ID+"/friends", "bob")
	s.net.Heal()
	s.converge()
	ada.seen, bob.seen = "", ""
	for _, path := range []string{"@ada/following", "@ada/followers", "@bob/following", "@bob/followers", "@ada/friends"} {
		s.everywhere(nil, "/v1/users/"+path)
	}
	s.everywhere(bob, "/v1/users/@bob/friend-requests?direction=out")
	s.everywhere(ada, "/v1/users/@ada/blocks", "bob")
}

func TestAMutedAccountLeavesTheTimelinesAndNothingElse(t *testing.T) {
	simulate(t, 3, lan, func(s *simulation) {
		ada, bob := s.signUp(0, "ada"), s.signUp(1, "bob")
		s.expect(http.StatusNoContent, 0, ada, "PUT", "/v1/users/@ada/following/@bob", nil, nil)
		bobs := s.post(1, bob, "by bob")
		s.homeShows(2, ada, "by bob")
		s.expect(http.StatusNoContent, 1, ada, "PUT", "/v1/users/@ada/mutes/@bob", nil, nil)
		for i := range 3 {
			s.homeShows(i, ada)
			s.lists(i, ada, "/v1/users/@ada/mutes", "bob")
			s.lists(i, ada, "/v1/users/@ada/following", "bob")
			s.expect(http.StatusOK, i, ada, "GET", "/v1/posts/"+bobs, nil, nil)
			var public, theirs page
			s.expect(http.StatusOK, i, ada, "GET", "/v1/timelines/public", nil, &public)
			s.expect(http.StatusOK, i, ada, "GET", "/v1/users/@bob/posts", nil, &theirs)
			if len(public.Items) != 0 || len(theirs.Items) != 1 {
				t.Errorf("node %d: ada sees %d posts in public and %d of bob's", i, len(public.Items), len(theirs.Items))
			}
			s.expect(http.StatusForbidden, i, bob, "GET", "/v1/users/@ada/mutes", nil, nil)
		}
		s.expect(http.StatusNoContent, 2, ada, "DELETE", "/v1/users/@ada/mutes/@bob", nil, nil)
		s.homeShows(0, ada, "by bob")
	})
}

func TestTheGraphIsCountedSuggestedAndSearchedOnEveryNode(t *testing.T) {
	simulate(t, 3, lan, func(s *simulation) {
		who := map[string]*account{}
		for i, name := range []string{"ada", "bob", "cyd", "dan", "eve", "fay"} {
			who[name] = s.signUp(i%3, name)
		}
		// ada → bob, cyd → dan → eve; cyd → ada; fay is alone.
		for i, edge := range [][2]string{{"ada", "bob"}, {"ada", "cyd"}, {"bob", "dan"}, {"cyd", "dan"}, {"cyd", "ada"}, {"dan", "eve"}} {
			s.expect(http.StatusNoContent, i%3, who[edge[0]], "PUT", "/v1/users/@"+edge[0]+"/following/@"+edge[1], nil, nil)
		}
		s.everywhere(nil, "/v1/users/@dan/followers", "bob", "cyd")
		s.everywhere(nil, "/v1/users/@eve/followers", "dan")
		s.everywhere(nil, "/v1/users/@ada/followers", "cyd")
		for i := range 3 {
			var counts struct {
				Following int `json:"following_count"`
				Followers int `json:"followers_count"`
				Friends   int `json:"friends_count"`
			}
			s.expect(http.StatusOK, i, nil, "GET", "/v1/users/@ada", nil, &counts)
			if counts.Following != 2 || counts.Followers != 1 || counts.Friends != 1 {
				t.Errorf("node %d counts %+v", i, counts)
			}
			var suggested struct {
				Items []struct {
					User   struct{ Username string }
					Reason struct {
						Common []string
						Count  int
					}
				}
			}
			s.expect(http.StatusOK, i, who["ada"], "GET", "/v1/users/@ada/suggestions", nil, &suggested)
			if len(suggested.Items) != 1 || suggested.Items[0].User.Username != "dan" || suggested.Items[0].Reason.Count != 2 ||
				!slices.Equal(suggested.Items[0].Reason.Common, []string{"bob", "cyd"}) {
				t.Errorf("node %d suggests %+v", i, suggested)
			}
			var found struct {
				Path []struct{ Username string }
			}
			s.expect(http.StatusOK, i, nil, "GET", "/v1/users/@cyd/path/@eve", nil, &found)
			if fmt.Sprint(found.Path) != "[{cyd} {dan} {eve}]" {
				t.Errorf("node %d finds the path %v", i, found.Path)
			}
			s.expect(http.StatusNotFound, i, nil, "GET", "/v1/users/@eve/path/@ada", nil, nil)
			s.expect(http.StatusNotFound, i, nil, "GET", "/v1/users/@ada/path/@fay", nil, nil)
			s.lists(i, nil, "/v1/users/@bob/mutuals/@cyd", "ada")
			var relation map[string]bool
			s.expect(http.StatusOK, i, who["ada"], "GET", "/v1/users/@ada/relations/@cyd", nil, &relation)
			if !relation["following"] || !relation["followed_by"] || relation["friends"] || relation["blocking"] {
				t.Errorf("node %d: %v", i, relation)
			}
		}
	})
}

func TestBadInputToTheGraphNamesTheField(t *testing.T) {
	simulate(t, 1, lan, func(s *simulation) {
		ada := s.signUp(0, "ada")
		for _, c := range []struct {
			want         int
			method, path string
			body         any
		}{
			{http.StatusUnprocessableEntity, "POST", "/v1/users/@ada/friends", map[string]string{"friend": "@ada"}},
			{http.StatusUnprocessableEntity, "POST", "/v1/users/@ada/friends", map[string]string{}},
			{http.StatusNotFound, "POST", "/v1/users/@ada/friends", map[string]string{"friend": "@nobody"}},
			{http.StatusUnprocessableEntity, "PUT", "/v1/users/@ada/blocks/@ada", nil},
			{http.StatusNotFound, "PUT", "/v1/users/@ada/blocks/nobody", nil},
			{http.StatusUnprocessableEntity, "PUT", "/v1/users/@ada/mutes/@ada", nil},
			{http.StatusUnprocessableEntity, "GET", "/v1/users/@ada/suggestions?cursor=x", nil},
			{http.StatusUnprocessableEntity, "GET", "/v1/users/@ada/friends?cursor=x", nil},
			{http.StatusUnprocessableEntity, "GET", "/v1/users/@ada/friend-requests?direction=up", nil},
			{http.StatusNotFound, "GET", "/v1/users/@ada/path/@nobody", nil},
			{http.StatusNotFound, "GET", "/v1/users/@nobody/suggestions", nil},
		} {
			s.expect(c.want, 0, ada, c.method, c.path, c.body, nil)
		}
	})
}
