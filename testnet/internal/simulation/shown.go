package simulation

import (
	"context"
	"slices"
	"time"

	"grapevine/crdt/causal"
	"grapevine/store"
)

// shown is what a peer's disk has shown of births: true while they were there,
// false once they were gone because of a write that must still stand.
type shown map[shownBirth]bool

type shownBirth struct {
	key store.Key
	dot causal.Dot
}

// forgetShown is for a disk that is not the one it was.
func (w *world) forgetShown(p *peer) { clear(p.shown) }

// look reads all ordinary rows on every owner that has caught up, as clients do
// that have no token: what a write ended must not come back there.
func (w *world) look() {
	for _, p := range w.peers {
		n, _ := p.running()
		if n == nil {
			continue
		}
		p.member = p.member || n.Active()
		for _, s := range n.Store().Status() {
			if s.CaughtUp && slices.Contains(s.Owners, p.id) {
				w.lookAt(p, n.Store(), s.ID)
			}
		}
	}
}

func (w *world) lookAt(p *peer, at store.Rows, id store.Partition) {
	for i := range rows {
		k := key(i + 1)
		if w.partitionOf(k.Slot) != id {
			continue
		}
		found, err := at.GetMany(context.Background(), []store.Key{k})
		if err != nil {
			continue
		}
		for _, b := range found[0].Births {
			if there, known := p.shown[shownBirth{k, b.Dot}]; known && !there {
				if _, surely := w.ledger.ended(k, b.Dot); surely {
					w.trace.fail(DeletedStaysDeleted, "%s shows birth %v %.12q of %s again", p.id, b.Dot, b.Value, k.Sort)
				}
			}
			p.shown[shownBirth{k, b.Dot}] = true
		}
		for s, there := range p.shown {
			if s.key == k && there && birth(found[0], s.dot) == nil {
				p.shown[s] = false
			}
		}
	}
}

// partitionOf is the placement of the eight partitions.
func (w *world) partitionOf(s store.Slot) store.Partition {
	return store.Partition(s >> (16 - partitionBits))
}

// calmBefore is how long the network must have been without faults, and all other
// nodes up, for a node to have no excuse.
const calmBefore = 5 * time.Second

// young says whether a node has started a moment ago.
func (p *peer) young() bool {
	_, life := p.running()
	return life != nil && time.Since(life.began) < time.Second
}

// lookAtYoung reads on nodes that have just started and can reach all others: what
// stood on all owners before must be in what they answer.
func (w *world) lookAtYoung() {
	for _, p := range w.peers {
		n, _ := p.running()
		if n == nil || !p.young() || !w.calmFor(p) {
			continue
		}
		for i := range rows {
			k := key(i + 1)
			found, err := n.Store().GetMany(context.Background(), []store.Key{k})
			if err != nil || !w.calmFor(p) {
				continue
			}
			if lost := w.ledger.secured(k, found[0]); lost != nil {
				w.trace.fail(ReadsCaughtUp, "%s, which has just started, answers without birth %v %.12q of %s", p.id, lost.Dot, lost.Value, k.Sort)
			}
		}
	}
}

// calmFor says whether nothing has kept a node from the others of late.
func (w *world) calmFor(p *peer) bool {
	if w.faulty || time.Since(w.disturbed) < calmBefore {
		return false
	}
	for _, o := range w.peers {
		if _, life := o.running(); o != p && !o.gone && (life == nil || time.Since(life.began) < calmBefore) {
			return false
		}
	}
	return true
}
