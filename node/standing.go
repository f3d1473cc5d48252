package node

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"grapevine/node/client"
	"grapevine/p2p"
	"grapevine/store"
	"grapevine/store/replica"
	"grapevine/store/ring"
)

const (
	// protoStanding asks a node of which partitions it is an owner that has caught
	// up: nothing -> a bit for each partition.
	protoStanding = "node/standing"
	// standingTimeout bounds the wait for a peer's standing, so that a probe, which
	// waits for two rounds at most, is answered within a second.
	standingTimeout = 300 * time.Millisecond
	// standingPace is the least time from one round of questions to the next.
	standingPace = 100 * time.Millisecond
	// standingPeers bounds the peers that are asked at once.
	standingPeers = 16
)

// standing has a bit set for each partition that a node owns and has caught up
// with.
type standing []byte

func (s standing) has(p store.Partition) bool {
	return int(p/8) < len(s) && s[p/8]&(1<<(p%8)) != 0
}

// standings are those of the peers, asked for when wanted.
type standings struct {
	transport p2p.Transport
	turn      chan struct{} // held by who uses the fields below
	asked     time.Time     // when the last round began, by the monotonic clock
	known     map[p2p.NodeID]standing
}

func newStandings(t p2p.Transport) *standings {
	return &standings{transport: t, turn: make(chan struct{}, 1)}
}

// of gives the standings of peers, nil for those that do not answer. No answer is
// older than the call, or a peer that has just gone would pass for one that is
// there; those who call at about one time share a round. The map must not be
// changed.
func (s *standings) of(peers []p2p.NodeID) map[p2p.NodeID]standing {
	came := time.Now()
	s.turn <- struct{}{}
	defer func() { <-s.turn }()
	isNew := func(id p2p.NodeID) bool {
		_, asked := s.known[id]
		return !asked
	}
	if s.asked.After(came) && !slices.ContainsFunc(peers, isNew) {
		return s.known
	}
	time.Sleep(standingPace - time.Since(s.asked))
	s.asked = time.Now()
	s.known = s.ask(peers)
	return s.known
}

// ask is not given a caller's context: others use the answers too.
func (s *standings) ask(peers []p2p.NodeID) map[p2p.NodeID]standing {
	ctx, cancel := context.WithTimeout(context.Background(), standingTimeout)
	defer cancel()
	var mu sync.Mutex
	out := map[p2p.NodeID]standing{}
	var all errgroup.Group
	all.SetLimit(standingPeers)
	for _, id := range peers {
		all.Go(func() error {
			var answer standing
			if reply, err := s.transport.Call(ctx, id, protoStanding, nil); err == nil {
				answer = append(standing{}, reply...)
			}
			mu.Lock()
			defer mu.Unlock()
			out[id] = answer
			return nil
		})
	}
	_ = all.Wait() // its functions return no errors
	return out
}

// answerStanding is the handler of protoStanding.
func (n *Node) answerStanding(context.Context, p2p.NodeID, []byte) ([]byte, error) {
	if n.draining.Load() {
		return nil, &p2p.RemoteError{Code: "unavailable", Message: draining}
	}
	whole := n.whole()
	if n.deps.Engine.Stats().ReadOnly {
		clear(whole) // it falls behind: what is written now is not here
	}
	return whole, nil
}

// whole is the node's standing by what it holds.
func (n *Node) whole() standing {
	self := n.deps.Transport.Self()
	status := n.store.Status()
	out := make(standing, (len(status)+7)/8)
	for i, p := range status {
		if p.CaughtUp && slices.Contains(p.Owners, self) {
			out[i/8] |= 1 << (i % 8)
		}
	}
	return out
}

// Readiness implements httpapi.Cluster.
func (c *cluster) Readiness(context.Context) client.Readiness {
	ready, reason := c.ready()
	if !ready {
		return client.Readiness{Reason: reason, WhyNot: []string{reason}}
	}
	why := c.unspared(c.store.Status())
	return client.Readiness{Ready: true, SafeToRestartNext: len(why) == 0, WhyNot: why}
}

// Why a node is not ready that goes of its own will: it still serves, but is better
// not asked.
const (
	leaving = "the node is leaving the ring; ask another"
	left    = "the node has left the ring; ask another"

	draining = "the node is draining: it is about to stop; ask another"
)

// ready says whether the node serves and, when it does not, why.
func (c *cluster) ready() (bool, string) {
	switch {
	case c.draining.Load():
		return false, draining
	case c.stopping.Load():
		return false, "the node is stopping"
	case c.store.View() == nil:
		return false, "the node has not reached the cluster it is to join; see that a node of --join runs, has the same secret, and that the first node was started without --join"
	case c.ringState() == ring.Leaving.String():
		return false, leaving
	case c.ringState() == ring.Gone.String():
		return false, left
	case !c.store.Active():
		return false, "the node is catching up with the other owners of its data"
	}
	return true, ""
}

// unspared says why no owner of what this node owns can be spared.
func (c *cluster) unspared(status []replica.PartitionStatus) []string {
	self := c.deps.Transport.Self()
	peers := map[p2p.NodeID]bool{}
	status = slices.DeleteFunc(slices.Clone(status), func(p replica.PartitionStatus) bool { return !slices.Contains(p.Owners, self) })
	for _, p := range status {
		for _, o := range p.Owners {
			if o != self && !c.isDown(o) {
				peers[o] = true
			}
		}
	}
	answers := c.standings.of(slices.Sorted(maps.Keys(peers)))
	lone := 0
	faults := map[string]bool{}
	for _, p := range status {
		if len(p.Owners) == 1 {
			lone++
		}
		for _, o := range p.Owners {
			if fault := c.faultOf(p, o, answers); fault != "" {
				faults[fault] = true
			}
		}
	}
	if c.deps.Engine.Stats().ReadOnly {
		faults[fmt.Sprintf("node %s takes no writes: its disk is nearly full", self.Short())] = true
	}
	out := []string{}
	if lone > 0 {
		out = append(out, fmt.Sprintf("node %s has the only copy of %d partitions", self.Short(), lone))
	}
	return append(out, slices.Sorted(maps.Keys(faults))...)
}

// faultOf says what keeps an owner of p from standing in for another, "" when
// nothing does.
func (c *cluster) faultOf(p replica.PartitionStatus, owner p2p.NodeID, answers map[p2p.NodeID]standing) string {
	self := owner == c.deps.Transport.Self()
	answer := answers[owner]
	switch {
	case self && p.CaughtUp:
		return ""
	case c.isDown(owner):
		return fmt.Sprintf("node %s is down", owner.Short())
	case !self && answer == nil:
		return fmt.Sprintf("node %s does not answer", owner.Short())
	case self || !answer.has(p.ID):
		return fmt.Sprintf("node %s is catching up", owner.Short())
	}
	return ""
}
