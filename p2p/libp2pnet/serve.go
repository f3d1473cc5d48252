package libp2pnet

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/libp2p/go-libp2p/core/network"
	"golang.org/x/sync/semaphore"

	"grapevine/p2p"
)

const (
	// maxHandling bounds the requests of one stream that are being handled, each
	// weighing its bytes and requestWeight: at most 512 at once, or about 60 of the
	// largest. The rest wait in the stream, and so at the sender.
	maxHandling   = 64 << 20
	requestWeight = 128 << 10
)

// errReplaced: a peer keeps one stream per protocol, and opens another when it has
// lost the first.
var errReplaced = errors.New("opened a stream although it has one")

// inboundKey names the peer's lane of a protocol.
type inboundKey struct {
	from     p2p.NodeID
	protocol string
}

// inbound is the serving end of a peer's lane.
type inbound struct {
	host     *Host
	key      inboundKey
	handler  p2p.Handler
	stream   network.Stream
	out      *outbox
	handling *semaphore.Weighted
	traffic  traffic
	done     chan struct{} // closed when no more frame is being read or delivered
}

// serve handles the frames of an inbound stream until it ends.
func (h *Host) serve(protocol string, handler p2p.Handler, stream network.Stream) {
	in := &inbound{
		host:     h,
		key:      inboundKey{from: nodeID(stream.Conn().RemotePeer()), protocol: protocol},
		handler:  handler,
		stream:   stream,
		traffic:  h.metrics.traffic.of(protocol),
		handling: semaphore.NewWeighted(maxHandling),
		done:     make(chan struct{}),
	}
	in.out = newOutbox(in.traffic)
	defer in.end()
	if !in.takeOver() || !h.spawn(func() { _ = in.out.drain(stream); in.hangUp() }) {
		return
	}
	if err := in.read(); errors.Is(err, errBadFrame) {
		h.offend(in.key.from, protocol, weightMalformed, err)
	}
}

// takeOver ends the stream that this one replaces and waits until its last
// message was delivered, so that one-way messages keep their order although the
// peer had to reconnect.
func (in *inbound) takeOver() bool {
	h := in.host
	h.mu.Lock()
	previous := h.inbound[in.key]
	h.inbound[in.key] = in
	h.mu.Unlock()
	if previous == nil {
		return true
	}
	if previous.stream.Conn() == in.stream.Conn() {
		h.offend(in.key.from, in.key.protocol, weightCrowding, errReplaced)
	}
	previous.hangUp()
	select {
	case <-previous.done:
		return true
	case <-h.ctx.Done():
		return false
	}
}

func (in *inbound) hangUp() {
	in.out.close()
	_ = in.stream.Reset()
}

func (in *inbound) end() {
	in.hangUp()
	in.host.mu.Lock()
	defer in.host.mu.Unlock()
	if in.host.inbound[in.key] == in {
		delete(in.host.inbound, in.key)
	}
	close(in.done)
}

// read starts a handler for each request and delivers one-way messages one by
// one, until the stream ends.
func (in *inbound) read() error {
	r := newFrameReader(in.stream, in.traffic)
	for {
		f, err := r.next()
		if err != nil {
			return err
		}
		switch f.kind {
		case kindRequest:
			err = in.startHandler(f)
		case kindMessage:
			_, _ = in.host.invoke(in.host.ctx, in.handler, in.key, f.payload)
		default:
			err = fmt.Errorf("%w: kind %d in request", errBadFrame, f.kind)
		}
		if err != nil {
			return err
		}
	}
}

func (in *inbound) startHandler(f frame) error {
	weight := int64(requestWeight + len(f.payload))
	if err := in.handling.Acquire(in.host.ctx, weight); err != nil {
		return err
	}
	started := in.host.spawn(func() {
		defer in.handling.Release(weight)
		in.answer(f)
	})
	if !started {
		return p2p.ErrClosed
	}
	return nil
}

// answer runs the handler and queues its reply. The wait for room in the outbox
// ends with the stream.
func (in *inbound) answer(f frame) {
	ctx := in.host.ctx
	if f.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, f.timeout)
		defer cancel()
	}
	payload, err := in.host.invoke(ctx, in.handler, in.key, f.payload)
	reply := frame{kind: kindReply, id: f.id, payload: payload}
	if err != nil {
		reply = failure(f.id, err)
	}
	_ = in.out.put(in.host.ctx, reply, true)
}

// invoke runs a handler and turns its panic, or a reply beyond MaxMessage, into
// an error.
func (h *Host) invoke(ctx context.Context, handler p2p.Handler, key inboundKey, request []byte) (result []byte, err error) {
	defer func() {
		if r := recover(); r != nil {
			h.metrics.panics.Inc()
			h.log.Error("handler panicked", "protocol", key.protocol, "peer", key.from,
				"panic", r, "stack", string(debug.Stack()))
			result, err = nil, &p2p.RemoteError{Code: "internal", Message: "handler of " + key.protocol + " failed"}
		}
	}()
	result, err = handler(ctx, key.from, request)
	if err == nil && len(result) > p2p.MaxMessage {
		err = fmt.Errorf("reply of %d bytes: %w", len(result), p2p.ErrTooLarge)
	}
	if err != nil {
		return nil, asRemote(err)
	}
	return result, nil
}
