package replica

import (
	"context"
	"errors"
	"sync"
	"time"

	"grapevine/p2p"
	"grapevine/store/ring"
)

const (
	offences    = 16               // malformed messages a peer may send ...
	offenceLife = 10 * time.Second // ... within this time, before
	penalty     = 30 * time.Second // its messages go unread for so long
	// maxOffenders bounds the peers remembered. Whoever holds the secret may come
	// under any number of names; then all are given another chance.
	maxOffenders = 1024
)

// guard counts the malformed messages of each peer. A member that keeps sending
// them is broken or hostile, and reading on would only cost the others.
type guard struct {
	mu    sync.Mutex
	peers map[p2p.NodeID]*offender
}

type offender struct {
	count int
	since time.Time
	until time.Time // its messages are not read before
}

// shuns says whether a peer's messages go unread now.
func (g *guard) shuns(peer p2p.NodeID, now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	o := g.peers[peer]
	return o != nil && now.Before(o.until)
}

// offend notes a malformed message and says whether the peer is shunned for it.
func (g *guard) offend(peer p2p.NodeID, now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.peers == nil {
		g.peers = map[p2p.NodeID]*offender{}
	}
	o := g.peers[peer]
	if o == nil || now.Sub(o.since) > offenceLife {
		if len(g.peers) >= maxOffenders {
			clear(g.peers)
		}
		o = &offender{since: now}
		g.peers[peer] = o
	}
	o.count++
	if o.count < offences {
		return false
	}
	o.until = now.Add(penalty)
	return o.count == offences
}

// errShunned is the answer to a peer that has sent too much that cannot be read.
var errShunned = &p2p.RemoteError{Code: "shunned", Message: "too many malformed messages; messages of this peer go unread for a while"}

// guarded leaves the requests of shunned peers unread.
func (s *Store) guarded(h p2p.Handler) p2p.Handler {
	return func(ctx context.Context, from p2p.NodeID, request []byte) ([]byte, error) {
		if s.guard.shuns(from, time.Now()) {
			s.metrics.shunned.Inc()
			return nil, errShunned
		}
		return h(ctx, from, request)
	}
}

// errLater is the error for a batch that a later build has encoded.
var errLater = errors.New("replica: batch in a later version of its encoding")

// laterInterval is the least time between two warnings of later versions.
const laterInterval = time.Minute

// malformed counts a message that cannot be read against its sender, unless that runs
// a later build: what such a batch holds comes by anti-entropy.
func (s *Store) malformed(from p2p.NodeID, err error) error {
	if errors.Is(err, errLater) || errors.Is(err, ring.ErrLater) {
		s.seldom.Do(func() {
			s.log.Warn("a peer runs a later build and says what this one cannot read; finish the upgrade",
				"peer", from.Short(), "error", err)
		})
		return &p2p.RemoteError{Code: "later", Message: err.Error()}
	}
	s.metrics.malformed.Inc()
	if s.guard.offend(from, time.Now()) {
		s.log.Warn("a peer keeps sending malformed messages; they go unread for a while",
			"peer", from.Short(), "for", penalty, "error", err)
	}
	return &p2p.RemoteError{Code: "malformed", Message: err.Error()}
}
