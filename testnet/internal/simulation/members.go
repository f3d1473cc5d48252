package simulation

// leave makes a node leave, unless too few would be left.
func (w *world) leave(a Act) {
	p := w.peer(a.Node)
	n, _ := p.running()
	if n == nil || w.others(p) < 2 {
		return
	}
	if err := n.Store().Leave(); err != nil {
		w.trace.event("  %s does not leave: %v", p.id, err)
	}
}

// watch ends a node, and throws its disk away, once it says that it has left.
func (w *world) watch(p *peer) {
	n, life := p.running()
	w.watchers.Go(func() {
		select {
		case <-n.Store().Left():
			w.departures <- p
		case <-life.Done():
		}
	})
}

// bury throws away the machines that have left.
func (w *world) bury() {
	for {
		select {
		case p := <-w.departures:
			if n, _ := p.running(); n != nil {
				w.trace.event("  %s has left", p.id)
				w.stop(p)
				w.roll.Lock()
				p.gone = true
				w.roll.Unlock()
			}
		default:
			return
		}
	}
}

// forget makes a node forget another that is down. Its disk is given up: what it
// alone has may be lost.
func (w *world) forget(a Act) {
	p := w.peer(a.Peer)
	n, _ := w.peer(a.Node).running()
	if n == nil || p == nil || p.up() || w.others(p) == 0 {
		return
	}
	w.ledger.lose()
	w.forgetShown(p)
	if err := n.Store().Forget(p.id); err != nil {
		w.trace.event("  %s is not forgotten: %v", p.id, err)
	}
}
