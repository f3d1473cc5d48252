package node_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"grapevine/node/client"
	"grapevine/p2p"
	"grapevine/services/social"
)

// inbox gives what a user is told on a node, newest first, as "KIND COUNT", with *
// where it is not read.
func (s *simulation) inbox(i int, who *account, query string) (items []string, p client.NotificationPage) {
	s.t.Helper()
	s.expect(http.StatusOK, i, who, "GET", "/v1/notifications"+query, nil, &p)
	for _, n := range p.Items {
		item := fmt.Sprintf("%s %d", n.Kind, n.Count)
		if !n.Read {
			item += "*"
		}
		items = append(items, item)
	}
	return items, p
}

// tells waits until a user is told exactly this, newest first, on all nodes that are
// up.
func (s *simulation) tells(who *account, want ...string) client.NotificationPage {
	s.t.Helper()
	var page client.NotificationPage
	for i, n := range s.nodes {
		if !n.up {
			continue
		}
		s.eventually(fmt.Sprintf("node %d tells", i), func() error {
			items, p := s.inbox(i, who, "")
			if page = p; !slices.Equal(items, want) {
				return fmt.Errorf("%q, want %q", items, want)
			}
			return nil
		})
	}
	return page
}

// TestAnInboxIsTheSameOnEveryNode is what people are told of: likes become one, what
// is read on one node is read on all, what is taken back, muted, blocked or not wanted
// is gone at once; half-way a node dies.
func TestAnInboxIsTheSameOnEveryNode(t *testing.T) {
	t.Parallel()
	simulate(t, 3, lan, func(s *simulation) {
		ada, bob, cyd, dan := s.signUp(0, "ada"), s.signUp(1, "bob"), s.signUp(2, "cyd"), s.signUp(0, "dan")
		root := s.publish(0, ada, "hello", "", social.Public)
		for i, who := range []*account{bob, cyd, dan} {
			time.Sleep(10 * time.Millisecond)
			s.expect(http.StatusNoContent, i, who, "PUT", "/v1/posts/"+root+"/like", nil, nil)
		}
		time.Sleep(10 * time.Millisecond)
		s.publish(1, bob, "@ada well said", root, social.Public)
		page := s.tells(ada, "reply 1*", "like 3*")
		if page.Items[1].Post == nil || page.Items[1].Post.ID != root || page.Items[1].Actors[0].Username != "dan" || page.Unread != 4 {
			t.Errorf("told %+v", page)
		}

		s.expect(http.StatusNoContent, 2, ada, "POST", "/v1/notifications/read", client.ReadUpTo{UpTo: page.Items[1].ID}, nil)
		page = s.tells(ada, "reply 1*", "like 3")
		var unread client.Unread
		s.expect(http.StatusOK, 1, ada, "GET", "/v1/notifications/unread", nil, &unread)
		if unread.Count != 1 || page.Unread != 1 {
			t.Errorf("unread %d and %d, want 1", unread.Count, page.Unread)
		}

		s.crash(2)
		s.expect(http.StatusNoContent, 0, cyd, "DELETE", "/v1/posts/"+root+"/like", nil, nil)
		s.tells(ada, "reply 1*", "like 2")
		s.expect(http.StatusNoContent, 1, ada, "PUT", "/v1/users/@ada/mutes/@dan", nil, nil)
		s.tells(ada, "reply 1*", "like 1")
		s.expect(http.StatusOK, 0, ada, "PATCH", "/v1/notifications/preferences", map[string]string{"like": "following"}, nil)
		s.tells(ada, "reply 1*")
		s.expect(http.StatusNoContent, 1, ada, "PUT", "/v1/users/@ada/following/@bob", nil, nil)
		s.tells(ada, "reply 1*", "like 1")
		s.expect(http.StatusNoContent, 1, ada, "PUT", "/v1/users/@ada/blocks/@bob", nil, nil)
		s.tells(ada)
	})
}

// TestALikeFromBeyondACutIsNotTakenForRead: devices on two sides mark what they see,
// and what only the other side has seen stays as it is there.
func TestALikeFromBeyondACutIsNotTakenForRead(t *testing.T) {
	t.Parallel()
	simulate(t, 3, lan, func(s *simulation) {
		ada, bob, cyd := s.signUp(0, "ada"), s.signUp(1, "bob"), s.signUp(2, "cyd")
		one := s.publish(0, ada, "one", "", social.Public)
		two := s.publish(0, ada, "two", "", social.Public)
		s.converge()
		s.net.Partition([]p2p.NodeID{s.nodes[0].id}, []p2p.NodeID{s.nodes[1].id, s.nodes[2].id})
		time.Sleep(5 * time.Second)
		ada.seen, bob.seen, cyd.seen = "", "", ""
		s.expect(http.StatusNoContent, 0, bob, "PUT", "/v1/posts/"+one+"/like", nil, nil)
		time.Sleep(time.Minute)
		s.expect(http.StatusNoContent, 1, cyd, "PUT", "/v1/posts/"+two+"/like", nil, nil)
		var newest string
		s.eventually("the right side tells of its like", func() error {
			ada.seen = ""
			items, p := s.inbox(1, ada, "")
			if !slices.Equal(items, []string{"like 1*"}) {
				return fmt.Errorf("%q", items)
			}
			newest = p.Items[0].ID
			return nil
		})
		s.expect(http.StatusNoContent, 1, ada, "POST", "/v1/notifications/read", client.ReadUpTo{UpTo: newest}, nil)
		s.net.Heal()
		s.converge()
		ada.seen = ""
		s.tells(ada, "like 1", "like 1*")
		s.converge()
	})
}

// said waits until a channel has exactly these messages, newest first, on all nodes.
func (s *simulation) said(who *account, channel string, want ...string) {
	s.t.Helper()
	for i := range s.nodes {
		s.eventually(fmt.Sprintf("node %d has channel %s", i, channel), func() error {
			var p social.Page[social.ChannelMessage]
			s.expect(http.StatusOK, i, who, "GET", "/v1/channels/"+channel, nil, &p)
			var got []string
			for _, m := range p.Items {
				got = append(got, m.Message)
			}
			if !slices.Equal(got, want) {
				return fmt.Errorf("%q, want %q", got, want)
			}
			return nil
		})
	}
}

func TestWhatIsSaidInAChannelIsHeardOnEveryNode(t *testing.T) {
	t.Parallel()
	simulate(t, 3, lan, func(s *simulation) {
		ada, bob := s.signUp(0, "ada"), s.signUp(1, "bob")
		s.expect(http.StatusAccepted, 0, ada, "POST", "/v1/notifications", client.NewMessage{Channel: "News", Message: "one"}, nil)
		time.Sleep(10 * time.Millisecond)
		s.expect(http.StatusAccepted, 2, bob, "POST", "/v1/notifications", client.NewMessage{Channel: "news", Message: "two"}, nil)
		s.said(ada, "news", "two", "one")
		s.expect(http.StatusNoContent, 1, ada, "PUT", "/v1/users/@ada/blocks/@bob", nil, nil)
		s.said(ada, "news", "one")
		s.said(bob, "NEWS", "two")
		s.expect(http.StatusNoContent, 2, ada, "DELETE", "/v1/users/@ada/blocks/@bob", nil, nil)
		s.said(ada, "news", "two", "one")
		s.expect(http.StatusNoContent, 1, bob, "DELETE", "/v1/users/@bob", nil, nil)
		s.said(ada, "news", "one")
	})
}

func TestBadInputToNotificationsNamesTheField(t *testing.T) {
	t.Parallel()
	simulate(t, 1, lan, func(s *simulation) {
		ada := s.signUp(0, "ada")
		long := make([]byte, social.MaxMessage+1)
		for i := range long {
			long[i] = 'x'
		}
		for _, c := range []struct {
			method, path string
			body         any
			field        string
		}{
			{"POST", "/v1/notifications", client.NewMessage{Channel: "no spaces", Message: "x"}, "channel"},
			{"POST", "/v1/notifications", client.NewMessage{Channel: "Ünlaut", Message: "x"}, "channel"},
			{"POST", "/v1/notifications", client.NewMessage{Channel: "news", Message: " "}, "message"},
			{"POST", "/v1/notifications", client.NewMessage{Channel: "news", Message: string(long)}, "message"},
			{"POST", "/v1/notifications/read", client.ReadUpTo{UpTo: "yesterday"}, "up_to"},
			{"PATCH", "/v1/notifications/preferences", map[string]string{"like": "never"}, "like"},
			{"PATCH", "/v1/notifications/preferences", map[string]string{"poke": "all"}, "poke"},
			{"GET", "/v1/notifications?cursor=x", nil, "cursor"},
			{"GET", "/v1/notifications?limit=0", nil, "limit"},
			{"GET", "/v1/notifications?grouped=maybe", nil, "grouped"},
			{"GET", "/v1/channels/a%20b", nil, "channel"},
			{"GET", "/v1/channels/news?cursor=~", nil, "cursor"},
		} {
			code, problem := s.refused(ada, c.method, c.path, c.body)
			if code != http.StatusUnprocessableEntity && code != http.StatusBadRequest || problem.Field != c.field {
				t.Errorf("%s %s %v: %d %+v", c.method, c.path, c.body, code, problem)
			}
		}
		s.expect(http.StatusUnauthorized, 0, nil, "GET", "/v1/channels/news", nil, nil)
		s.expect(http.StatusUnauthorized, 0, nil, "GET", "/v1/notifications", nil, nil)
	})
}

// refused gives the problem that a request meets.
func (s *simulation) refused(who *account, method, path string, body any) (code int, p client.Problem) {
	s.t.Helper()
	b, err := json.Marshal(body)
	if err != nil {
		s.t.Fatal(err)
	}
	r := httptest.NewRequest(method, path, bytes.NewReader(b))
	if body == nil {
		r = httptest.NewRequest(method, path, nil)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+who.Session.Token)
	w := httptest.NewRecorder()
	s.nodes[0].Handler().ServeHTTP(w, r)
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
		s.t.Fatalf("%s %s: %v in %s", method, path, err, w.Body)
	}
	return w.Code, p
}
