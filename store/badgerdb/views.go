package badgerdb

import "sync"

// views knows which version new snapshots read, and which versions the open ones
// do. Reading the newest published version, rather than Badger's newest, is what
// frees readers from waiting for a sync under way.
type views struct {
	mu     sync.Mutex
	left   sync.Cond // a view has ended
	newest uint64
	open   map[uint64]int // views by the version they read
	closed bool
}

func newViews(version uint64) *views {
	v := &views{newest: version, open: make(map[uint64]int)}
	v.left.L = &v.mu
	return v
}

// enter opens a view and gives the version it reads, unless v is closed.
func (v *views) enter() (version uint64, ok bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.closed {
		return 0, false
	}
	v.open[v.newest]++
	return v.newest, true
}

// leave ends a view that enter opened at version.
func (v *views) leave(version uint64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.open[version]--; v.open[version] == 0 {
		delete(v.open, version)
		v.left.Broadcast()
	}
}

// latest gives the version that new views read.
func (v *views) latest() uint64 {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.newest
}

// publish makes version the one that new views read, and gives the oldest
// version that any view reads: nobody needs what was overwritten before it.
func (v *views) publish(version uint64) (oldest uint64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.newest = version
	oldest = version
	for open := range v.open {
		oldest = min(oldest, open)
	}
	return oldest
}

// close refuses further views and waits until none is open.
func (v *views) close() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.closed = true
	for len(v.open) > 0 {
		v.left.Wait()
	}
}
