package libp2pnet

import (
	"context"
	"errors"
	"fmt"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/protocol"

	"grapevine/p2p"
)

var _ p2p.Transport = (*Host)(nil)

// laneAttempts bounds how often a call looks for another lane when the one at
// hand was lost before it took the request.
const laneAttempts = 3

func protocolID(name string) protocol.ID { return protocol.ID("/grapevine/" + name) }

// Handle implements p2p.Transport.
func (h *Host) Handle(name string, handler p2p.Handler) {
	h.mu.Lock()
	h.handlers[name] = handler
	h.mu.Unlock()
	h.host.SetStreamHandler(protocolID(name), func(s network.Stream) {
		if !h.enter() {
			_ = s.Reset()
			return
		}
		defer h.wg.Done()
		h.serve(name, handler, s)
	})
}

// Call implements p2p.Transport.
func (h *Host) Call(ctx context.Context, to p2p.NodeID, name string, request []byte) ([]byte, error) {
	if len(request) > p2p.MaxMessage {
		return nil, fmt.Errorf("call %s: %d bytes: %w", name, len(request), p2p.ErrTooLarge)
	}
	if to == h.self {
		return h.callSelf(ctx, name, request)
	}
	var result []byte
	err := h.withLane(ctx, to, name, func(l *lane) (err error) {
		result, err = l.call(ctx, request)
		return err
	})
	return result, err
}

// Send implements p2p.Transport. It fails with p2p.ErrOverloaded at once when
// the queue towards the peer is full.
func (h *Host) Send(ctx context.Context, to p2p.NodeID, name string, message []byte) error {
	if len(message) > p2p.MaxMessage {
		return fmt.Errorf("send %s: %d bytes: %w", name, len(message), p2p.ErrTooLarge)
	}
	if to == h.self {
		return h.sendSelf(name, message)
	}
	return h.withLane(ctx, to, name, func(l *lane) error {
		return l.out.put(ctx, frame{kind: kindMessage, payload: message}, false)
	})
}

// withLane applies use to the lane towards a peer, and to a fresh one if the
// lane turns out to be lost.
func (h *Host) withLane(ctx context.Context, to p2p.NodeID, name string, use func(*lane) error) error {
	err := errStreamLost
	for range laneAttempts {
		var l *lane
		if l, err = h.lane(ctx, to, name); err != nil {
			break
		}
		if err = use(l); !errors.Is(err, errStreamLost) {
			break
		}
	}
	var remote *p2p.RemoteError
	switch {
	case err == nil, errors.As(err, &remote):
		return err
	case errors.Is(err, errStreamLost):
		err = p2p.ErrUnreachable
	case errors.Is(err, p2p.ErrOverloaded):
		h.metrics.overloaded.Inc()
	}
	if h.ctx.Err() != nil {
		err = p2p.ErrClosed
	}
	return fmt.Errorf("%s to %s: %w", name, to.Short(), err)
}

// callSelf runs the handler as if the request had come from a peer. Its context
// ends with the host too.
func (h *Host) callSelf(ctx context.Context, name string, request []byte) ([]byte, error) {
	handler, ok := h.handler(name)
	if !ok {
		return nil, unsupported(name)
	}
	if !h.enter() {
		return nil, p2p.ErrClosed
	}
	defer h.wg.Done()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(h.ctx, cancel)()
	return h.invoke(ctx, handler, inboundKey{from: h.self, protocol: name}, request)
}

func (h *Host) handler(name string) (p2p.Handler, bool) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	handler, ok := h.handlers[name]
	return handler, ok
}

func unsupported(name string) error {
	return &p2p.RemoteError{Code: p2p.CodeUnsupported, Message: "protocol " + name + " is not served"}
}
