package node_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"testing"
	"time"

	"grapevine/crdt"
	"grapevine/node/client"
	"grapevine/p2p"
	"grapevine/p2p/simnet"
	"grapevine/services/schema"
	"grapevine/store"
)

var (
	stormSeed  = flag.Uint64("storm.seed", 1, "first seed of the storms of acts in bad weather")
	stormSeeds = flag.Uint64("storm.seeds", 12, "how many storms there are")
)

// TestWhatFollowsFromActsInBadWeatherIsWhatFollowsFromTheirEnd has five accounts act at
// random while links break and nodes crash, on three nodes, which all own everything, or
// on five. When all is well again, every node must show just what follows from the acts
// that stand.
func TestWhatFollowsFromActsInBadWeatherIsWhatFollowsFromTheirEnd(t *testing.T) {
	t.Parallel()
	for seed := *stormSeed; seed < *stormSeed+*stormSeeds; seed++ {
		t.Run(fmt.Sprint("seed-", seed), func(t *testing.T) {
			t.Parallel()
			uneven := simnet.Options{Seed: seed, MinDelay: time.Millisecond, MaxDelay: 80 * time.Millisecond, Loss: 0.1}
			simulate(t, 3+2*int(seed%2), uneven, func(sim *simulation) {
				s := &storm{simulation: sim, random: rand.New(rand.NewPCG(seed, 1))}
				for i, name := range []string{"ada", "bob", "cyd", "dan", "eve"} {
					s.accounts = append(s.accounts, s.join(i%len(s.nodes), name))
				}
				s.converge()
				for range 8 {
					for range 12 {
						s.act()
					}
					s.weather()
					time.Sleep(time.Duration(s.random.IntN(8000)) * time.Millisecond)
				}
				s.clearUp()
				for i := range s.nodes {
					if err := s.follows(i); err != nil {
						s.tell()
						s.t.Fatalf("node %d: %v", i, err)
					}
				}
			})
		})
	}
}

// storm is a simulation in bad weather. An author with three followers is broad.
type storm struct {
	*simulation
	random   *rand.Rand
	accounts []*account
	posts    []string // deleted ones too
	log      []string
}

// join signs somebody up. What the network loses of it is tried again, with another name:
// the one before may be taken.
func (s *storm) join(on int, name string) *account {
	s.t.Helper()
	a := &account{}
	s.eventually(name+" signs up", func() error {
		name += "x"
		if code := s.do(on, a, "POST", "/v1/users", map[string]string{"username": name, "password": "a long password"}, a); code != http.StatusCreated {
			return fmt.Errorf("status %d", code)
		}
		return nil
	})
	return a
}

// act has somebody do something on a node that is up. It may be refused, as what is
// blocked is, and may fail. Each time is a session of its own: what others of the
// account's wrote is not asked for, as a cut may hide it.
func (s *storm) act() {
	up := []int{}
	for i, n := range s.nodes {
		if n.up {
			up = append(up, i)
		}
	}
	on, who := up[s.random.IntN(len(up))], s.session(s.anybody())
	method := []string{"PUT", "PUT", "DELETE"}[s.random.IntN(3)]
	if n := s.random.IntN(24); n < 6 || len(s.posts) == 0 {
		s.write(on, who)
	} else if n < 16 {
		s.relate(on, who, method, n)
	} else {
		post := "/v1/posts/" + s.posts[s.random.IntN(len(s.posts))]
		switch {
		case n < 18:
			s.try(on, who, "DELETE", post, nil)
		case n < 22:
			s.try(on, who, method, post+"/like", nil)
		default:
			s.try(on, who, method, post+"/repost", nil)
		}
	}
}

func (s *storm) anybody() *account { return s.accounts[s.random.IntN(len(s.accounts))] }

func (s *storm) session(who *account) *account { return &account{ID: who.ID, Session: who.Session} }

func (s *storm) write(on int, who *account) {
	time.Sleep(2 * time.Millisecond) // ids are in order to the millisecond
	var p struct{ ID string }
	if s.do(on, who, "POST", "/v1/posts", map[string]string{"text": "x"}, &p) == http.StatusCreated {
		s.posts = append(s.posts, p.ID)
		s.note("node %d: %s posts %s", on, who.ID, p.ID)
	}
}

// relate changes how an account stands to another.
func (s *storm) relate(on int, who *account, method string, n int) {
	other, me := s.anybody().ID, "/v1/users/"+who.ID
	switch {
	case other == who.ID:
	case n < 12:
		s.try(on, who, method, me+"/following/"+other, nil)
	case n < 13:
		s.try(on, who, method, me+"/blocks/"+other, nil)
	case method == "PUT":
		s.try(on, who, "POST", me+"/friends", map[string]string{"friend": other})
	default:
		s.try(on, who, method, me+"/friends/"+other, nil)
	}
}

func (s *storm) try(on int, who *account, method, path string, body any) {
	s.note("node %d: %s %s %s: %d", on, who.ID, method, path, s.do(on, who, method, path, body, nil))
}

// weather breaks something, or mends it.
func (s *storm) weather() {
	lone := s.random.IntN(len(s.nodes))
	switch s.random.IntN(4) {
	case 0:
		s.cutOff(lone)
	case 1:
		s.net.Heal()
		s.note("the cut heals")
	case 2:
		if slices.ContainsFunc(s.nodes, func(n *simulated) bool { return !n.up }) {
			return
		}
		s.crash(lone)
		s.note("node %d crashes", lone)
	default:
		s.restart()
	}
}

func (s *storm) cutOff(lone int) {
	var rest []p2p.NodeID
	for i, n := range s.nodes {
		if i != lone {
			rest = append(rest, n.id)
		}
	}
	s.net.Partition([]p2p.NodeID{s.nodes[lone].id}, rest)
	s.note("node %d is cut off", lone)
}

// clearUp ends the storm, and waits until all that follows has followed.
func (s *storm) clearUp() {
	s.restart()
	s.net.Heal()
	s.converge()
	time.Sleep(10 * time.Minute)
	s.converge()
}

func (s *storm) restart() {
	for i, n := range s.nodes {
		if !n.up {
			s.start(i)
			s.note("node %d starts", i)
		}
	}
}

func (s *storm) note(format string, args ...any) {
	s.log = append(s.log, time.Now().Format("04:05.000 ")+fmt.Sprintf(format, args...))
}

func (s *storm) tell() {
	for _, line := range s.log {
		s.t.Log(line)
	}
}

// follows says what, on a node, does not follow from the acts that stand.
func (s *storm) follows(on int) error {
	if err := s.mirrored(on); err != nil {
		return err
	}
	for _, who := range s.accounts {
		if err := s.home(on, who); err != nil {
			return err
		}
		if err := s.told(on, who); err != nil {
			return err
		}
	}
	return nil
}

// mirrored checks that each act has a mirror where it was done, and each mirror an act.
func (s *storm) mirrored(on int) error {
	var keys []store.Key // a truth, its mirror, the next truth
	for _, who := range s.accounts {
		for _, other := range s.accounts {
			keys = append(keys,
				schema.Following(who.ID, other.ID), schema.Follower(other.ID, who.ID),
				schema.Agreed(who.ID, other.ID), schema.Asked(other.ID, who.ID),
				schema.Block(who.ID, other.ID), schema.BlockedBy(other.ID, who.ID))
		}
		for _, post := range s.posts {
			keys = append(keys, schema.Liked(who.ID, post), schema.Like(post, who.ID),
				schema.Reposted(who.ID, post), schema.Repost(post, who.ID))
		}
	}
	var rows []crdt.Row
	s.eventually("the rows are read", func() (err error) {
		rows, err = s.nodes[on].Store().GetMany(s.t.Context(), keys)
		return err
	})
	for i := 0; i < len(rows); i += 2 {
		if truth, mirror := rows[i], rows[i+1]; truth.Exists() != mirror.Exists() {
			return fmt.Errorf("%s exists: %v, and its mirror: %v", keys[i], truth.Exists(), mirror.Exists())
		}
	}
	return nil
}

// home checks that a home shows the posts of whom the account follows, and its own.
func (s *storm) home(on int, who *account) error {
	want := []string{}
	for _, author := range append(s.ids(on, who, "/v1/users/"+who.ID+"/following"), who.ID) {
		want = append(want, s.ids(on, who, "/v1/users/"+author+"/posts")...)
	}
	slices.Sort(want)
	slices.Reverse(want)
	if got := s.ids(on, who, "/v1/timelines/home"); !slices.Equal(got, want) {
		return fmt.Errorf("the home of %s shows %v, want %v", who.ID, got, want)
	}
	return nil
}

// told checks that an account is told of as many follows, likes and reposts as there are.
func (s *storm) told(on int, who *account) error {
	want := map[string]int{"follow": len(s.ids(on, who, "/v1/users/"+who.ID+"/followers"))}
	for _, post := range s.ids(on, who, "/v1/users/"+who.ID+"/posts") {
		if !slices.Contains(s.posts, post) {
			continue // a repost: the author of what it shows is told
		}
		for kind, list := range map[string]string{"like": "/likes", "repost": "/reposts"} {
			others := slices.DeleteFunc(s.ids(on, who, "/v1/posts/"+post+list), func(id string) bool { return id == who.ID })
			want[kind] += len(others)
		}
	}
	var inbox client.NotificationPage
	s.get(on, who, "/v1/notifications", &inbox)
	got := map[string]int{}
	for _, n := range inbox.Items {
		got[string(n.Kind)] += n.Count
	}
	for kind, n := range want {
		if got[kind] != n {
			return fmt.Errorf("%s is told of %v, want %v", who.ID, got, want)
		}
	}
	return nil
}

// ids gives the ids that a list shows to an account.
func (s *storm) ids(on int, who *account, path string) []string {
	s.t.Helper()
	var p page
	s.get(on, who, path, &p)
	ids := []string{}
	for _, item := range p.Items {
		ids = append(ids, item.ID)
	}
	return ids
}

// get reads a page of a list as an account, however often the network loses it.
func (s *storm) get(on int, who *account, path string, page any) {
	s.t.Helper()
	s.eventually("GET "+path, func() error {
		if code := s.do(on, s.session(who), "GET", path+"?limit=100", nil, page); code != http.StatusOK {
			return fmt.Errorf("status %d", code)
		}
		return nil
	})
}
