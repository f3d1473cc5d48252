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

// lane keeps the messages of a node to an address in order. They are handled one
// at a time, by a goroutine that runs while there are any.
type lane struct {
	pending int       // under way or arrived, at most maxQueued
	latest  time.Time // when the newest arrives
	arrived []parcel
	running bool
}

// parcel is a message that has arrived at a node.
type parcel struct {
	at      *Node
	message []byte
}

// follow gives the time at which a message may arrive: not before those ahead.
func (a *lane) follow(due time.Time) time.Time {
	if due.Before(a.latest) {
		due = a.latest
	}
	a.latest = due
	return due
}

func (t *transport) Send(ctx context.Context, to p2p.NodeID, protocol string, message []byte) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("sending %s to %s: %w", protocol, to.Short(), err)
	}
	if len(message) > p2p.MaxMessage {
		return p2p.ErrTooLarge
	}
	if err := t.net.post((*Node)(t), address{to, protocol}, bytes.Clone(message)); err != nil {
		return fmt.Errorf("sending %s to %s: %w", protocol, to.Short(), err)
	}
	return nil
}

// post sends a message behind those to the same address.
func (n *Network) post(from *Node, a address, message []byte) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	target, err := n.reach(from, a.to)
	if err != nil {
		return err
	}
	way := from.lanes[a]
	if way == nil {
		way = &lane{}
		from.lanes[a] = way
	}
	if way.pending >= maxQueued {
		return p2p.ErrOverloaded
	}
	way.pending++
	l := n.link(from.id, a.to)
	n.count(from.id, a.to, a.protocol, len(message))
	d := direction{from.id, a.to}
	n.launch(&flight{
		direction: d, link: l, sender: from, target: target, broken: l.broken,
		delay: l.delay(), size: len(message), lane: way,
		arrive: func(at *Node) { n.queue(way, d.from, a.protocol, parcel{at, message}) },
		lost:   func() { way.pending-- },
	})
	n.replay(l, d, func(at *Node) { at.handle(d.from, a.protocol, bytes.Clone(message)) })
	return nil
}

// queue has a message handled after those of its lane that came before. The
// network's mutex is held.
func (n *Network) queue(way *lane, from p2p.NodeID, protocol string, p parcel) {
	way.arrived = append(way.arrived, p)
	if !way.running {
		way.running = true
		n.wg.Go(func() { n.drain(way, from, protocol) })
	}
}

// drain handles the messages of a lane until none is left.
func (n *Network) drain(way *lane, from p2p.NodeID, protocol string) {
	for {
		n.mu.Lock()
		if len(way.arrived) == 0 {
			way.running = false
			n.mu.Unlock()
			return
		}
		p := way.arrived[0]
		way.arrived = way.arrived[1:]
		way.pending--
		n.mu.Unlock()
		// What the handler makes of a message without reply is its own affair.
		_, _ = p.at.serve(context.Background(), from, protocol, p.message)
	}
}
