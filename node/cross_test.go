package node_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"grapevine/p2p"
)

// TestAPostAndAFollowMadeOnTwoSidesOfACutMeet, wherever the cut was and however
// long it lasted.
func TestAPostAndAFollowMadeOnTwoSidesOfACutMeet(t *testing.T) {
	for left := range 3 {
		for _, lasted := range []time.Duration{5 * time.Second, 3 * time.Hour} {
			t.Run(fmt.Sprint("node ", left, " alone for ", lasted), func(t *testing.T) {
				simulate(t, 3, lan, func(s *simulation) {
					ada, bob := s.signUp(0, "ada"), s.signUp(1, "bob")
					s.converge()
					one, other := (left+1)%3, (left+2)%3
					s.net.Partition([]p2p.NodeID{s.nodes[left].id}, []p2p.NodeID{s.nodes[one].id, s.nodes[other].id})
					time.Sleep(5 * time.Second)
					ada.seen, bob.seen = "", "" // what they did before is everywhere
					s.post(left, ada, "by ada")
					s.expect(http.StatusNoContent, one, bob, "PUT", "/v1/users/"+bob.ID+"/following/"+ada.ID, nil, nil)
					s.lists(other, nil, "/v1/users/"+ada.ID+"/followers", "bob")
					time.Sleep(lasted)
					s.net.Heal()
					s.converge()
					bob.seen = ""
					for i := range 3 {
						s.homeShows(i, bob, "by ada")
					}
				})
			})
		}
	}
}
