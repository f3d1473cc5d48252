package simnet

import (
	"bytes"
	"context"
	"fmt"
	"time"

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
	for _, peer := range n.nodes {
		if to := peer.topics[s.topic]; to != nil && to != s {
			n.spread(s.node.id, to, message)
		}
	}
	return nil
}

// spread sends a rumour to one subscriber, as often as chance has it. The
// network's mutex is held.
func (n *Network) spread(from p2p.NodeID, to *subscription, message []byte) {
	l := n.link(from, to.node.id)
	copies := 1
	if l.rng.Float64() < n.opts.Loss {
		copies = 0
	} else if l.rng.Float64() < n.opts.Duplicate {
		copies = 2
	}
	for range copies {
		delay := n.delay(l)
		if l.cut || to.pending >= maxQueued {
			continue
		}
		to.pending++
		r := rumour{from, bytes.Clone(message)}
		if delay == 0 {
			to.queue <- r // never blocks: its capacity is the bound of pending
			continue
		}
		broken := l.broken
		time.AfterFunc(delay, func() { n.arrive(to, r, broken) })
	}
}

// arrive queues a rumour for its subscriber, unless the way broke under it.
func (n *Network) arrive(to *subscription, r rumour, broken <-chan struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	select {
	case <-broken:
		to.pending--
	default:
		if !to.closed {
			to.queue <- r // never blocks: its capacity is the bound of pending
		}
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
