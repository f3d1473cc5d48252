package libp2pnet

import (
	"math"
	"sync"
	"time"

	"grapevine/p2p"
)

// A peer is barred when its offences weigh barredAt, and again welcome when what
// is left of them has fallen to half of that. They lose half their weight with
// each offenceHalfLife, so one burst costs a peer half a minute, one that does
// not stop costs it two minutes more after its end, and a rare fault nothing.
const (
	barredAt        = 8
	heaviest        = 64
	offenceHalfLife = 30 * time.Second
	// maxOffenders bounds the peers remembered. Whoever holds the secret may come
	// under any number of names: then the lightest offender is forgotten.
	maxOffenders = 1024
)

// How much an offence weighs.
const (
	weightMalformed = 1    // no honest peer sends this
	weightCrowding  = 0.25 // an honest peer does this when its luck is bad
)

// offences remembers who broke the rules of late. It is safe for concurrent use.
type offences struct {
	now   func() time.Time
	mu    sync.Mutex
	peers map[p2p.NodeID]*offender
}

type offender struct {
	weight float64 // at the time at
	at     time.Time
	barred bool
}

func newOffences(now func() time.Time) *offences {
	return &offences{now: now, peers: map[p2p.NodeID]*offender{}}
}

// note adds an offence and says whether the peer is barred because of it.
func (o *offences) note(id p2p.NodeID, weight float64) (barredNow bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := o.now()
	of := o.peers[id]
	if of == nil {
		o.makeRoom(now)
		of = &offender{at: now}
		o.peers[id] = of
	}
	of.decay(now)
	of.weight = min(of.weight+weight, heaviest)
	barredNow = !of.barred && of.weight >= barredAt
	of.barred = of.barred || barredNow
	return barredNow
}

// barred says whether a peer is to be kept out at present.
func (o *offences) barred(id p2p.NodeID) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	of := o.peers[id]
	if of == nil {
		return false
	}
	of.decay(o.now())
	return of.barred
}

func (of *offender) decay(now time.Time) {
	if passed := now.Sub(of.at); passed > 0 {
		of.weight *= math.Exp2(-passed.Seconds() / offenceHalfLife.Seconds())
		of.at = now
	}
	if of.weight <= barredAt/2 {
		of.barred = false
	}
}

// makeRoom forgets the lightest offender when there are too many.
func (o *offences) makeRoom(now time.Time) {
	if len(o.peers) < maxOffenders {
		return
	}
	var lightest p2p.NodeID
	least := math.Inf(1)
	for id, of := range o.peers {
		if of.decay(now); of.weight < least {
			lightest, least = id, of.weight
		}
	}
	delete(o.peers, lightest)
}

// offend notes that a peer broke the rules of a protocol, and ends its
// connections when it has done so too often.
func (h *Host) offend(id p2p.NodeID, protocol string, weight float64, cause error) {
	h.metrics.malformed.WithLabelValues(protocol).Inc()
	if h.offences.note(id, weight) {
		h.log.Warn("barred a peer for a while: it keeps breaking the rules", "peer", id, "protocol", protocol, "error", cause)
		h.spawn(func() { h.disconnect(id) })
		return
	}
	h.seldom.Do(func() {
		h.log.Warn("a peer broke the rules", "peer", id, "protocol", protocol, "error", cause)
	})
}
