package naive_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"grapevine/node"
	"grapevine/node/config"
	"grapevine/p2p"
	"grapevine/p2p/simnet"
	"grapevine/services/users"
	"grapevine/store/memdb"
	"grapevine/testnet/internal/naive"
)

// cluster is whole nodes, wired as they are shipped, on memory engines and a
// simulated network, in virtual time. It is the http.RoundTripper to them.
type cluster struct {
	t     *testing.T
	net   *simnet.Network
	nodes []*member

	pushLimit int
}

type member struct {
	*node.Node
	id p2p.NodeID
	db *memdb.DB
}

func (c *cluster) start(i int) {
	c.t.Helper()
	m := c.nodes[i]
	cfg := config.Default("unused")
	cfg.PartitionBits, cfg.SignUpsPerMinute = 3, 1e6
	if i > 0 {
		cfg.Join = []string{"node-0:7402"}
	}
	m.db = m.db.Reopen()
	net := c.net.Join(m.id, p2p.Addrs{HTTP: string(m.id) + ":7400"})
	var err error
	m.Node, err = node.Assemble(cfg, node.Deps{
		Engine: m.db, Transport: net.Transport(), Broadcaster: net.Broadcaster(), Members: net.Members(),
		Secret: config.Secret{1}, HashCost: users.Cost{Memory: 8, Time: 1, Threads: 1}, PushLimit: c.pushLimit,
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		c.t.Fatal(err)
	}
	for !m.Active() {
		time.Sleep(10 * time.Millisecond)
	}
}

func (c *cluster) crash(i int) {
	c.net.Crash(c.nodes[i].id)
	_ = c.nodes[i].Close() // its network is gone already
}

// RoundTrip implements http.RoundTripper: the host of a URL names the node.
func (c *cluster) RoundTrip(r *http.Request) (*http.Response, error) {
	i := slices.IndexFunc(c.nodes, func(m *member) bool { return string(m.id) == r.URL.Host })
	in := httptest.NewRequestWithContext(r.Context(), r.Method, r.URL.RequestURI(), body(r))
	in.Header = r.Header
	w := httptest.NewRecorder()
	c.nodes[i].Handler().ServeHTTP(w, in)
	return w.Result(), nil
}

func body(r *http.Request) io.Reader {
	if r.Body == nil {
		return http.NoBody
	}
	return r.Body
}

// pushLimits are those of the seeds: with the second, accounts that two follow become
// broad at the third.
var pushLimits = []int{0, 2}

// play runs a test with a player on n nodes.
func play(t *testing.T, n int, seed uint64, test func(t *testing.T, c *cluster, p *naive.Player)) {
	synctest.Test(t, func(t *testing.T) {
		c := &cluster{t: t, pushLimit: pushLimits[seed%uint64(len(pushLimits))], net: simnet.New(simnet.Options{Seed: seed, MinDelay: time.Millisecond, MaxDelay: 20 * time.Millisecond})}
		var urls []string
		for i := range n {
			c.nodes = append(c.nodes, &member{id: p2p.NodeID(fmt.Sprint("node-", i)), db: memdb.New()})
			c.start(i)
			urls = append(urls, "http://"+string(c.nodes[i].id))
		}
		defer c.net.Close()
		defer func() {
			for _, m := range c.nodes {
				if err := m.Close(); err != nil {
					t.Error(err)
				}
			}
		}()
		p := naive.NewPlayer(naive.Config{
			Nodes: urls, HTTP: &http.Client{Transport: c}, Rand: rand.New(rand.NewPCG(seed, 1)),
			Pause: func(_ context.Context, d time.Duration) error { time.Sleep(d); return nil },
		})
		test(t, c, p)
		t.Logf("%d acts, %d of them refused", p.Acts, p.Refused)
	})
}

// agree waits until every node gives every answer of the model.
func agree(t *testing.T, c *cluster, p *naive.Player) {
	t.Helper()
	for i := range c.nodes {
		var err error
		for range 60 {
			if _, err = p.Compare(t.Context(), i, naive.Sample{Viewers: 3}); err == nil {
				break
			}
			time.Sleep(time.Second)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestEveryAnswerIsThatOfOneProgramInMemory(t *testing.T) {
	for _, n := range []int{1, 3, 5} {
		for seed := range uint64(3) {
			t.Run(fmt.Sprintf("%d-nodes-seed-%d", n, seed), func(t *testing.T) {
				t.Parallel()
				play(t, n, seed, func(t *testing.T, c *cluster, p *naive.Player) {
					ctx := t.Context()
					must(t, p.SignUp(ctx, 8))
					must(t, p.Play(ctx, 250))
					agree(t, c, p)
					must(t, p.DeleteUsers(ctx, 2))
					must(t, p.Play(ctx, 50))
					agree(t, c, p)
				})
			})
		}
	}
}

func TestEveryAnswerIsThatOfOneProgramThoughANodeIsKilledHalfWay(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed-", seed), func(t *testing.T) {
			t.Parallel()
			play(t, 3, seed, func(t *testing.T, c *cluster, p *naive.Player) {
				ctx := t.Context()
				must(t, p.SignUp(ctx, 8))
				must(t, p.Play(ctx, 100))
				c.crash(2)
				p.Down[2] = true
				must(t, p.Play(ctx, 100))
				c.start(2)
				delete(p.Down, 2)
				must(t, p.Play(ctx, 50))
				agree(t, c, p)
			})
		})
	}
}
