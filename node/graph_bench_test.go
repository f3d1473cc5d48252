package node_test

import (
	"bufio"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"grapevine/node"
	"grapevine/node/config"
	"grapevine/p2p"
	"grapevine/p2p/simnet"
	"grapevine/services/schema"
	"grapevine/services/social"
	"grapevine/services/users"
	"grapevine/store"
	"grapevine/store/badgerdb"
)

// alone gives a node of one on a disk; a push limit of 0 is the usual one.
func alone(b *testing.B, pushLimit ...int) *node.Node {
	b.Helper()
	return together(b, 1, append(pushLimit, 0)[0])[0]
}

// together gives nodes of one cluster, each on a disk of its own, over a network that
// takes no time. They write posts to the homes of as many followers as the push limit
// says.
func together(b *testing.B, count, pushLimit int) []*node.Node {
	b.Helper()
	net := simnet.New(simnet.Options{})
	b.Cleanup(net.Close)
	nodes := make([]*node.Node, count)
	for i := range nodes {
		name := p2p.NodeID('a' + rune(i))
		nodes[i] = onDisk(b, net, "node-"+name, i > 0, pushLimit)
	}
	return nodes
}

func onDisk(b *testing.B, net *simnet.Network, id p2p.NodeID, joins bool, pushLimit int) *node.Node {
	b.Helper()
	db, err := badgerdb.Open(b.Context(), badgerdb.Config{Dir: b.TempDir(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	joined := net.Join(id, p2p.Addrs{HTTP: string(id) + ":7400"})
	cfg := config.Default("unused")
	if joins {
		cfg.Join = []string{"node-a:7402"}
	}
	n, err := node.Assemble(cfg, node.Deps{
		PushLimit: pushLimit, Engine: db, Transport: joined.Transport(), Broadcaster: joined.Broadcaster(), Members: joined.Members(),
		Secret: config.Secret{1}, HashCost: users.Cost{Memory: 8, Time: 1, Threads: 1},
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := errors.Join(n.Close(), db.Close()); err != nil {
			b.Error(err)
		}
	})
	for deadline := time.Now().Add(30 * time.Second); !n.Active(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			b.Fatal("the node does not get active")
		}
	}
	return n
}

// put makes rows exist, many in a write.
func put(b *testing.B, n *node.Node, ms []store.Mutation) {
	b.Helper()
	byPartition := map[store.Partition][]store.Mutation{}
	for _, m := range ms {
		p := n.Store().Ring().PartitionOf(m.Key.Slot)
		if byPartition[p] = append(byPartition[p], m); len(byPartition[p]) == 500 {
			write(b, n, byPartition[p])
			delete(byPartition, p)
		}
	}
	for _, rest := range byPartition {
		write(b, n, rest)
	}
}

func write(b *testing.B, n *node.Node, ms []store.Mutation) {
	b.Helper()
	if _, err := n.Store().Write(b.Context(), store.Write{Mutations: ms}); err != nil {
		b.Fatal(err)
	}
}

// userRow is a user's row, whose name follows from a number.
func userRow(i int) (id string, m store.Mutation) {
	id = social.NewID(uint16(rand.Uint32()), time.UnixMilli(int64(1_700_000_000_000+i)))
	u := social.User{ID: id, Username: fmt.Sprint("user", i)}
	return id, store.Mutation{Key: schema.User(id), Op: store.Put, Value: schema.EncodeUser(u)}
}

// answer measures a request to a node.
func answer(b *testing.B, n *node.Node, targets func(i int) string) {
	b.Helper()
	b.ResetTimer()
	for i := range b.N {
		w := httptest.NewRecorder()
		n.Handler().ServeHTTP(w, httptest.NewRequest("GET", targets(i), nil))
		if w.Code != http.StatusOK && w.Code != http.StatusNotFound {
			b.Fatalf("%s: %d %s", targets(i), w.Code, w.Body)
		}
	}
}

// BenchmarkAccountWith100000Followers measures a page of 40 of its followers, and its
// counts where they are not cached.
func BenchmarkAccountWith100000Followers(b *testing.B) {
	n := alone(b)
	hub, m := userRow(0)
	ms := []store.Mutation{m}
	for i := range 100_000 {
		id, m := userRow(i + 1)
		ms = append(ms, m, store.Mutation{Key: schema.Follower(hub, id), Op: store.Put})
	}
	put(b, n, ms)
	b.Run("page", func(b *testing.B) {
		answer(b, n, func(int) string { return "/v1/users/" + hub + "/followers" })
	})
	b.Run("profile", func(b *testing.B) { answer(b, n, func(int) string { return "/v1/users/" + hub }) })
	b.Run("count", func(b *testing.B) {
		for range b.N {
			got, err := n.Store().Count(b.Context(), schema.Of(schema.FamilyFollower, hub, "", false, 1_000_000))
			if err != nil || got != 100_000 {
				b.Fatalf("%d, %v", got, err)
			}
		}
	})
}

// BenchmarkFacebookGraph measures suggestions and paths in the graph of ego-Facebook,
// where everybody follows whom it names, both ways.
func BenchmarkFacebookGraph(b *testing.B) {
	f, err := os.Open("../../shared/data/graph-facebook/edges.txt")
	if err != nil {
		b.Skip(err)
	}
	defer f.Close()
	var ids []string
	var ms []store.Mutation
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var from, to int
		if _, err := fmt.Sscan(lines.Text(), &from, &to); err != nil {
			b.Fatal(err)
		}
		for len(ids) <= max(from, to) {
			id, m := userRow(len(ids))
			ids, ms = append(ids, id), append(ms, m)
		}
		x, y := ids[from], ids[to]
		for _, k := range []store.Key{schema.Following(x, y), schema.Following(y, x), schema.Follower(x, y), schema.Follower(y, x)} {
			ms = append(ms, store.Mutation{Key: k, Op: store.Put})
		}
	}
	n := alone(b)
	put(b, n, ms)
	random := rand.New(rand.NewPCG(1, 2))
	any := func() string { return ids[random.IntN(len(ids))] }
	b.Run("suggestions", func(b *testing.B) {
		answer(b, n, func(int) string { return "/v1/users/" + any() + "/suggestions" })
	})
	b.Run("path", func(b *testing.B) {
		answer(b, n, func(int) string { return "/v1/users/" + any() + "/path/" + any() })
	})
}
