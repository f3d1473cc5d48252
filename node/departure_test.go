package node_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"grapevine/p2p"
	"grapevine/services/schema"
	"grapevine/services/social"
	"grapevine/store"
)

// remains gives the rows and index entries of all nodes that are up in which one of the
// ids stands, in key or value.
func (s *simulation) remains(ids []string, spared ...store.Key) (found []string) {
	s.t.Helper()
	in := func(b []byte) bool {
		return slices.ContainsFunc(ids, func(id string) bool { return bytes.Contains(b, []byte(id)) })
	}
	spares := map[string]bool{}
	for _, k := range spared {
		spares[engineKey(k)] = true
	}
	for i, n := range s.nodes {
		if !n.up {
			continue
		}
		err := n.db.View(func(snap store.Snapshot) error {
			visit := func(key, value []byte) bool {
				if (in(key) || in(value)) && !spares[string(key)] {
					found = append(found, fmt.Sprintf("node %d: %q", i, key))
				}
				return true
			}
			return errors.Join(snap.Scan([]byte{'d'}, nil, false, visit), snap.Scan([]byte{'i'}, nil, false, visit))
		})
		if err != nil {
			s.t.Fatal(err)
		}
	}
	return found
}

// engineKey is where a replica keeps a row.
func engineKey(k store.Key) string {
	b := binary.BigEndian.AppendUint16([]byte{'d'}, uint16(k.Slot))
	return string(append(b, byte(k.Family))) + k.Sort
}

// nothingRemains waits until no row of any node tells of an account that was deleted, or
// of what it made, but the one that says that it was, and those that are spared.
func (s *simulation) nothingRemains(who *account, made []string, spared ...store.Key) {
	s.t.Helper()
	s.eventually("nothing remains", func() error {
		if found := s.remains(append(made, who.ID), append(spared, schema.Departed(who.ID))...); len(found) > 0 {
			return fmt.Errorf("%d rows:\n%s", len(found), strings.Join(found, "\n"))
		}
		return nil
	})
}

// entangle has two accounts do all that accounts can with each other, each through a
// node of its own, and gives what the first has made: its posts, lists and webhooks.
func (s *simulation) entangle(i int, who *account, j int, other *account, tag string) (made []string) {
	s.t.Helper()
	me, you := "/v1/users/"+who.ID, "/v1/users/"+other.ID
	theirs := s.publish(j, other, "by the other", "", social.Public)
	s.expect(http.StatusNoContent, i, who, "PUT", me+"/following/"+other.ID, nil, nil)
	s.expect(http.StatusNoContent, j, other, "PUT", you+"/following/"+who.ID, nil, nil)
	first := s.publish(i, who, "first #"+tag+" for @bob", "", social.Public)
	made = append(made, first, s.publish(i, who, "an answer", theirs, social.Public), s.publish(i, who, "for @bob alone", "", social.Direct))
	s.expect(http.StatusOK, i, who, "PATCH", "/v1/posts/"+first, map[string]string{"text": "edited #" + tag + "2"}, nil)
	s.do(i, who, "PUT", "/v1/posts/"+theirs+"/like", nil, nil)
	s.do(i, who, "PUT", "/v1/posts/"+theirs+"/repost", nil, nil)
	s.do(i, who, "POST", me+"/friends", map[string]string{"friend": other.ID}, nil)
	s.expect(http.StatusAccepted, i, who, "POST", "/v1/notifications", map[string]string{"channel": "news", "message": "of " + tag}, nil)
	var list, hook struct{ ID string }
	s.expect(http.StatusCreated, i, who, "POST", "/v1/lists", map[string]string{"title": "a list"}, &list)
	s.expect(http.StatusNoContent, i, who, "PUT", "/v1/lists/"+list.ID+"/members/"+other.ID, nil, nil)
	s.expect(http.StatusCreated, i, who, "POST", "/v1/webhooks", map[string]any{"url": "https://example.com/" + tag, "events": []string{"*", "message:news"}}, &hook)
	s.do(i, who, "PATCH", "/v1/notifications/preferences", map[string]string{"like": "following"}, nil)
	s.do(i, who, "POST", "/v1/notifications/read", map[string]string{"up_to": first}, nil)
	return append(made, list.ID, hook.ID)
}

// answered has another do to an account and its post what can be done to them.
func (s *simulation) answered(j int, other *account, id, post string) (answer string) {
	s.t.Helper()
	s.expect(http.StatusNoContent, j, other, "PUT", "/v1/posts/"+post+"/like", nil, nil)
	s.do(j, other, "PUT", "/v1/posts/"+post+"/repost", nil, nil)
	answer = s.publish(j, other, "answering", post, social.Public)
	var list struct{ ID string }
	s.expect(http.StatusCreated, j, other, "POST", "/v1/lists", map[string]string{"title": "of others"}, &list)
	s.expect(http.StatusNoContent, j, other, "PUT", "/v1/lists/"+list.ID+"/members/"+id, nil, nil)
	s.do(j, other, "PUT", "/v1/users/"+other.ID+"/mutes/"+id, nil, nil)
	return answer
}

// answerRows are the rows of an answer, which says what it answers.
func answerRows(who *account, answer string) []store.Key {
	return []store.Key{schema.Post(answer), schema.AuthorPost(who.ID, answer)}
}

func TestOfADeletedAccountNoRowRemainsOnAnyNode(t *testing.T) {
	t.Parallel()
	simulate(t, 3, lan, func(s *simulation) {
		ada, bob := s.signUp(0, "ada"), s.signUp(1, "bob")
		made := s.entangle(0, ada, 1, bob, "grapes")
		time.Sleep(time.Second)
		answer := s.answered(1, bob, ada.ID, made[0])
		time.Sleep(time.Second)
		s.expect(http.StatusNoContent, 2, ada, "DELETE", "/v1/users/@ada", nil, nil)
		s.nothingRemains(ada, made, answerRows(bob, answer)...)
		s.converge()
	})
}

func TestWhatADeletedAccountDidBeyondACutGoesWhenItComes(t *testing.T) {
	for lone := range 3 {
		t.Run(fmt.Sprint("node ", lone, " is cut off"), func(t *testing.T) {
			t.Parallel()
			simulate(t, 3, lan, func(s *simulation) { s.departAcrossACut(lone) })
		})
	}
}

// departAcrossACut deletes an account while a node that is cut off lets it go on.
func (s *simulation) departAcrossACut(lone int) {
	one, other := (lone+1)%3, (lone+2)%3
	ada, bob := s.signUp(0, "ada"), s.signUp(1, "bob")
	made := s.entangle(0, ada, 1, bob, "grapes")
	s.converge()
	s.net.Partition([]p2p.NodeID{s.nodes[lone].id}, []p2p.NodeID{s.nodes[one].id, s.nodes[other].id})
	time.Sleep(5 * time.Second)
	ada.seen, bob.seen = "", "" // a session does not reach across the cut
	s.expect(http.StatusNoContent, one, &account{Session: ada.Session}, "DELETE", "/v1/users/@ada", nil, nil)
	late := s.entangle(lone, ada, lone, bob, "wine")
	spared := answerRows(bob, s.answered(lone, bob, ada.ID, made[0]))
	s.expect(http.StatusOK, lone, ada, "PATCH", "/v1/users/@ada", map[string]string{"bio": "still here"}, nil)
	for _, post := range late {
		// An entry may outlive its post, and is not shown then.
		spared = append(spared, schema.Home(bob.ID, post), schema.Tagged("wine", post), schema.Tagged("wine2", post))
	}
	time.Sleep(time.Minute)
	s.net.Heal()
	s.nothingRemains(ada, append(made, late...), spared...)
	s.converge()
}
