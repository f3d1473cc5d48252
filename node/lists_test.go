package node_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// titles waits until a user's lists on every node have these titles.
func (s *simulation) titles(who *account, want ...string) {
	s.t.Helper()
	for i := range s.nodes {
		s.eventually("the lists are known", func() error {
			var lists struct {
				Items []struct {
					Title string `json:"title"`
				} `json:"items"`
			}
			s.expect(http.StatusOK, i, who, "GET", "/v1/lists", nil, &lists)
			got := []string{}
			for _, l := range lists.Items {
				got = append(got, l.Title)
			}
			if !slices.Equal(got, append([]string{}, want...)) {
				return fmt.Errorf("node %d: %q, want %q", i, got, want)
			}
			return nil
		})
	}
}

// reads waits until a list of posts on a node has exactly these texts, newest first.
func (s *simulation) reads(i int, who *account, path string, want ...string) {
	s.t.Helper()
	s.eventually(fmt.Sprintf("node %d shows %s", i, path), func() error {
		var posts page
		s.expect(http.StatusOK, i, who, "GET", path, nil, &posts)
		if got := posts.texts(); !slices.Equal(got, want) {
			return fmt.Errorf("%q, want %q", got, want)
		}
		return nil
	})
}

// listShows is reads of the timeline of a list, on every node.
func (s *simulation) listShows(who *account, list string, want ...string) {
	s.t.Helper()
	for i := range s.nodes {
		s.reads(i, who, "/v1/timelines/lists/"+list, want...)
	}
}

func TestAListShowsThePostsOfItsMembersToItsOwnerAlone(t *testing.T) {
	simulate(t, 3, lan, func(s *simulation) {
		ada, bob, eve := s.signUp(0, "ada"), s.signUp(1, "bob"), s.signUp(2, "eve")
		var list struct{ ID string }
		s.expect(http.StatusCreated, 0, ada, "POST", "/v1/lists", map[string]string{"title": "friends"}, &list)
		path := "/v1/lists/" + list.ID
		for i, name := range []string{"bob", "eve"} {
			s.expect(http.StatusNoContent, i, ada, "PUT", path+"/members/@"+name, nil, nil)
			s.expect(http.StatusNoContent, i+1, ada, "PUT", path+"/members/@"+name, nil, nil)
		}
		s.post(2, bob, "bob's first #go")
		s.post(0, eve, "eve's")
		s.expect(http.StatusCreated, 1, bob, "POST", "/v1/posts", map[string]string{"text": "for followers", "visibility": "followers"}, nil)
		s.post(1, bob, "bob's second")
		s.listShows(ada, list.ID, "bob's second", "eve's", "bob's first #go")
		s.reads(1, ada, "/v1/timelines/lists/"+list.ID+"?tag=go", "bob's first #go")
		s.reads(1, ada, "/v1/timelines/lists/"+list.ID+"?author=@eve", "eve's")
		for _, other := range []*account{bob, eve} {
			s.expect(http.StatusNotFound, 0, other, "GET", path, nil, nil)
			s.expect(http.StatusNotFound, 1, other, "GET", "/v1/timelines/lists/"+list.ID, nil, nil)
			s.expect(http.StatusNotFound, 2, other, "PUT", path+"/members/@ada", nil, nil)
			s.titles(other)
		}
		s.expect(http.StatusOK, 2, ada, "PATCH", path, map[string]string{"title": "foes"}, nil)
		s.titles(ada, "foes")

		s.expect(http.StatusNoContent, 1, ada, "DELETE", path+"/members/@eve", nil, nil)
		s.listShows(ada, list.ID, "bob's second", "bob's first #go")
		s.expect(http.StatusNoContent, 2, bob, "PUT", "/v1/users/@bob/blocks/@ada", nil, nil)
		s.listShows(ada, list.ID)
		s.expect(http.StatusForbidden, 2, ada, "PUT", path+"/members/@bob", nil, nil)
		s.expect(http.StatusNoContent, 0, ada, "DELETE", path, nil, nil)
		s.titles(ada)
		s.expect(http.StatusNotFound, 1, ada, "GET", path, nil, nil)
	})
}

func TestWhoIsDeletedIsInNoListAndWhoseListsGoToo(t *testing.T) {
	simulate(t, 3, lan, func(s *simulation) {
		ada, bob := s.signUp(0, "ada"), s.signUp(1, "bob")
		s.signUp(2, "eve")
		var list struct{ ID string }
		s.expect(http.StatusCreated, 1, ada, "POST", "/v1/lists", map[string]string{"title": "friends"}, &list)
		for _, name := range []string{"bob", "eve"} {
			s.expect(http.StatusNoContent, 0, ada, "PUT", "/v1/lists/"+list.ID+"/members/@"+name, nil, nil)
		}
		s.expect(http.StatusNoContent, 0, bob, "DELETE", "/v1/users/@bob", nil, nil)
		s.eventually("bob has left the list", func() error {
			var members page
			s.expect(http.StatusOK, 2, ada, "GET", "/v1/lists/"+list.ID+"/members", nil, &members)
			if len(members.Items) != 1 {
				return fmt.Errorf("%+v", members)
			}
			return nil
		})
	})
}

func TestAListThatCannotBeNamesWhatIsWrong(t *testing.T) {
	simulate(t, 1, lan, func(s *simulation) {
		ada := s.signUp(0, "ada")
		for _, title := range []string{"", " ", "\t", "a\x00b", strings.Repeat("ü", 101)} {
			s.expect(http.StatusUnprocessableEntity, 0, ada, "POST", "/v1/lists", map[string]string{"title": title}, nil)
		}
		var list struct{ ID string }
		s.expect(http.StatusCreated, 0, ada, "POST", "/v1/lists", map[string]string{"title": strings.Repeat("ü", 100)}, &list)
		s.expect(http.StatusNotFound, 0, ada, "PUT", "/v1/lists/"+list.ID+"/members/@nobody", nil, nil)
		s.expect(http.StatusNotFound, 0, ada, "PUT", "/v1/lists/"+ada.ID+"/members/@ada", nil, nil)
		s.expect(http.StatusNotFound, 0, ada, "GET", "/v1/lists/%2F", nil, nil)
		s.expect(http.StatusNotFound, 0, ada, "GET", "/v1/timelines/lists/%00", nil, nil)
		s.expect(http.StatusUnauthorized, 0, nil, "GET", "/v1/lists", nil, nil)
	})
}
