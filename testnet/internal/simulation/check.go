package simulation

import (
	"context"
	"fmt"
	"slices"
	"time"

	"grapevine/p2p/simnet"
	"grapevine/store"
	"grapevine/store/ring"
)

const (
	// settleTime bounds how long a cluster without faults may take to be whole.
	settleTime = 3 * time.Minute
	settlePoll = 500 * time.Millisecond
	// calmDelay bounds the time of a message meanwhile.
	calmDelay = 20 * time.Millisecond
)

func (w *world) quiet(a Act) { time.Sleep(time.Duration(max(a.N, 0)) * time.Second) }

// check ends all faults, starts every node that has a disk, waits until the
// cluster is whole, and compares it with what was promised.
func (w *world) check(Act) {
	w.heal(Act{})
	w.net.SetAll(simnet.Conditions{MinDelay: minDelay, MaxDelay: calmDelay})
	defer func() { w.net.SetAll(w.options.Conditions()) }()
	for _, p := range w.peers {
		p.disk.Fill(false)
		p.disk.Slow(0)
	}
	w.restartAll()
	w.awaitClients()
	if w.trace.failed() != nil {
		return
	}
	if f := w.settle(); f != nil {
		w.trace.fail(f.invariant, "after %v without faults: %s", settleTime, f.detail)
		return
	}
	w.trace.event("  the cluster is whole")
	if w.judgeRows(); w.trace.failed() != nil {
		return
	}
	w.judgePeople()
	w.ledger.secure(min(copies, w.ring().members()))
}

// awaitClients waits until no client has anything under way.
func (w *world) awaitClients() {
	var idle []chan struct{}
	for _, queue := range w.queues() {
		done := make(chan struct{})
		queue <- func() { close(done) }
		idle = append(idle, done)
	}
	for _, done := range idle {
		<-done
	}
}

// settle waits until the cluster is whole, and says what is not when time is up.
func (w *world) settle() *fault {
	deadline := time.Now().Add(settleTime)
	for {
		w.bury()
		f := w.unsettled()
		if f == nil || time.Now().After(deadline) {
			return f
		}
		time.Sleep(settlePoll)
	}
}

// unsettled says what the cluster lacks to be whole.
func (w *world) unsettled() *fault {
	for _, look := range []func() *fault{w.unequalRings, w.unequalOwners, w.missingCopies, w.remainders} {
		if f := look(); f != nil {
			return f
		}
	}
	return nil
}

func (w *world) unequalRings() *fault {
	var first *ring.Ring
	for _, p := range w.peers {
		n, _ := p.running()
		switch {
		case n == nil && !p.gone:
			return &fault{Starts, fmt.Sprintf("%s is down", p.id)}
		case n == nil:
			continue
		case !n.Active():
			return &fault{CopiesRestored, fmt.Sprintf("%s is not an active member", p.id)}
		}
		if r := n.Store().Ring(); first == nil {
			first = r
		} else if r.Digest() != first.Digest() {
			return &fault{Converged, fmt.Sprintf("%s sees another ring", p.id)}
		}
	}
	return nil
}

// state is what all owners of a partition must agree on.
type state struct{ dots, vector, rows uint64 }

func (w *world) unequalOwners() *fault {
	agreed := map[store.Partition]state{}
	for _, p := range w.peers {
		n, _ := p.running()
		if n == nil {
			continue
		}
		for _, s := range n.Store().Status() {
			if !slices.Contains(s.Owners, p.id) {
				continue
			}
			digest, _, err := n.Store().Digest(s.ID)
			if err != nil {
				return &fault{Converged, err.Error()}
			}
			mine := state{s.Writes, s.VectorSum, digest}
			if other, ok := agreed[s.ID]; ok && other != mine {
				return &fault{Converged, fmt.Sprintf("partition %d: %s holds %x, another %x", s.ID, p.id, mine, other)}
			}
			agreed[s.ID] = mine
		}
	}
	return nil
}

// missingCopies finds partitions without a full number of owners that serve.
func (w *world) missingCopies() *fault {
	serving := map[store.Partition]int{}
	r := w.ring()
	for _, p := range w.peers {
		n, _ := p.running()
		if n == nil {
			continue
		}
		for _, s := range n.Store().Status() {
			if slices.Contains(s.Owners, p.id) && s.CaughtUp {
				serving[s.ID]++
			}
		}
	}
	for i := range r.Partitions() {
		if want := min(copies, r.members()); serving[store.Partition(i)] < want {
			return &fault{CopiesRestored, fmt.Sprintf("partition %d has %d copies that serve, of %d", i, serving[store.Partition(i)], want)}
		}
	}
	return nil
}

// remainders finds what is to go once all owners have everything.
func (w *world) remainders() *fault {
	for _, p := range w.peers {
		n, _ := p.running()
		if n == nil {
			continue
		}
		// What ended a write that was lost with all its disks waits for it: a machine
		// that was given up might still return and bring it.
		lost := int64(w.ledger.unsure())
		if t := n.Store().Totals(); t.LogEntries > lost || t.Marks > lost || t.HintBytes != 0 || t.Moved != 0 {
			return &fault{LogsEmpty, fmt.Sprintf("%s still has %+v", p.id, t)}
		}
	}
	return nil
}

// ringView is a ring that knows its members that own.
type ringView struct{ *ring.Ring }

func (r ringView) members() int {
	n := 0
	for _, m := range r.View().Members() {
		if m.State == ring.Active && m.Weight > 0 {
			n++
		}
	}
	return n
}

// ring gives the placement that some running node sees.
func (w *world) ring() ringView {
	for _, p := range w.peers {
		if n, _ := p.running(); n != nil && n.Store().Ring() != nil {
			return ringView{n.Store().Ring()}
		}
	}
	panic("simulation: no node has a ring")
}

// judgeRows compares all rows that were ever written with the model, at an owner
// of each.
func (w *world) judgeRows() {
	r := w.ring()
	for i := range r.Partitions() {
		id := store.Partition(i)
		keys := w.ledger.ofPartition(r.PartitionOf, id)
		if len(keys) == 0 {
			continue
		}
		owner := w.owner(r, id)
		n, _ := owner.running()
		rows, err := n.Store().GetMany(context.Background(), keys)
		if err != nil {
			w.trace.fail(CopiesRestored, "partition %d cannot be read on its owner %s: %v", i, owner.id, err)
			return
		}
		for j, k := range keys {
			if f := w.ledger.judge(k, rows[j]); f != nil {
				w.trace.fail(f.invariant, "%s on %s", f.detail, owner.id)
				return
			}
		}
	}
}

func (w *world) owner(r ringView, id store.Partition) *peer {
	for _, p := range w.peers {
		if p.up() && r.Owns(p.id, id) {
			return p
		}
	}
	panic("simulation: a partition without an owner that runs")
}
