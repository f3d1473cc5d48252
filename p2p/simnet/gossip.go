package simnet

import (
	"bytes"
	"context"
	"fmt"

	"grapevine/p2p"
)

// broadcaster is a Node as a p2p.Broadcaster.
type broadcaster Node

// subscription is a node's place in a topic.
type subscription struct {
	node    *Node
	topic   string
	receive func(from p2p.NodeID, message []byte)
	queue   chan rumour
	done    chan struct{} // closed to end it
	ended   chan struct{} // closed when receive is called no more

	// Guarded by the network's mutex.
	closed  bool
	pending int // rumours under way or queued, at most maxQueued
}

// rumour is a gossip message with the node it came from.
type rumour struct {
	from    p2p.NodeID
	message []byte
}

func (b *broadcaster) Join(topic string, receive func(p2p.NodeID, []byte)) (p2p.Topic, error) {
	s := &subscription{
		node: (*Node)(b), topic: topic, receive: receive,
		queue: make(chan rumour, maxQueued),
		done:  make(chan struct{}), ended: make(chan struct{}),
	}
	b.net.mu.Lock()
	defer b.net.mu.Unlock()
	if b.closed {
		return nil, p2p.ErrClosed
	}
	if b.topics[topic] != nil {
		return nil, fmt.Errorf("simnet: topic %s is joined already", topic)
	}
	b.topics[topic] = s
	b.net.wg.Go(s.run)
	return s, nil
}

func (s *subscription) run() {
	defer close(s.ended)
	for {
		select {
		case <-s.done:
			return
		case r := <-s.queue:
			s.node.net.mu.Lock()
			s.pending--
			closed := s.closed
			s.node.net.mu.Unlock()
			if closed {
				return
			}
			s.receive(r.from, r.message)
		}
	}
}

func (s *subscription) Publish(ctx context.Context, message []byte) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("publishing to %s: %w", s.topic, err)
	}
	if len(message) > p2p.MaxMessage {
		return p2p.ErrTooLarge
	}
	n := s.node.net
	n.mu.Lock()
	defer n.mu.Unlock()
	if s.closed {
		return p2p.ErrClosed
	}
	n.publish(s.node.id, s.node, s.topic, message)
	return nil
}

// InjectGossip spreads bytes in a topic as if a member had published them, whether
// that member is up and in the topic or not. Like any longer than p2p.MaxMessage,
// such never leave.
func (n *Network) InjectGossip(from p2p.NodeID, topic string, message []byte) {
	if len(message) > p2p.MaxMessage {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.publish(from, nil, topic, message)
}

// publish sends a message to all other subscribers, in the order of their names.
// The sender is nil when it only poses as one. The network's mutex is held.
func (n *Network) publish(from p2p.NodeID, sender *Node, topic string, message []byte) {
	for _, peer := range n.order {
		if to := peer.topics[topic]; to != nil && peer.id != from {
			n.spread(from, sender, to, message)
		}
	}
}

// spread sends a rumour to one subscriber, as often as chance has it. The
// network's mutex is held.
func (n *Network) spread(from p2p.NodeID, sender *Node, to *subscription, message []byte) {
	d := direction{from, to.node.id}
	l := n.link(d.from, d.to)
	copies := 1
	if l.rng.Float64() < l.Loss {
		copies = 0
	} else if l.rng.Float64() < l.Duplicate {
		copies = 2
	}
	n.count(d.from, d.to, to.topic, len(message))
	for range copies {
		delay := l.delay()
		if to.pending >= maxQueued {
			continue
		}
		to.pending++
		r := rumour{from, bytes.Clone(message)}
		n.launch(&flight{
			direction: d, link: l, sender: sender, target: to.node, broken: l.broken,
			delay: delay, size: len(message),
			arrive: func(*Node) { to.queue <- r }, // never blocks: its capacity is the bound of pending
			lost:   func() { to.pending-- },
		})
	}
	again := rumour{from, bytes.Clone(message)}
	n.replay(l, d, func(at *Node) { at.hear(to.topic, again) })
}

// hear takes up a rumour that comes once more. The network's mutex is held.
func (n *Node) hear(topic string, r rumour) {
	if s := n.topics[topic]; s != nil && s.pending < maxQueued {
		s.pending++
		s.queue <- r // never blocks: its capacity is the bound of pending
	}
}

func (s *subscription) Close() error {
	s.node.net.mu.Lock()
	s.shut()
	if s.node.topics[s.topic] == s {
		delete(s.node.topics, s.topic)
	}
	s.node.net.mu.Unlock()
	<-s.ended
	return nil
}

// shut ends the subscription without waiting. The network's mutex is held.
func (s *subscription) shut() {
	if !s.closed {
		s.closed = true
		close(s.done)
	}
}
