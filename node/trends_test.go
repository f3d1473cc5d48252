package node_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
)

// trends is what GET /v1/trends/tags gives.
type trends struct {
	Items []struct {
		Tag     string  `json:"tag"`
		Posts   int     `json:"posts"`
		Authors int     `json:"authors"`
		Score   float64 `json:"score"`
	} `json:"items"`
	Shards struct {
		Asked    int `json:"asked"`
		Answered int `json:"answered"`
	} `json:"shards"`
}

// trending waits until exactly these tags trend on a node, each as "tag posts
// authors", counted in all partitions.
func (s *simulation) trending(i int, want ...string) {
	s.t.Helper()
	s.eventually(fmt.Sprintf("node %d shows the trends", i), func() error {
		var page trends
		if code := s.do(i, nil, "GET", "/v1/trends/tags?limit=100", nil, &page); code != http.StatusOK {
			return fmt.Errorf("status %d", code) // nobody has counted yet
		}
		var got []string
		for _, item := range page.Items {
			got = append(got, fmt.Sprint(item.Tag, " ", item.Posts, " ", item.Authors))
		}
		if !slices.Equal(got, want) || page.Shards.Answered != page.Shards.Asked {
			return fmt.Errorf("%q of %+v, want %q", got, page.Shards, want)
		}
		return nil
	})
}

func TestTagsTrendByTheirAuthorsOnAllNodesAndOnThoseThatAreLeft(t *testing.T) {
	simulate(t, 3, lan, func(s *simulation) {
		ada, bob, eve := s.signUp(0, "ada"), s.signUp(1, "bob"), s.signUp(2, "eve")
		first := s.post(0, ada, "one #wine of #Port")
		s.post(1, bob, "another #Wine")
		s.post(2, eve, "a third #wine")
		for i := range 6 {
			s.post(i%3, eve, fmt.Sprintf("loud #noise %d", i))
		}
		s.expect(http.StatusCreated, 2, ada, "POST", "/v1/posts", map[string]string{"text": "hidden #wine", "visibility": "followers"}, nil)
		for i := range 3 {
			s.trending(i, "wine 3 3", "noise 6 1", "port 1 1")
		}

		s.expect(http.StatusOK, 1, ada, "PATCH", "/v1/posts/"+first, map[string]string{"text": "rather #Port and #rum"}, nil)
		for i := range 3 {
			s.trending(i, "wine 2 2", "noise 6 1", "port 1 1", "rum 1 1")
		}
		s.expect(http.StatusNoContent, 2, ada, "DELETE", "/v1/posts/"+first, nil, nil)
		s.crash(1)
		for _, i := range []int{0, 2} {
			s.trending(i, "wine 2 2", "noise 6 1")
		}
		s.post(0, ada, "for those that are left #wine")
		s.start(1) // with no counts, which it makes from its rows
		s.converge()
		s.trending(1, "wine 3 3", "noise 6 1")
		s.expect(http.StatusNoContent, 0, eve, "DELETE", "/v1/users/@eve", nil, nil)
		for i := range 3 {
			s.trending(i, "wine 2 2")
		}
	})
}

func TestAPartitionThatOthersAnswerForIsNeverCountedTwice(t *testing.T) {
	simulate(t, 4, lan, func(s *simulation) {
		var authors []*account
		for i := range 8 {
			authors = append(authors, s.signUp(i%4, fmt.Sprintf("user%d", i)))
		}
		for i, a := range authors {
			s.post(i%4, a, "a #grape")
		}
		s.trending(0, "grape 8 8")
		s.crash(3) // others than before answer for its partitions
		for i := range 3 {
			s.trending(i, "grape 8 8")
		}
	})
}
