package node

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"grapevine/p2p"
)

// counting is a transport that answers for some peers and counts the calls.
type counting struct {
	p2p.Transport
	answers map[p2p.NodeID][]byte
	calls   atomic.Int64
}

func (c *counting) Call(ctx context.Context, to p2p.NodeID, _ string, _ []byte) ([]byte, error) {
	c.calls.Add(1)
	if reply, ok := c.answers[to]; ok {
		return reply, nil
	}
	<-ctx.Done()
	return nil, errors.Join(p2p.ErrUnreachable, ctx.Err())
}

func TestProbesShareTheirQuestionsToPeersAndGetNoStaleAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := &counting{answers: map[p2p.NodeID][]byte{"full": {0xff}, "new": nil}}
		s := newStandings(net)
		peers := []p2p.NodeID{"full", "new", "silent"}
		began := time.Now()
		var probes sync.WaitGroup
		for range 100 {
			probes.Go(func() {
				got := s.of(peers)
				if !got["full"].has(7) || got["full"].has(8) || got["new"] == nil || got["new"].has(0) || got["silent"] != nil {
					t.Errorf("%v", got)
				}
			})
		}
		probes.Wait()
		if took, calls := time.Since(began), int(net.calls.Load()); took >= time.Second || calls > 2*len(peers) {
			t.Errorf("100 probes took %s and %d calls", took, calls)
		}
		delete(net.answers, "full")
		if got := s.of(peers); got["full"] != nil {
			t.Errorf("a peer that is gone passes for one that is there: %v", got)
		}
	})
}
