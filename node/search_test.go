package node_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"testing"
)

// found is a page of what a search for posts gave.
type found struct {
	Items []struct {
		Post struct {
			ID   string `json:"id"`
			Text string `json:"text"`
		} `json:"post"`
		Highlight string `json:"highlight"`
	} `json:"items"`
	Next   string `json:"next"`
	Shards struct {
		Asked    int `json:"asked"`
		Answered int `json:"answered"`
	} `json:"shards"`
}

func (s *simulation) search(i int, who *account, query string, out any) {
	s.t.Helper()
	s.expect(http.StatusOK, i, who, "GET", "/v1/search?"+query, nil, out)
}

// finds waits until a search on a node finds exactly these texts, newest first, in
// all partitions.
func (s *simulation) finds(i int, who *account, q string, texts ...string) {
	s.t.Helper()
	s.eventually(fmt.Sprintf("node %d finds %q", i, q), func() error {
		var page found
		if code := s.do(i, who, "GET", "/v1/search?sort=newest&q="+url.QueryEscape(q), nil, &page); code != http.StatusOK {
			return fmt.Errorf("status %d", code) // nobody has indexed yet
		}
		got := []string{}
		for _, item := range page.Items {
			got = append(got, item.Post.Text)
		}
		if !slices.Equal(got, texts) && len(got)+len(texts) > 0 || page.Shards.Answered != page.Shards.Asked {
			return fmt.Errorf("%q of %+v, want %q", got, page.Shards, texts)
		}
		return nil
	})
}

func TestWhatIsPostedOnOneNodeIsFoundOnAllAndByThoseThatAreLeft(t *testing.T) {
	simulate(t, 3, lan, func(s *simulation) {
		ada, bob, eve := s.signUp(0, "ada"), s.signUp(1, "bob"), s.signUp(2, "eve")
		s.expect(http.StatusNoContent, 2, bob, "PUT", "/v1/users/"+bob.ID+"/following/@ada", nil, nil)
		first := s.post(0, ada, "The grapes of <wrath> #steinbeck")
		s.post(1, bob, "a grape a day")
		for text, v := range map[string]string{"grape for @eve": "direct", "grapes for followers": "followers"} {
			s.expect(http.StatusCreated, 2, ada, "POST", "/v1/posts", map[string]string{"text": text, "visibility": v}, nil)
		}
		for i := range 3 {
			s.finds(i, nil, "grape", "a grape a day", "The grapes of <wrath> #steinbeck")
			s.finds(i, eve, "grape", "a grape a day", "The grapes of <wrath> #steinbeck")
			s.finds(i, bob, "grape", "grapes for followers", "a grape a day", "The grapes of <wrath> #steinbeck")
			s.finds(i, nil, `"a grape" -wrath`, "a grape a day")
			s.finds(i, nil, "#Steinbeck", "The grapes of <wrath> #steinbeck")
		}
		var page found
		s.search(1, nil, "q=grapes+AND+wrath", &page)
		if len(page.Items) != 1 || page.Items[0].Highlight != "The <mark>grapes</mark> of &lt;<mark>wrath</mark>&gt; #steinbeck" {
			t.Errorf("%+v", page)
		}
		s.finders(ada)

		s.expect(http.StatusOK, 1, ada, "PATCH", "/v1/posts/"+first, map[string]string{"text": "the raisins"}, nil)
		for i := range 3 {
			s.finds(i, nil, "raisin", "the raisins")
			s.finds(i, nil, "wrath")
		}
		s.expect(http.StatusNoContent, 2, ada, "DELETE", "/v1/posts/"+first, nil, nil)
		s.finds(2, ada, "raisin")
		s.crash(1)
		s.post(0, bob, "a grape for those that are left")
		for _, i := range []int{0, 2} {
			s.finds(i, nil, "grape", "a grape for those that are left", "a grape a day")
		}
		s.start(1) // with an empty index, which it makes from its rows
		s.converge()
		s.finds(1, nil, "grape", "a grape for those that are left", "a grape a day")
		s.expect(http.StatusNoContent, 0, bob, "DELETE", "/v1/users/@bob", nil, nil)
		for i := range 3 {
			s.finds(i, nil, "grape")
		}
	})
}

// finders looks for users and tags.
func (s *simulation) finders(ada *account) {
	s.t.Helper()
	for i := range 3 {
		s.eventually("users and tags are found", func() error {
			var users page
			s.search(i, nil, "type=users&q=@AD", &users)
			var tags struct {
				Items []struct {
					Tag   string `json:"tag"`
					Posts int    `json:"posts"`
				} `json:"items"`
			}
			s.search(i, nil, "type=tags&q=stein", &tags)
			if len(users.Items) != 1 || users.Items[0].ID != ada.ID || len(tags.Items) != 1 || tags.Items[0].Tag != "steinbeck" || tags.Items[0].Posts != 1 {
				return fmt.Errorf("users %+v, tags %+v", users, tags)
			}
			return nil
		})
	}
}

func TestASearchThatCannotBeReadNamesWhatIsWrong(t *testing.T) {
	simulate(t, 1, lan, func(s *simulation) {
		for _, query := range []string{"q=", "q=(a", "q=%22a", "q=-a", "q=a&author=@nobody", "q=a&cursor=x", "type=tags&q=a+b", "type=users&q=a&tag=b", "q=%00%FF"} {
			if code := s.do(0, nil, "GET", "/v1/search?"+query, nil, nil); code != http.StatusUnprocessableEntity && code != http.StatusBadRequest {
				s.t.Errorf("%s: status %d", query, code)
			}
		}
	})
}
