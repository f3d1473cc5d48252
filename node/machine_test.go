package node_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"grapevine/node"
	"grapevine/node/client"
	"grapevine/node/config"
)

// machines starts a cluster of n nodes on loopback and real disks.
func machines(tb testing.TB, n int) []config.Ready {
	tb.Helper()
	var ready []config.Ready
	secret := ""
	for range n {
		cfg := config.Default(tb.TempDir())
		if secret == "" {
			secret = cfg.Data + "/secret"
		} else {
			cfg.SecretFile, cfg.Join = secret, []string{ready[0].Gossip}
		}
		ready = append(ready, machine(tb, cfg))
	}
	return ready
}

// machine starts one node and waits until it serves.
func machine(tb testing.TB, cfg config.Config) config.Ready {
	tb.Helper()
	served := make(chan config.Ready, 1)
	cfg.OnReady = func(r config.Ready) { served <- r }
	m, err := node.New(tb.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx) }()
	tb.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			tb.Errorf("node: %v", err)
		}
	})
	select {
	case r := <-served:
		return r
	case err := <-ended:
		ended <- err
		tb.Fatalf("the node ended: %v", err)
	case <-time.After(30 * time.Second):
		tb.Fatal("the node does not serve")
	}
	return config.Ready{}
}

func TestThreeMachinesFormAClusterAndServeOneAnothersWrites(t *testing.T) {
	t.Parallel()
	ready := machines(t, 3)
	at := func(i int) *client.Client { return client.New("http://" + ready[i].HTTP) }
	ada, err := at(0).SignUp(t.Context(), client.SignUp{Username: "ada", Password: "a long password"})
	if err != nil {
		t.Fatal(err)
	}
	var reply client.Reply
	post, err := at(1).With(client.WithToken(ada.Session.Token)).Post(client.Capture(t.Context(), &reply), client.NewPost{Text: "hello"})
	if err != nil {
		t.Fatal(err)
	}
	if reply.Copies < 2 {
		t.Errorf("acknowledged with %d copies", reply.Copies)
	}
	for i := range ready {
		got, err := at(i).With(client.WithSession(reply.Session)).GetPost(t.Context(), post.ID)
		if err != nil || got.Text != "hello" {
			t.Errorf("node %d: %+v, %v", i, got, err)
		}
	}
}

// BenchmarkPosts measures posts through HTTP with two durable copies, by 64
// clients over three nodes of one process.
func BenchmarkPosts(b *testing.B) {
	ready := machines(b, 3)
	const clients = 64
	web := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients}}
	var tokens []string
	for i := range clients {
		account, err := client.New("http://"+ready[i%3].HTTP).SignUp(b.Context(), client.SignUp{
			Username: fmt.Sprint("user_", i), Password: "a long password",
		})
		if err != nil {
			b.Fatal(err)
		}
		tokens = append(tokens, account.Session.Token)
	}
	body := fmt.Appendf(nil, `{"text":%q}`, bytes.Repeat([]byte("a text of some length "), 6))
	var left atomic.Int64
	left.Store(int64(b.N))
	b.ResetTimer()
	var all sync.WaitGroup
	for i := range clients {
		all.Go(func() {
			for left.Add(-1) >= 0 {
				r, _ := http.NewRequest("POST", "http://"+ready[i%3].HTTP+"/v1/posts", bytes.NewReader(body))
				r.Header.Set("Authorization", "Bearer "+tokens[i])
				r.Header.Set("Content-Type", "application/json")
				reply, err := web.Do(r)
				if err != nil {
					b.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, reply.Body) // so that the connection is used again
				_ = reply.Body.Close()
				if reply.StatusCode != http.StatusCreated {
					b.Errorf("status %d", reply.StatusCode)
					return
				}
			}
		})
	}
	all.Wait()
}

// BenchmarkHome measures pages of 40 posts of a home timeline, by 16 clients of
// one node.
func BenchmarkHome(b *testing.B) {
	ready := machines(b, 1)
	ada, err := client.New("http://"+ready[0].HTTP).SignUp(b.Context(), client.SignUp{Username: "ada", Password: "a long password"})
	if err != nil {
		b.Fatal(err)
	}
	api := client.New("http://"+ready[0].HTTP, client.WithToken(ada.Session.Token))
	for i := range 100 {
		if _, err := api.Post(b.Context(), client.NewPost{Text: fmt.Sprint("a post of some length, number ", i)}); err != nil {
			b.Fatal(err)
		}
	}
	const clients = 16
	web := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients}}
	b.SetParallelism(clients / 2)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			r, _ := http.NewRequest("GET", "http://"+ready[0].HTTP+"/v1/timelines/home?limit=40", nil)
			r.Header.Set("Authorization", "Bearer "+ada.Session.Token)
			reply, err := web.Do(r)
			if err != nil {
				b.Error(err)
				return
			}
			_, _ = io.Copy(io.Discard, reply.Body)
			_ = reply.Body.Close()
		}
	})
}
