package simnet

import (
	"bytes"
	"context"
	"time"

	"grapevine/p2p"
)

// way is a call's way to a peer and back.
type way struct {
	from, to    *Node
	there, back time.Duration
	out, in     <-chan struct{} // closed when the direction is cut
}

// open looks for a way from a node to a peer that is up and not cut off.
func (n *Network) open(from *Node, to p2p.NodeID) (*way, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if from.closed {
		return nil, p2p.ErrClosed
	}
	out, in := n.link(from.id, to), n.link(to, from.id)
	peer := n.nodes[to]
	if peer == nil || peer.closed || out.cut {
		return nil, p2p.ErrUnreachable
	}
	return &way{
		from: from, to: peer,
		there: n.delay(out), back: n.delay(in),
		out: out.broken, in: in.broken,
	}, nil
}

// call takes a request to the peer and its reply back.
func (w *way) call(ctx context.Context, protocol string, request []byte) ([]byte, error) {
	if err := w.travel(ctx, w.there, nil); err != nil {
		return nil, err
	}
	type answer struct {
		reply []byte
		err   error
	}
	answers := make(chan answer, 1)
	if !w.to.net.spawn(func() {
		reply, err := w.to.serve(ctx, w.from.id, protocol, request)
		answers <- answer{bytes.Clone(reply), err}
	}) {
		return nil, p2p.ErrClosed
	}
	a, err := await(ctx, w, w.in, answers)
	if err != nil {
		return nil, err
	}
	if err := w.travel(ctx, w.back, w.in); err != nil {
		return nil, err
	}
	switch {
	case a.err != nil:
		return nil, carried(a.err)
	case len(a.reply) > p2p.MaxMessage:
		return nil, &p2p.RemoteError{Code: internal, Message: p2p.ErrTooLarge.Error()}
	}
	return a.reply, nil
}

// travel waits for the time that a message is under way.
func (w *way) travel(ctx context.Context, d time.Duration, in <-chan struct{}) error {
	if d == 0 {
		arrived := make(chan struct{})
		close(arrived)
		_, err := await(ctx, w, in, arrived)
		return err
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	_, err := await(ctx, w, in, timer.C)
	return err
}

// await waits for an event until the call is given up or broken, which counts for
// more when both have happened. A nil in stands for a way back that does not
// matter yet.
func await[T any](ctx context.Context, w *way, in <-chan struct{}, event <-chan T) (v T, err error) {
	select {
	case v = <-event:
	case <-ctx.Done():
	case <-w.from.ctx.Done():
	case <-w.to.ctx.Done():
	case <-w.out:
	case <-in:
	}
	return v, w.broken(ctx, in)
}

// broken says why the call cannot go on, or nil.
func (w *way) broken(ctx context.Context, in <-chan struct{}) error {
	select {
	case <-w.from.ctx.Done():
		return p2p.ErrClosed
	case <-w.to.ctx.Done():
		return p2p.ErrLost
	case <-w.out:
		return p2p.ErrLost
	case <-in:
		return p2p.ErrLost
	default:
		return ctx.Err()
	}
}

// spawn runs f in a goroutine that Close waits for, unless closed already.
func (n *Network) spawn(f func()) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return false
	}
	n.wg.Go(f)
	return true
}
