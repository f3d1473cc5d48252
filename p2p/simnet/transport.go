package simnet

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"grapevine/p2p"
)

// internal is the code of errors that are no RemoteError.
const internal = "internal"

// maxQueued bounds the messages of one protocol on their way to one peer, and
// the gossip messages of a topic on their way to one subscriber.
const maxQueued = 4096

// transport is a Node as a p2p.Transport.
type transport Node

func (t *transport) Self() p2p.NodeID { return t.id }

func (t *transport) Handle(protocol string, h p2p.Handler) {
	t.net.mu.Lock()
	defer t.net.mu.Unlock()
	t.handlers[protocol] = h
}

func (t *transport) Call(ctx context.Context, to p2p.NodeID, protocol string, request []byte) ([]byte, error) {
	if len(request) > p2p.MaxMessage {
		return nil, p2p.ErrTooLarge
	}
	if to == t.id {
		return t.callSelf(ctx, protocol, request)
	}
	c, err := t.net.call(ctx, (*Node)(t), to, protocol, bytes.Clone(request))
	if err != nil {
		return nil, fmt.Errorf("calling %s of %s: %w", protocol, to.Short(), err)
	}
	reply, err := c.await(ctx)
	if err != nil {
		return nil, fmt.Errorf("calling %s of %s: %w", protocol, to.Short(), err)
	}
	return reply, nil
}

func (t *transport) callSelf(ctx context.Context, protocol string, request []byte) ([]byte, error) {
	reply, err := (*Node)(t).serve(ctx, t.id, protocol, request)
	if errors.Is(err, p2p.ErrUnreachable) && t.ctx.Err() != nil {
		return nil, p2p.ErrClosed
	}
	if err != nil {
		return nil, carried(err)
	}
	return reply, nil
}

func (t *transport) Close() error {
	t.net.change((*Node)(t).shut)
	t.serves.Wait()
	return nil
}

// carried gives err as it reaches a caller over the wire.
func carried(err error) *p2p.RemoteError {
	var remote *p2p.RemoteError
	if errors.As(err, &remote) {
		return &p2p.RemoteError{Code: remote.Code, Message: remote.Message}
	}
	return &p2p.RemoteError{Code: internal, Message: err.Error()}
}
