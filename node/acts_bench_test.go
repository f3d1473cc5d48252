package node_test

import (
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"grapevine/node/client"
)

// BenchmarkFollowsAndLikes measures follows, likes and their ends through HTTP, by 64
// clients over three nodes of one process, and the processor time that each costs all
// of these until nothing follows from it any more.
func BenchmarkFollowsAndLikes(b *testing.B) {
	ready := machines(b, 3)
	const clients = 64
	web := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients}}
	var tokens, users, posts []string
	for i := range clients {
		at := client.New("http://" + ready[i%3].HTTP)
		account, err := at.SignUp(b.Context(), client.SignUp{Username: fmt.Sprint("user_", i), Password: "a long password"})
		if err != nil {
			b.Fatal(err)
		}
		post, err := at.With(client.WithToken(account.Session.Token)).Post(b.Context(), client.NewPost{Text: "x"})
		if err != nil {
			b.Fatal(err)
		}
		tokens, users, posts = append(tokens, account.Session.Token), append(users, account.ID), append(posts, post.ID)
	}
	var left atomic.Int64
	left.Store(int64(b.N))
	before := processorTime(b)
	b.ResetTimer()
	var all sync.WaitGroup
	for i := range clients {
		all.Go(func() {
			for n := 0; left.Add(-1) >= 0; n++ {
				round, other := n/2/(clients-1), (i+1+n/2%(clients-1))%clients
				path := "/v1/users/" + users[i] + "/following/" + users[other]
				if n%2 == 1 {
					path = "/v1/posts/" + posts[other] + "/like"
				}
				r, _ := http.NewRequest([]string{"PUT", "DELETE"}[round%2], "http://"+ready[i%3].HTTP+path, nil)
				r.Header.Set("Authorization", "Bearer "+tokens[i])
				reply, err := web.Do(r)
				if err != nil {
					b.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, reply.Body) // so that the connection is used again
				_ = reply.Body.Close()
				if reply.StatusCode != http.StatusNoContent {
					b.Errorf("status %d", reply.StatusCode)
					return
				}
			}
		})
	}
	all.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "acts/s")
	time.Sleep(20 * time.Second) // what follows is written and was looked at once more
	b.ReportMetric(float64((processorTime(b)-before).Microseconds())/float64(b.N), "cpu-µs/act")
}

// processorTime gives what this process has used.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
