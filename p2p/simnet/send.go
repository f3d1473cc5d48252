package simnet

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"grapevine/p2p"
)

// address is where a node's one-way messages go.
type address struct {
	to       p2p.NodeID
	protocol string
}

// outbox holds the messages under way to an address, in order. Its goroutine
// runs while there are any.
type outbox struct {
	queue  []parcel
	latest time.Time // when the newest arrives
}

// parcel is a message under way. It is lost when its way breaks before due.
type parcel struct {
	*way
	message []byte
	due     time.Time
}

func (t *transport) Send(ctx context.Context, to p2p.NodeID, protocol string, message []byte) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("sending %s to %s: %w", protocol, to.Short(), err)
	}
	if len(message) > p2p.MaxMessage {
		return p2p.ErrTooLarge
	}
	way, err := t.net.open((*Node)(t), to)
	if err == nil {
		err = t.net.post(address{to, protocol}, parcel{way: way, message: bytes.Clone(message)})
	}
	if err != nil {
		return fmt.Errorf("sending %s to %s: %w", protocol, to.Short(), err)
	}
	return nil
}

// post queues a parcel behind those to the same address.
func (n *Network) post(a address, p parcel) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed || p.from.closed {
		return p2p.ErrClosed
	}
	box := p.from.outboxes[a]
	if box == nil {
		box = &outbox{}
		p.from.outboxes[a] = box
		n.wg.Go(func() { n.deliver(p.from, a, box) })
	}
	if len(box.queue) >= maxQueued {
		return p2p.ErrOverloaded
	}
	p.due = time.Now().Add(p.there)
	if p.due.Before(box.latest) {
		p.due = box.latest
	}
	box.latest = p.due
	box.queue = append(box.queue, p)
	return nil
}

// deliver takes the messages of an outbox to their handler, one at a time, until
// none is left.
func (n *Network) deliver(from *Node, a address, box *outbox) {
	for {
		n.mu.Lock()
		if len(box.queue) == 0 || from.closed {
			delete(from.outboxes, a)
			n.mu.Unlock()
			return
		}
		p := box.queue[0]
		box.queue = box.queue[1:]
		n.mu.Unlock()
		if p.travel(context.Background(), max(0, time.Until(p.due)), nil) == nil {
			// What the handler makes of a message without reply is its own affair.
			_, _ = p.to.serve(context.Background(), from.id, a.protocol, p.message)
		}
	}
}
