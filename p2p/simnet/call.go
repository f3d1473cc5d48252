package simnet

import (
	"bytes"
	"context"
	"errors"

	"grapevine/p2p"
)

// call is a request under way, and its reply.
type call struct {
	from, to *Node
	out, in  chan struct{} // closed when the direction is cut
	arrived  chan struct{} // closed when the request has come to the peer
	answers  chan answer   // receives the reply that has come back
}

type answer struct {
	reply []byte
	err   error
}

// reach gives the peer of that name if it is up and not cut off. The network's
// mutex is held.
func (n *Network) reach(from *Node, to p2p.NodeID) (*Node, error) {
	if from.closed {
		return nil, p2p.ErrClosed
	}
	peer := n.nodes[to]
	if peer == nil || peer.closed || n.link(from.id, to).cut {
		return nil, p2p.ErrUnreachable
	}
	return peer, nil
}

// call sends a request on its way. The caller's context gives the handler its
// deadline.
func (n *Network) call(ctx context.Context, from *Node, to p2p.NodeID, protocol string, request []byte) (*call, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	peer, err := n.reach(from, to)
	if err != nil {
		return nil, err
	}
	out, in := n.link(from.id, to), n.link(to, from.id)
	c := &call{
		from: from, to: peer, out: out.broken, in: in.broken,
		arrived: make(chan struct{}), answers: make(chan answer, 1),
	}
	d := direction{from.id, to}
	there, reset := out.delay(), out.chance(out.ReplyLoss)
	reply := &flight{
		direction: direction{to, from.id}, link: in, sender: peer, target: from, broken: in.broken,
	}
	n.count(d.from, to, protocol, len(request))
	n.launch(&flight{
		direction: d, link: out, sender: from, target: peer, broken: out.broken, delay: there, size: len(request),
		arrive: func(*Node) {
			close(c.arrived)
			n.wg.Go(func() {
				a := c.answer(ctx, protocol, request)
				n.reply(c, reply, protocol, a, reset)
			})
		},
	})
	if n.opts.replayable(protocol) {
		again := bytes.Clone(request)
		n.replay(out, d, func(at *Node) { at.handle(d.from, protocol, again) })
	}
	return c, nil
}

// answer runs the peer's handler.
func (c *call) answer(ctx context.Context, protocol string, request []byte) answer {
	reply, err := c.to.serve(ctx, c.from.id, protocol, request)
	switch {
	case err != nil:
		return answer{err: carried(err)}
	case len(reply) > p2p.MaxMessage:
		return answer{err: &p2p.RemoteError{Code: internal, Message: p2p.ErrTooLarge.Error()}}
	}
	return answer{reply: bytes.Clone(reply)}
}

// reply sends the answer of a call on its way back, or resets the connection
// instead.
func (n *Network) reply(c *call, f *flight, protocol string, a answer, reset bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case c.to.closed:
		return
	case reset:
		c.answers <- answer{err: p2p.ErrLost}
		return
	}
	f.delay, f.size = f.link.delay(), a.size()
	f.arrive = func(*Node) { c.answers <- a } // has room for the one answer
	n.count(f.from, f.to, protocol, f.size)
	n.launch(f)
}

// size gives the bytes that an answer takes on the wire.
func (a answer) size() int {
	var remote *p2p.RemoteError
	if errors.As(a.err, &remote) {
		return len(remote.Code) + len(remote.Message)
	}
	return len(a.reply)
}

// await waits for the answer of a call, until ctx ends or the way is broken. The
// way back matters only once the request has come.
func (c *call) await(ctx context.Context) ([]byte, error) {
	if _, err := await(ctx, c, nil, c.arrived); err != nil {
		return nil, err
	}
	a, err := await(ctx, c, c.in, c.answers)
	if err != nil {
		return nil, err
	}
	return a.reply, a.err
}

// await waits for an event until the call is given up or broken, which counts for
// more when both have happened.
func await[T any](ctx context.Context, c *call, in <-chan struct{}, event <-chan T) (v T, err error) {
	select {
	case v = <-event:
	case <-ctx.Done():
	case <-c.from.ctx.Done():
	case <-c.to.ctx.Done():
	case <-c.out:
	case <-in:
	}
	return v, c.broken(ctx, in)
}

// broken says why the call cannot go on, or nil.
func (c *call) broken(ctx context.Context, in <-chan struct{}) error {
	switch {
	case isClosed(c.from.ctx.Done()):
		return p2p.ErrClosed
	case isClosed(c.to.ctx.Done()), isClosed(c.out), isClosed(in):
		return p2p.ErrLost
	}
	return ctx.Err()
}
