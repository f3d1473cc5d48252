package simulation

import (
	"time"

	"grapevine/crdt/causal"
	"grapevine/store"
)

// coordinated hears of every write that a node coordinated and synced.
func (w *world) coordinated(p *peer, at store.Partition, d causal.Dot, rows []store.Entry) {
	if !w.ledger.coordinate(store.Seen{Partition: at, Dot: d}, rows) {
		w.trace.fail(DotsUnique, "%s makes a second write %v in partition %d", p.id, d, at)
	}
}

func (w *world) crash(a Act) {
	if p := w.peer(a.Node); p != nil {
		w.stop(p)
	}
}

func (w *world) blackout(Act) {
	for _, p := range w.peers {
		w.stop(p)
	}
	w.restartAll()
}

func (w *world) restart(a Act) {
	if p := w.peer(a.Node); p != nil && !p.up() {
		w.start(p)
	}
}

func (w *world) restartAll() {
	for _, p := range w.peers {
		if !p.gone && !p.up() {
			w.start(p)
		}
	}
}

// loseDisk replaces the disk of a machine, unless it is the last that knows the
// cluster.
func (w *world) loseDisk(a Act) {
	p := w.peer(a.Node)
	if p == nil || w.others(p) == 0 {
		return
	}
	w.stop(p)
	w.ledger.lose()
	p.disk, p.member = w.newDisk(p), false
	w.forgetShown(p)
}

// rollBack puts a disk back to what it was some commits ago.
func (w *world) rollBack(a Act) {
	p := w.peer(a.Node)
	if p == nil || w.others(p) == 0 {
		return
	}
	w.stop(p)
	w.ledger.lose()
	p.disk, p.member = p.disk.Rollback(uint64(max(a.N, 0))), false
	w.forgetShown(p)
}

func (w *world) fill(a Act) { w.setFull(a, true) }
func (w *world) free(a Act) { w.setFull(a, false) }

func (w *world) setFull(a Act, full bool) {
	if p := w.peer(a.Node); p != nil {
		p.disk.Fill(full)
	}
}

func (w *world) slowDisk(a Act) {
	if p := w.peer(a.Node); p != nil {
		p.disk.Slow(time.Duration(max(a.N, 0)) * time.Millisecond)
	}
}

func (w *world) skew(a Act) {
	if p := w.peer(a.Node); p != nil {
		p.skew.Store(int64(time.Duration(a.N) * time.Second))
	}
}

func (w *world) join(Act) {
	if len(w.peers) < maxNodes {
		w.add()
	}
}

// reweigh restarts a node with another share of the data.
func (w *world) reweigh(a Act) {
	if p := w.peer(a.Node); p != nil && p.up() && a.N > 0 {
		w.stop(p)
		p.weight = uint32(a.N)
		w.start(p)
	}
}
