package node_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"grapevine/node"
	"grapevine/node/config"
	"grapevine/p2p"
	"grapevine/p2p/simnet"
	"grapevine/services/users"
	"grapevine/store/memdb"
)

// simulation is a cluster of whole nodes, wired as they are shipped, on memory
// engines and a simulated network, in virtual time.
type simulation struct {
	t     *testing.T
	net   *simnet.Network
	nodes []*simulated
	hooks *inboxOfHooks
}

type simulated struct {
	*node.Node
	id p2p.NodeID
	db *memdb.DB
	up bool
}

func simulate(t *testing.T, n int, options simnet.Options, test func(*simulation)) {
	synctest.Test(t, func(t *testing.T) {
		s := &simulation{t: t, net: simnet.New(options), hooks: newInboxOfHooks()}
		defer s.close()
		for i := range n {
			s.nodes = append(s.nodes, &simulated{id: p2p.NodeID(fmt.Sprintf("node-%c", 'a'+i)), db: memdb.New()})
			s.start(i)
		}
		s.converge()
		test(s)
	})
}

func (s *simulation) start(i int) {
	s.t.Helper()
	n := s.nodes[i]
	cfg := config.Default("unused")
	cfg.PartitionBits = 3
	if i > 0 {
		cfg.Join = []string{"node-a:7402"}
	}
	n.db = n.db.Reopen()
	net := s.net.Join(n.id, p2p.Addrs{HTTP: string(n.id) + ":7400"})
	var err error
	n.Node, err = node.Assemble(cfg, node.Deps{
		Engine: n.db, Transport: net.Transport(), Broadcaster: net.Broadcaster(), Members: net.Members(),
		Secret:   config.Secret{1},
		HashCost: users.Cost{Memory: 8, Time: 1, Threads: 1}, PushLimit: 2, Webhooks: s.hooks,
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		s.t.Fatalf("node %d: %v", i, err)
	}
	n.up = true
}

func (s *simulation) crash(i int) {
	s.net.Crash(s.nodes[i].id)
	s.nodes[i].up = false
	_ = s.nodes[i].Close() // its network is gone already
}

func (s *simulation) close() {
	for _, n := range s.nodes {
		if n.up {
			if err := n.Close(); err != nil {
				s.t.Errorf("close %s: %v", n.id, err)
			}
		}
	}
	s.net.Close()
}

// converge waits until all nodes that are up are active and hold equal state.
func (s *simulation) converge() {
	s.t.Helper()
	s.eventually("the owners are equal", func() error {
		digests := map[int]string{}
		for i, n := range s.nodes {
			if !n.up {
				continue
			}
			if !n.Active() {
				return fmt.Errorf("node %d is not active", i)
			}
			for _, p := range n.Store().Status() {
				if !slices.Contains(p.Owners, n.id) {
					continue
				}
				digest, _, err := n.Store().Digest(p.ID)
				if err != nil {
					return err
				}
				mine := fmt.Sprint(digest, p.VectorSum)
				if other, ok := digests[int(p.ID)]; ok && other != mine {
					return fmt.Errorf("partition %d differs on node %d", p.ID, i)
				}
				digests[int(p.ID)] = mine
			}
		}
		return nil
	})
}

func (s *simulation) eventually(what string, check func() error) {
	s.t.Helper()
	var err error
	for range 600 {
		if err = check(); err == nil {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	s.t.Fatalf("never came about: %s: %v", what, err)
}

// account is a user with a session, as an app keeps it.
type account struct {
	ID      string `json:"id"`
	Session struct {
		Token string `json:"token"`
	} `json:"session"`
	seen string // Grapevine-Session
}

// do sends a request to a node and decodes the reply into out.
func (s *simulation) do(i int, who *account, method, path string, body, out any) int {
	s.t.Helper()
	var b bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&b).Encode(body); err != nil {
			s.t.Fatal(err)
		}
	}
	r := httptest.NewRequest(method, path, &b)
	r.Header.Set("Content-Type", "application/json")
	if who != nil {
		if who.Session.Token != "" {
			r.Header.Set("Authorization", "Bearer "+who.Session.Token)
		}
		r.Header.Set("Grapevine-Session", who.seen)
	}
	w := httptest.NewRecorder()
	s.nodes[i].Handler().ServeHTTP(w, r)
	if token := w.Header().Get("Grapevine-Session"); who != nil && token != "" {
		who.seen = token
	}
	if out != nil && w.Code < 300 {
		if err := json.Unmarshal(w.Body.Bytes(), out); err != nil {
			s.t.Fatalf("%s %s: %v in %s", method, path, err, w.Body)
		}
	}
	if w.Code >= 500 {
		s.t.Logf("%s %s on %d: %d %s", method, path, i, w.Code, w.Body)
	}
	return w.Code
}

func (s *simulation) expect(want, i int, who *account, method, path string, body, out any) {
	s.t.Helper()
	if got := s.do(i, who, method, path, body, out); got != want {
		s.t.Fatalf("%s %s on node %d: %d, want %d", method, path, i, got, want)
	}
}

func (s *simulation) signUp(i int, name string) *account {
	s.t.Helper()
	a := &account{}
	s.expect(http.StatusCreated, i, a, "POST", "/v1/users", map[string]string{"username": name, "password": "a long password"}, a)
	return a
}

type page struct {
	Items []struct {
		ID   string `json:"id"`
		Text string `json:"text"`
	} `json:"items"`
}

func (p page) texts() []string {
	var out []string
	for _, item := range p.Items {
		out = append(out, item.Text)
	}
	return out
}

// homeShows waits until a home timeline on a node shows exactly these texts,
// newest first.
func (s *simulation) homeShows(i int, who *account, texts ...string) {
	s.t.Helper()
	s.eventually(fmt.Sprintf("node %d shows home", i), func() error {
		var home page
		s.expect(http.StatusOK, i, who, "GET", "/v1/timelines/home", nil, &home)
		if !slices.Equal(home.texts(), texts) {
			return fmt.Errorf("home is %q, want %q", home.texts(), texts)
		}
		return nil
	})
}

func (s *simulation) post(i int, who *account, text string) string {
	s.t.Helper()
	time.Sleep(5 * time.Millisecond) // ids, and hence timelines, are in order to the millisecond
	var post struct {
		ID string `json:"id"`
	}
	s.expect(http.StatusCreated, i, who, "POST", "/v1/posts", map[string]string{"text": text}, &post)
	return post.ID
}

var lan = simnet.Options{Seed: 7, MinDelay: 200 * time.Microsecond, MaxDelay: 2 * time.Millisecond}

func TestAPostReachesFollowersThroughAnyNode(t *testing.T) {
	simulate(t, 3, lan, func(s *simulation) {
		ada, bob := s.signUp(0, "ada"), s.signUp(1, "bob")
		s.expect(http.StatusNoContent, 2, bob, "PUT", "/v1/users/"+bob.ID+"/following/@ada", nil, nil)
		s.eventually("ada has a follower", func() error {
			var followers page
			s.expect(http.StatusOK, 0, nil, "GET", "/v1/users/@ada/followers", nil, &followers)
			if len(followers.Items) != 1 || followers.Items[0].ID != bob.ID {
				return fmt.Errorf("%+v", followers)
			}
			return nil
		})
		first := s.post(0, ada, "first")
		s.post(1, ada, "second")
		for i := range 3 {
			s.homeShows(i, bob, "second", "first")
			s.homeShows(i, ada, "second", "first")
		}
		s.expect(http.StatusNoContent, 2, ada, "DELETE", "/v1/posts/"+first, nil, nil)
		for i := range 3 {
			s.homeShows(i, bob, "second")
			s.eventually("the deleted post is gone", func() error {
				if code := s.do(i, nil, "GET", "/v1/posts/"+first, nil, nil); code != http.StatusNotFound {
					return fmt.Errorf("node %d: %d", i, code)
				}
				return nil
			})
		}
	})
}

func TestASessionSeesItsOwnWritesOnEveryNodeAtOnce(t *testing.T) {
	far := lan
	far.MinDelay, far.MaxDelay, far.Loss = 20*time.Millisecond, 150*time.Millisecond, 0.3
	simulate(t, 3, far, func(s *simulation) {
		ada := s.signUp(0, "ada")
		for i := range 12 {
			id := s.post(i%3, ada, fmt.Sprint("post ", i))
			s.expect(http.StatusOK, (i+1)%3, ada, "GET", "/v1/posts/"+id, nil, nil)
			var home page
			s.expect(http.StatusOK, (i+2)%3, ada, "GET", "/v1/timelines/home", nil, &home)
			if len(home.Items) == 0 || home.Items[0].ID != id {
				t.Fatalf("post %d is not at the top of home on another node: %+v", i, home)
			}
		}
	})
}

func TestADeadLeadersFanOutIsTakenOver(t *testing.T) {
	simulate(t, 3, lan, func(s *simulation) {
		ada, bob := s.signUp(0, "ada"), s.signUp(1, "bob")
		s.expect(http.StatusNoContent, 1, bob, "PUT", "/v1/users/@bob/following/"+ada.ID, nil, nil)
		s.post(0, ada, "before")
		s.homeShows(2, bob, "before")
		want := []string{"before"}
		for victim := range 3 {
			// The node dies with its consequences unwritten: it is cut off first.
			others := slices.DeleteFunc([]int{0, 1, 2}, func(i int) bool { return i == victim })
			text := fmt.Sprint("while node ", victim, " dies")
			s.post(others[0], ada, text)
			s.crash(victim)
			want = append([]string{text}, want...)
			s.homeShows(others[0], bob, want...)
			s.homeShows(others[1], bob, want...)
			s.start(victim)
			s.converge()
		}
	})
}

func TestNoDeliveryIsLostWhileALeaderComesAndGoes(t *testing.T) {
	for seed := range 20 {
		t.Run(fmt.Sprint("seed-", seed), func(t *testing.T) {
			t.Parallel()
			uneven := simnet.Options{Seed: uint64(seed), MinDelay: time.Millisecond, MaxDelay: 150 * time.Millisecond, Loss: 0.3}
			simulate(t, 3, uneven, func(s *simulation) { comeAndGo(s) })
		})
	}
}

// comeAndGo posts on two nodes while the third is down and, above all, while it
// comes back: it is alive and leads again before it has caught up.
func comeAndGo(s *simulation) {
	ada, bob := s.signUp(0, "ada"), s.signUp(1, "bob")
	s.expect(http.StatusNoContent, 1, bob, "PUT", "/v1/users/@bob/following/"+ada.ID, nil, nil)
	s.post(0, ada, "first")
	s.homeShows(2, bob, "first")
	s.converge()
	want := []string{"first"}
	for victim := range 3 {
		others := slices.DeleteFunc([]int{0, 1, 2}, func(i int) bool { return i == victim })
		s.crash(victim)
		want = append(want, s.burst(ada, others, fmt.Sprint("without ", victim))...)
		s.start(victim)
		want = append(want, s.burst(ada, others, fmt.Sprint("with ", victim, " again"))...)
		s.converge()
	}
	slices.Sort(want)
	s.eventually("home holds every post", func() error {
		have := s.home(0, bob)
		slices.Sort(have)
		if !slices.Equal(have, want) {
			return fmt.Errorf("home has %d of %d posts", len(have), len(want))
		}
		return nil
	})
}

// burst posts from many devices over half a second and gives the texts.
func (s *simulation) burst(who *account, nodes []int, text string) []string {
	texts := make([]string, 50)
	var devices sync.WaitGroup
	for i := range texts {
		texts[i] = fmt.Sprint(text, ", ", i)
		devices.Go(func() {
			time.Sleep(time.Duration(10*i) * time.Millisecond)
			device := &account{ID: who.ID, Session: who.Session}
			if code := s.do(nodes[i%len(nodes)], device, "POST", "/v1/posts", map[string]string{"text": texts[i]}, nil); code != http.StatusCreated {
				s.t.Errorf("post on node %d: %d", nodes[i%len(nodes)], code)
			}
		})
	}
	devices.Wait()
	return texts
}

// home reads the whole home timeline of an account.
func (s *simulation) home(i int, who *account) []string {
	s.t.Helper()
	var texts []string
	for cursor := ""; ; {
		var home struct {
			page
			Next string `json:"next"`
		}
		s.expect(http.StatusOK, i, who, "GET", "/v1/timelines/home?limit=100&cursor="+cursor, nil, &home)
		texts = append(texts, home.texts()...)
		if cursor = home.Next; cursor == "" {
			return texts
		}
	}
}

func TestBothSidesOfACutGoOnAndAgreeAfterwards(t *testing.T) {
	simulate(t, 3, lan, func(s *simulation) {
		ada, bob := s.signUp(0, "ada"), s.signUp(1, "bob")
		s.expect(http.StatusNoContent, 0, ada, "PUT", "/v1/users/@ada/following/@bob", nil, nil)
		doomed := s.post(0, ada, "doomed")
		s.homeShows(1, ada, "doomed")
		s.converge()
		s.net.Partition([]p2p.NodeID{s.nodes[0].id}, []p2p.NodeID{s.nodes[1].id, s.nodes[2].id})
		time.Sleep(5 * time.Second)
		s.post(0, ada, "from the left")
		s.post(1, bob, "from the right")
		ada.seen = "" // a session does not reach across the cut; another device of hers does not ask it to
		s.expect(http.StatusNoContent, 2, ada, "DELETE", "/v1/posts/"+doomed, nil, nil)
		ada.seen = ""
		s.expect(http.StatusOK, 0, ada, "PATCH", "/v1/posts/"+doomed, map[string]string{"text": "edited"}, nil)
		s.net.Heal()
		for i := range 3 {
			s.homeShows(i, ada, "from the right", "from the left")
			if code := s.do(i, nil, "GET", "/v1/posts/"+doomed, nil, nil); code != http.StatusNotFound {
				t.Errorf("node %d: the deleted post answers %d", i, code)
			}
		}
		s.converge()
	})
}
