package torture

import (
	"context"
	"sync"
)

// gate lets the load be held: while it is shut nobody acts, and shutting it waits
// for the acts under way.
type gate struct {
	mu   sync.Mutex
	open chan struct{} // closed while the gate is open
	busy sync.WaitGroup
}

func newGate() *gate {
	g := &gate{open: make(chan struct{})}
	close(g.open)
	return g
}

// enter waits until the gate is open. Each enter that returns true is followed by
// a leave; false means that ctx has ended.
func (g *gate) enter(ctx context.Context) bool {
	for ctx.Err() == nil {
		g.mu.Lock()
		open := g.open
		select {
		case <-open:
			g.busy.Add(1)
			g.mu.Unlock()
			return true
		default:
			g.mu.Unlock()
		}
		select {
		case <-open:
		case <-ctx.Done():
		}
	}
	return false
}

func (g *gate) leave() { g.busy.Done() }

// shut closes an open gate and waits for those inside.
func (g *gate) shut() {
	g.mu.Lock()
	g.open = make(chan struct{})
	g.mu.Unlock()
	g.busy.Wait()
}

// reopen ends a shut.
func (g *gate) reopen() {
	g.mu.Lock()
	defer g.mu.Unlock()
	close(g.open)
}
