package node_test

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"grapevine/node/config"
)

// heedful is a client of several nodes that asks none which says that it is not
// ready, and repeats nothing.
type heedful struct {
	http   http.Client
	within time.Duration // a request that began longer ago heeds nothing any more
	served atomic.Int64
	failed sync.Map // what went wrong
}

func (h *heedful) ask(url string) {
	began := time.Now()
	if status, err := h.get(url + "/readyz"); err != nil || status != http.StatusOK {
		return
	}
	status, err := h.get(url + "/v1/users?limit=1")
	switch {
	case err == nil && status == http.StatusOK:
		h.served.Add(1)
	case err != nil && time.Since(began) < h.within:
		h.failed.Store(err.Error(), true)
	case err == nil:
		h.failed.Store(http.StatusText(status), true)
	}
}

func (h *heedful) get(url string) (status int, err error) {
	resp, err := h.http.Get(url)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, err
}

func TestAStopInOrderRefusesNoClientThatHeedsReadiness(t *testing.T) {
	t.Parallel()
	s := settle(t, 2, 3, "")
	third := config.Default(t.TempDir())
	third.SecretFile, third.Join, third.DrainSeconds = s.secret, []string{s.nodes[0].Gossip}, 1
	c, stop := stoppable(t, third)
	client := &heedful{within: time.Duration(third.DrainSeconds) * time.Second}
	defer client.http.CloseIdleConnections()
	over := make(chan struct{})
	var hammers sync.WaitGroup
	for _, n := range append(s.nodes, c) {
		for range 2 {
			hammers.Go(func() {
				for {
					select {
					case <-over:
						return
					default:
						client.ask(n.URL)
					}
				}
			})
		}
	}
	await(t, "the clients are served", func() bool { return client.served.Load() > 50 })
	ended := make(chan struct{})
	go func() { defer close(ended); stop() }()
	await(t, "the node says that it drains, and still answers", func() bool {
		resp, err := client.http.Get(c.URL + "/readyz")
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		return resp.StatusCode == http.StatusServiceUnavailable && resp.Close && strings.Contains(string(body), "draining")
	})
	<-ended
	before := client.served.Load()
	await(t, "the others serve on", func() bool { return client.served.Load() > before+50 })
	close(over)
	hammers.Wait()
	client.failed.Range(func(what, _ any) bool {
		t.Errorf("a client that heeds readiness was told: %v", what)
		return true
	})
}

func TestANodeThatIsAloneStopsAtOnce(t *testing.T) {
	t.Parallel()
	cfg := config.Default(t.TempDir())
	cfg.DrainSeconds = 600
	_, stop := stoppable(t, cfg)
	stop() // or the test would last ten minutes
}
