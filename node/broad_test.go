package node_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"grapevine/p2p"
	"grapevine/services/schema"
	"grapevine/store"
)

// merges waits until a node has a home merge an author's posts in, or not.
func (s *simulation) merges(i int, reader, author *account, want bool) {
	s.t.Helper()
	s.eventually("the home merges the author", func() error {
		rows, err := s.nodes[i].Store().GetMany(s.t.Context(), []store.Key{schema.Merged(reader.ID, author.ID)})
		if err == nil && rows[0].Exists() != want {
			err = fmt.Errorf("merged on node %d: %t, want %t", i, !want, want)
		}
		return err
	})
}

// TestHomesShowABroadAuthorOnceOnAllNodes: in simulations an author is broad from the
// third follower.
func TestHomesShowABroadAuthorOnceOnAllNodes(t *testing.T) {
	simulate(t, 3, lan, func(s *simulation) {
		ada := s.signUp(0, "ada")
		var readers []*account
		for i, name := range []string{"bob", "eve", "kim"} {
			reader := s.signUp(i, name)
			s.expect(http.StatusNoContent, i, reader, "PUT", "/v1/users/"+reader.ID+"/following/@ada", nil, nil)
			readers = append(readers, reader)
		}
		s.lists(0, nil, "/v1/users/@ada/followers", "bob", "eve", "kim")
		s.post(0, ada, "first")
		s.merges(0, readers[2], ada, true)
		second := s.post(1, ada, "second")
		s.post(2, readers[0], "bob's own")
		late := s.signUp(2, "late")
		s.expect(http.StatusNoContent, 2, late, "PUT", "/v1/users/"+late.ID+"/following/@ada", nil, nil)
		for i := range 3 {
			s.homeShows(i, readers[0], "bob's own", "second", "first")
			s.homeShows(i, readers[1], "second", "first")
			s.homeShows(i, late, "second", "first")
		}
		s.expect(http.StatusNoContent, 1, ada, "DELETE", "/v1/posts/"+second, nil, nil)
		s.expect(http.StatusNoContent, 2, readers[1], "DELETE", "/v1/users/@eve/following/@ada", nil, nil)
		for i := range 3 {
			s.homeShows(i, readers[2], "first")
			s.homeShows(i, readers[1])
			s.merges(i, readers[1], ada, false)
		}
		s.expect(http.StatusNoContent, 1, ada, "DELETE", "/v1/users/@ada", nil, nil)
		for i := range 3 {
			s.homeShows(i, readers[2])
			s.merges(i, readers[2], ada, false)
		}
	})
}

// TestAnAuthorWhoBecomesBroadOnOneSideOfASplitLosesNobody: the other side has a
// follower and posts that the first does not know.
func TestAnAuthorWhoBecomesBroadOnOneSideOfASplitLosesNobody(t *testing.T) {
	for lone := range 3 {
		t.Run(fmt.Sprint("node ", lone, " is cut off"), func(t *testing.T) {
			simulate(t, 3, lan, func(s *simulation) { s.broadAcrossACut(lone) })
		})
	}
}

func (s *simulation) broadAcrossACut(lone int) {
	one, other := (lone+1)%3, (lone+2)%3
	ada := s.signUp(0, "ada")
	var readers []*account
	for i, name := range []string{"bob", "eve", "kim", "lea"} {
		readers = append(readers, s.signUp(i%3, name))
	}
	s.converge()
	for _, reader := range readers[:2] {
		s.expect(http.StatusNoContent, one, reader, "PUT", "/v1/users/"+reader.ID+"/following/"+ada.ID, nil, nil)
	}
	s.lists(lone, nil, "/v1/users/@ada/followers", "bob", "eve")
	s.converge()
	s.net.Partition([]p2p.NodeID{s.nodes[lone].id}, []p2p.NodeID{s.nodes[one].id, s.nodes[other].id})
	time.Sleep(5 * time.Second)
	ada.seen, readers[2].seen, readers[3].seen = "", "", "" // a session does not reach across the cut
	kim, lea, device := readers[2], readers[3], &account{ID: ada.ID, Session: ada.Session}
	s.expect(http.StatusNoContent, one, kim, "PUT", "/v1/users/"+kim.ID+"/following/"+ada.ID, nil, nil)
	s.expect(http.StatusNoContent, lone, lea, "PUT", "/v1/users/"+lea.ID+"/following/"+ada.ID, nil, nil)
	time.Sleep(time.Second)
	s.post(one, ada, "first")
	s.post(lone, device, "second")
	time.Sleep(time.Minute)
	s.post(lone, device, "third")
	s.post(one, ada, "fourth")
	s.net.Heal()
	s.converge()
	ada.seen = ""
	s.post(other, ada, "fifth")
	for _, reader := range readers {
		reader.seen = ""
		for i := range 3 {
			s.homeShows(i, reader, "fifth", "fourth", "third", "second", "first")
			s.merges(i, reader, ada, true)
		}
	}
}
