package node_test

import (
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"testing"

	"grapevine/services/social"
)

// postPage is a page of a list of posts, and tree a thread.
type (
	postPage = social.Page[social.Post]
	tree     = social.Thread[social.Post]
)

func idsOf(posts []social.Post) []string {
	ids := []string{}
	for _, p := range posts {
		ids = append(ids, p.ID)
	}
	return ids
}

// shows waits until a list of posts on a node holds exactly these, in this order.
func (s *simulation) shows(i int, who *account, path string, want ...string) {
	s.t.Helper()
	s.eventually(fmt.Sprintf("node %d shows %s", i, path), func() error {
		var p postPage
		s.expect(http.StatusOK, i, who, "GET", path, nil, &p)
		if got := idsOf(p.Items); !slices.Equal(got, want) && len(got)+len(want) > 0 {
			return fmt.Errorf("%v, want %v", got, want)
		}
		return nil
	})
}

// counts waits until a post on a node has these counts.
func (s *simulation) counts(i int, who *account, id string, want social.PostCounts) {
	s.t.Helper()
	s.eventually(fmt.Sprintf("node %d counts %+v", i, want), func() error {
		var p social.Post
		s.expect(http.StatusOK, i, who, "GET", "/v1/posts/"+id, nil, &p)
		if p.Counts == nil || *p.Counts != want {
			return fmt.Errorf("counts are %+v", p.Counts)
		}
		return nil
	})
}

func (s *simulation) publish(i int, who *account, text, replyTo string, v social.Visibility) string {
	s.t.Helper()
	var p social.Post
	body := map[string]string{"text": text, "visibility": string(v)}
	if replyTo != "" {
		body["reply_to"] = replyTo
	}
	s.expect(http.StatusCreated, i, who, "POST", "/v1/posts", body, &p)
	return p.ID
}

// TestAConversationGoesOnThroughAllNodesAndThoseThatAreLeft is what people do with
// posts: like, pass on, answer, tag, mention, change and delete, each on another
// node; half-way a node dies, and what was done stands and goes on.
func TestAConversationGoesOnThroughAllNodesAndThoseThatAreLeft(t *testing.T) {
	simulate(t, 3, lan, func(s *simulation) {
		ada, bob, eve := s.signUp(0, "ada"), s.signUp(1, "bob"), s.signUp(2, "eve")
		s.expect(http.StatusNoContent, 2, eve, "PUT", "/v1/users/@eve/following/@bob", nil, nil)
		root := s.publish(0, ada, "Hello #Grapes, says @bob", "", social.Public)
		s.shows(1, bob, "/v1/timelines/mentions", root)

		// Marks are one each, however often they are made, and the maker sees them at
		// once on any node.
		for i := range 3 {
			s.expect(http.StatusNoContent, i, bob, "PUT", "/v1/posts/"+root+"/like", nil, nil)
			s.expect(http.StatusNoContent, i, bob, "PUT", "/v1/posts/"+root+"/repost", nil, nil)
			var p social.Post
			s.expect(http.StatusOK, (i+1)%3, bob, "GET", "/v1/posts/"+root, nil, &p)
			if *p.Viewer != (social.PostViewer{Liked: true, Reposted: true}) {
				t.Errorf("bob did %+v", *p.Viewer)
			}
		}
		reply := s.publish(2, eve, "an answer", root, social.Public)
		nested := s.publish(0, bob, "to followers", reply, social.Followers)
		for i := range 3 {
			s.counts(i, nil, root, social.PostCounts{Likes: 1, Reposts: 1, Replies: 1})
			s.shows(i, nil, "/v1/timelines/tags/grapes", root)
			s.markedBy(i, root, "likes", bob.ID)
			s.markedBy(i, root, "reposts", bob.ID)
			s.threadIs(i, eve, root, nil, reply, nested)
			s.threadIs(i, ada, root, nil, reply) // ada does not follow bob
			s.threadIs(i, eve, nested, []string{root, reply})
		}
		repost := s.repostIn(2, eve, root)

		s.crash(1)
		left := []int{0, 2}
		s.expect(http.StatusNoContent, 2, eve, "PUT", "/v1/posts/"+repost+"/like", nil, nil) // of what it passes on
		s.expect(http.StatusNoContent, 0, bob, "DELETE", "/v1/posts/"+root+"/like", nil, nil)
		s.expect(http.StatusOK, 2, ada, "PATCH", "/v1/posts/"+root, map[string]string{"text": "Hello #Wine"}, nil)
		for _, i := range left {
			s.markedBy(i, root, "likes", eve.ID)
			s.shows(i, nil, "/v1/timelines/tags/grapes")
			s.shows(i, nil, "/v1/timelines/tags/wine", root)
			s.historyIs(i, root, "Hello #Wine", "Hello #Grapes, says @bob")
		}
		s.expect(http.StatusNoContent, 0, bob, "DELETE", "/v1/posts/"+root+"/repost", nil, nil)
		s.shows(2, eve, "/v1/timelines/home", nested, reply)
		s.expect(http.StatusNoContent, 0, bob, "PUT", "/v1/posts/"+root+"/repost", nil, nil)
		s.repostIn(2, eve, root)

		s.start(1)
		s.converge()
		s.expect(http.StatusNoContent, 1, ada, "DELETE", "/v1/posts/"+root, nil, nil)
		for i := range 3 {
			s.shows(i, eve, "/v1/timelines/home", nested, reply)
			s.shows(i, nil, "/v1/timelines/tags/wine")
			s.shows(i, bob, "/v1/timelines/mentions")
			s.threadIs(i, eve, nested, []string{reply})
			s.expect(http.StatusNotFound, i, eve, "GET", "/v1/posts/"+root+"/history", nil, nil)
			s.expect(http.StatusNotFound, i, eve, "PUT", "/v1/posts/"+root+"/like", nil, nil)
			s.expect(http.StatusNotFound, i, eve, "GET", "/v1/posts/"+root+"/thread", nil, nil)
		}
		s.converge()
	})
}

func (s *simulation) markedBy(i int, id, list string, want ...string) {
	s.t.Helper()
	s.eventually(fmt.Sprintf("node %d lists %s", i, list), func() error {
		var p social.Page[social.User]
		s.expect(http.StatusOK, i, nil, "GET", "/v1/posts/"+id+"/"+list, nil, &p)
		var got []string
		for _, u := range p.Items {
			got = append(got, u.ID)
		}
		if !slices.Equal(got, want) {
			return fmt.Errorf("%v, want %v", got, want)
		}
		return nil
	})
}

func (s *simulation) threadIs(i int, who *account, id string, above []string, below ...string) {
	s.t.Helper()
	s.eventually(fmt.Sprintf("node %d shows the thread", i), func() error {
		var thread tree
		s.expect(http.StatusOK, i, who, "GET", "/v1/posts/"+id+"/thread", nil, &thread)
		up, down := idsOf(thread.Ancestors), idsOf(thread.Descendants)
		if thread.Post.ID != id || !slices.Equal(up, above) || !slices.Equal(down, below) {
			return fmt.Errorf("above %v, below %v; want %v and %v", up, down, above, below)
		}
		return nil
	})
}

func (s *simulation) historyIs(i int, id string, want ...string) {
	s.t.Helper()
	s.eventually(fmt.Sprintf("node %d tells the history", i), func() error {
		var p social.Page[social.PostVersion]
		s.expect(http.StatusOK, i, nil, "GET", "/v1/posts/"+id+"/history", nil, &p)
		var got []string
		for _, v := range p.Items {
			got = append(got, v.Text)
		}
		if !reflect.DeepEqual(got, want) {
			return fmt.Errorf("%q, want %q", got, want)
		}
		return nil
	})
}

// repostIn waits until a home shows one repost of a post, with the post in it, and
// gives the repost's id.
func (s *simulation) repostIn(i int, who *account, original string) (id string) {
	s.t.Helper()
	s.eventually("a repost is in a home", func() error {
		var p postPage
		s.expect(http.StatusOK, i, who, "GET", "/v1/timelines/home", nil, &p)
		id = ""
		for _, p := range p.Items {
			if p.RepostOf != original {
				continue
			}
			if id != "" || p.Reposted == nil || p.Reposted.ID != original || p.Reposted.Counts == nil {
				return fmt.Errorf("repost %+v of %+v beside %q", p, p.Reposted, id)
			}
			id = p.ID
		}
		if id == "" {
			return fmt.Errorf("no repost of %s in %v", original, idsOf(p.Items))
		}
		return nil
	})
	return id
}

// TestBadInputAboutPostsIsToldOnEveryRoute: nothing that a client sends is a fault
// of the server.
func TestBadInputAboutPostsIsToldOnEveryRoute(t *testing.T) {
	simulate(t, 1, lan, func(s *simulation) {
		ada := s.signUp(0, "ada")
		id := s.publish(0, ada, "x", "", social.Direct)
		for _, c := range []struct {
			want         int
			who          *account
			method, path string
		}{
			{http.StatusUnauthorized, nil, "PUT", "/v1/posts/" + id + "/like"},
			{http.StatusNotFound, nil, "GET", "/v1/posts/" + id + "/likes"},
			{http.StatusNotFound, ada, "PUT", "/v1/posts/nothing/like"},
			{http.StatusNotFound, ada, "DELETE", "/v1/posts/nothing/repost"},
			{http.StatusForbidden, ada, "PUT", "/v1/posts/" + id + "/repost"},
			{http.StatusUnprocessableEntity, ada, "GET", "/v1/posts/" + id + "/thread?cursor=a.b"},
			{http.StatusUnprocessableEntity, ada, "GET", "/v1/posts/" + id + "/history?cursor=a"},
			{http.StatusUnprocessableEntity, ada, "GET", "/v1/posts/" + id + "/thread?limit=0"},
			{http.StatusUnprocessableEntity, ada, "GET", "/v1/timelines/tags/%20"},
			{http.StatusUnprocessableEntity, ada, "GET", "/v1/timelines/home?author=@nobody"},
			{http.StatusUnprocessableEntity, ada, "GET", "/v1/timelines/home?tag=!"},
			{http.StatusUnprocessableEntity, ada, "GET", "/v1/timelines/home?since=yesterday"},
			{http.StatusUnprocessableEntity, ada, "GET", "/v1/timelines/home?replies=maybe"},
			{http.StatusUnprocessableEntity, ada, "GET", "/v1/timelines/mentions?cursor=~x"},
			{http.StatusUnprocessableEntity, ada, "GET", "/v1/timelines/home?since=2026-01-01T00:00:00Z&until=2025-01-01T00:00:00Z"},
			{http.StatusOK, ada, "GET", "/v1/timelines/public?since=0001-01-02T00:00:00Z&until=9999-12-31T23:59:59Z"},
			{http.StatusOK, nil, "GET", "/v1/users/@ada/posts?tag=x&replies=false&cursor=~" + id},
			{http.StatusUnauthorized, nil, "GET", "/v1/timelines/mentions"},
		} {
			if got := s.do(0, c.who, c.method, c.path, nil, nil); got != c.want {
				t.Errorf("%s %s: %d, want %d", c.method, c.path, got, c.want)
			}
		}
	})
}
