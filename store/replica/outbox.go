package replica

import (
	"context"
	"slices"
	"sync"
	"time"

	"grapevine/p2p"
)

const (
	maxBatchBytes = 192 << 10 // a published batch is split beyond this
	maxUnacked    = 32 << 20  // bytes of batches kept for pushing
	window        = 4 << 20   // unacknowledged bytes beyond which publishing waits
	windowWait    = 250 * time.Millisecond
	deliveryLife  = 10 * time.Second // then anti-entropy alone is left to do it
	minAckTimeout = 30 * time.Millisecond
	maxAckTimeout = time.Second
	pushers       = 8 // concurrent direct pushes to one peer
)

// delivery is a batch on its way to the other owners of its partitions. It is
// open for more deltas until the publisher seals it, so that batches grow when
// publishing is slow.
type delivery struct {
	topic *ownerSet
	batch batch
	size  int // bytes: an estimate while open, then of message

	message []byte        // nil while open
	sent    time.Time     // when it was sealed
	sealed  chan struct{} // closed then

	mu       sync.Mutex
	acked    map[p2p.NodeID]bool         // who has it on disk, and whether that copy counts
	standIns map[p2p.NodeID]standInState // asked to keep it for owners that are away
	progress chan struct{}               // closed and replaced when copies may have changed
}

// copies counts durable copies, this node's included. Those of nodes that are only
// coming to own the data, or have not caught up, are not counted; those of
// stand-ins are unless owners are asked for.
func (d *delivery) copies(alive func(p2p.NodeID) bool, ownersOnly bool) (have, possible int, progress <-chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	have, possible = 1, 1
	for _, o := range d.topic.owners {
		counts, acked := d.acked[o]
		switch {
		case counts:
			have++
			possible++
		case !acked && alive(o):
			possible++
		}
	}
	for peer, state := range d.standIns {
		switch {
		case ownersOnly:
		case state == keeps:
			have++
			possible++
		case state == asked && alive(peer):
			possible++
		}
	}
	return have, possible, d.progress
}

// ack notes an acknowledgement and says whether it is the first.
func (d *delivery) ack(from p2p.NodeID, counts bool) (first bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	first = len(d.acked) == 0
	d.acked[from] = d.acked[from] || counts
	d.wake()
	return first
}

// arrived says whether some peer has acknowledged it.
func (d *delivery) arrived() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.acked) > 0
}

func (d *delivery) wake() {
	close(d.progress)
	d.progress = make(chan struct{})
}

// outstanding gives the reachable peers that have not acknowledged.
func (d *delivery) outstanding(alive func(p2p.NodeID) bool) []p2p.NodeID {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out []p2p.NodeID
	for _, peer := range d.topic.peers {
		if _, acked := d.acked[peer]; !acked && alive(peer) {
			out = append(out, peer)
		}
	}
	return out
}

func (d *delivery) hasAck(peer p2p.NodeID) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, acked := d.acked[peer]
	return acked
}

// outbox holds the batches that some reachable owner has not acknowledged.
type outbox struct {
	mu      sync.Mutex
	pending map[uint64]*delivery
	open    map[*ownerSet]*delivery
	order   []*delivery // oldest first; may hold some that are done
	next    uint64
	bytes   int
	latency time.Duration // smoothed time to an acknowledgement
	eased   chan struct{} // closed and replaced when less may be under way
	kick    chan struct{} // wakes the pusher
	pushing map[p2p.NodeID]bool
}

func newOutbox(first uint64) *outbox {
	return &outbox{
		pending: map[uint64]*delivery{}, open: map[*ownerSet]*delivery{}, next: first, latency: 10 * time.Millisecond,
		eased: make(chan struct{}), kick: make(chan struct{}, 1), pushing: map[p2p.NodeID]bool{},
	}
}

// add puts a delta into the open delivery of an owner set. It makes one when
// there is none with room, and then says that it is new: the caller hands it to
// the publisher.
func (o *outbox) add(set *ownerSet, delta delta, size int, start func() batch) (d *delivery, isNew bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	d = o.open[set]
	if d == nil || d.size+size > maxBatchBytes {
		o.next++
		d = &delivery{
			topic: set, batch: start(), sealed: make(chan struct{}),
			acked: map[p2p.NodeID]bool{}, progress: make(chan struct{}),
		}
		d.batch.number = o.next
		o.pending[o.next], o.open[set], isNew = d, d, true
		o.order = append(o.order, d)
	}
	d.batch.deltas = append(d.batch.deltas, delta)
	d.size += size
	o.bytes += size
	return d, isNew
}

// seal encodes a delivery, which takes no more deltas, and gives up the oldest
// ones when too much is kept: anti-entropy will do their work.
func (o *outbox) seal(d *delivery, now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.open[d.topic] == d {
		delete(o.open, d.topic)
	}
	d.message, d.sent = d.batch.encode(), now
	d.batch.deltas = nil
	o.bytes += len(d.message) - d.size
	d.size = len(d.message)
	close(d.sealed)
	for o.bytes > maxUnacked && len(o.order) > 1 && o.order[0].message != nil && o.order[0] != d {
		o.dropLocked(o.order[0])
		o.order = o.order[1:]
	}
	select {
	case o.kick <- struct{}{}:
	default:
	}
}

func (o *outbox) dropLocked(d *delivery) {
	if _, ok := o.pending[d.batch.number]; !ok {
		return
	}
	delete(o.pending, d.batch.number)
	o.bytes -= d.size
	o.ease()
}

// ease wakes who waits for the window. The mutex is held.
func (o *outbox) ease() {
	close(o.eased)
	o.eased = make(chan struct{})
}

// acked notes a peer's acknowledgement, which counts unless the peer lags, and
// drops the delivery when all that are reachable have it.
func (o *outbox) acked(number uint64, from p2p.NodeID, lags bool, now time.Time, alive func(p2p.NodeID) bool) {
	o.mu.Lock()
	d := o.pending[number]
	if d == nil || d.message == nil { // done with, or not sent yet and so not theirs to acknowledge
		o.mu.Unlock()
		return
	}
	o.latency += (now.Sub(d.sent) - o.latency) / 16
	o.mu.Unlock()
	first, done := d.ack(from, !lags), len(d.outstanding(alive)) == 0
	o.mu.Lock()
	defer o.mu.Unlock()
	if done {
		o.dropLocked(d)
	} else if first {
		o.ease()
	}
}

// overdue gives the deliveries that have waited longer than acknowledgements
// take, dropping those that are done or past their life, and when to look again
// (0: nothing is pending).
func (o *outbox) overdue(now time.Time, alive func(p2p.NodeID) bool) (late []*delivery, again time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	timeout := min(max(4*o.latency, minAckTimeout), maxAckTimeout)
	o.order = slices.DeleteFunc(o.order, func(d *delivery) bool {
		_, pending := o.pending[d.batch.number]
		if pending && d.message != nil && (now.Sub(d.sent) > deliveryLife || len(d.outstanding(alive)) == 0) {
			o.dropLocked(d)
			pending = false
		}
		return !pending
	})
	for _, d := range o.order {
		if d.message == nil || now.Sub(d.sent) < timeout {
			break
		}
		late = append(late, d)
	}
	if len(o.order) == 0 {
		return nil, 0
	}
	return late, timeout / 2
}

// recheck makes every waiting write count again: the set of reachable peers may
// have changed.
func (o *outbox) recheck() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, d := range o.pending {
		d.mu.Lock()
		d.wake()
		d.mu.Unlock()
	}
}

// waitWindow holds publishing back while much is unacknowledged, for a bounded
// time, so that gossip is not driven into its silent drops.
func (o *outbox) waitWindow(ctx context.Context) {
	deadline := time.NewTimer(windowWait)
	defer deadline.Stop()
	for {
		o.mu.Lock()
		full, eased := o.bytes > window && o.recent(time.Now()) > window, o.eased
		o.mu.Unlock()
		if !full {
			return
		}
		select {
		case <-eased:
		case <-deadline.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// recent gives the bytes that gossip may still be delivering. The quickest owner sets
// the pace: one that is silent must not hold up the others, and what it misses is
// pushed.
func (o *outbox) recent(now time.Time) (bytes int) {
	for _, d := range o.pending {
		if d.message == nil || now.Sub(d.sent) < maxAckTimeout && !d.arrived() {
			bytes += d.size
		}
	}
	return bytes
}

// publish hands the group's own writes to the publisher, batched by owner set.
// Deliveries are attached before the writes are told that they are durable.
func (s *Store) publish(group []work) {
	place := s.placement.Load()
	start := func() batch { return batch{coordinator: s.cfg.Self, ring: place.ring.Digest()} }
	for _, w := range group {
		l, ok := w.(*localWrite)
		if !ok || l.err != nil || len(l.delta.rows) == 0 {
			continue
		}
		set := place.sets[l.partition]
		if len(set.peers) == 0 {
			continue
		}
		d, isNew := s.outbox.add(set, l.delta, int(l.bytes), start)
		l.delivery = d
		if !isNew {
			continue
		}
		select {
		case s.publishing <- d:
		case <-s.ctx.Done():
			return
		}
	}
}

// runPublisher publishes deliveries in order, within the window.
func (s *Store) runPublisher() {
	for {
		select {
		case d := <-s.publishing:
			s.outbox.waitWindow(s.ctx)
			s.outbox.seal(d, time.Now())
			if err := s.topics.publish(s.ctx, d.topic, d.message); err != nil && s.ctx.Err() == nil {
				s.log.Debug("publish failed; the batch will be pushed", "error", err)
			}
			s.metrics.published.Add(float64(len(d.message)))
		case <-s.ctx.Done():
			return
		}
	}
}

// sleep waits for d and says whether ctx still runs.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
