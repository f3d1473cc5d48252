package node_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"grapevine/services/webhooks"
)

// inboxOfHooks receives what nodes send to webhooks, in place of the network.
type inboxOfHooks struct {
	mu     sync.Mutex
	refuse bool
	got    map[string][]string // the ids that came, by URL, once each
	times  map[string]int      // how often each came
}

func newInboxOfHooks() *inboxOfHooks {
	return &inboxOfHooks{got: map[string][]string{}, times: map[string]int{}}
}

// Send implements webhooks.Sender.
func (b *inboxOfHooks) Send(_ context.Context, r webhooks.Request) (webhooks.Reply, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.refuse {
		return webhooks.Reply{Status: 503}, nil
	}
	id := r.Header["webhook-id"]
	if b.times[id]++; b.times[id] == 1 {
		b.got[r.URL] = append(b.got[r.URL], id)
	}
	return webhooks.Reply{Status: 200}, nil
}

func (b *inboxOfHooks) of(url string) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.got[url])
}

func (b *inboxOfHooks) setRefuse(refuse bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refuse = refuse
}

type delivered struct {
	Items []struct {
		ID       string `json:"id"`
		Event    string `json:"event"`
		State    string `json:"state"`
		Attempts int    `json:"attempts"`
	} `json:"items"`
}

func TestWebhooksAreSentByWhicheverNodeIsLeft(t *testing.T) {
	simulate(t, 3, lan, func(s *simulation) {
		ada, bob := s.signUp(0, "ada"), s.signUp(1, "bob")
		var hook struct {
			ID     string `json:"id"`
			Secret string `json:"secret"`
		}
		const url = "https://example.com/hook"
		s.expect(http.StatusCreated, 1, ada, "POST", "/v1/webhooks", map[string]any{"url": url, "events": []string{"*", "message:news"}}, &hook)
		if hook.Secret == "" {
			t.Error("no secret was shown")
		}
		path := "/v1/webhooks/" + hook.ID
		s.expect(http.StatusUnprocessableEntity, 2, ada, "PATCH", path, map[string]any{"url": "http://127.0.0.1/"}, nil)
		s.expect(http.StatusNoContent, 2, bob, "PUT", "/v1/users/"+bob.ID+"/following/@ada", nil, nil)
		s.expect(http.StatusAccepted, 0, ada, "POST", path+"/test", nil, nil)
		s.received(url, 2)
		time.Sleep(time.Second) // until the channel's owners know who listens
		s.expect(http.StatusAccepted, 1, bob, "POST", "/v1/notifications", map[string]string{"channel": "News", "message": "hello"}, nil)
		s.received(url, 3)

		s.hooks.setRefuse(true)
		s.expect(http.StatusAccepted, 0, ada, "POST", path+"/test", nil, nil)
		time.Sleep(2 * time.Second) // at least one attempt fails
		s.crash(2)
		s.hooks.setRefuse(false)
		s.received(url, 4)

		for i := range 2 {
			s.eventually(fmt.Sprintf("node %d shows what became of them", i), func() error {
				var all delivered
				s.expect(http.StatusOK, i, ada, "GET", path+"/deliveries?state=delivered", nil, &all)
				if len(all.Items) != 4 {
					return fmt.Errorf("%+v", all)
				}
				return nil
			})
		}
		s.expect(http.StatusNotFound, 0, bob, "GET", path, nil, nil)
		s.expect(http.StatusNoContent, 0, ada, "DELETE", path, nil, nil)
		s.expect(http.StatusNotFound, 1, ada, "GET", path, nil, nil)
		s.expect(http.StatusNotFound, 1, ada, "GET", path+"/deliveries", nil, nil)
	})
}

// received waits until so many events have come to a URL.
func (s *simulation) received(url string, n int) {
	s.t.Helper()
	s.eventually(fmt.Sprintf("%d events are received", n), func() error {
		if got := s.hooks.of(url); len(got) != n {
			return fmt.Errorf("%q", got)
		}
		return nil
	})
}
