package libp2pnet

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"

	"grapevine/p2p"
)

// lane is the outbound stream of one protocol to one peer: requests and one-way
// messages go out on it, replies come back. Once lost it stays so.
type lane struct {
	stream  network.Stream
	out     *outbox
	traffic traffic

	mu      sync.Mutex
	pending map[uint64]chan<- reply // nil when the lane is lost
	lastID  uint64
}

type reply struct {
	payload []byte
	err     error
}

func newLane(s network.Stream, t traffic) *lane {
	return &lane{stream: s, out: newOutbox(t), traffic: t, pending: map[uint64]chan<- reply{}}
}

// call sends a request and waits for its reply.
func (l *lane) call(ctx context.Context, request []byte) ([]byte, error) {
	replies := make(chan reply, 1)
	id, ok := l.expect(replies)
	if !ok {
		return nil, errStreamLost
	}
	f := frame{kind: kindRequest, id: id, payload: request}
	if deadline, ok := ctx.Deadline(); ok {
		f.timeout = max(time.Until(deadline), time.Microsecond)
	}
	if err := l.out.put(ctx, f, true); err != nil {
		l.forget(id)
		return nil, err
	}
	select {
	case r := <-replies:
		if r.err != nil && ctx.Err() != nil {
			return nil, ctx.Err() // the handler noticed the end of the deadline first
		}
		return r.payload, r.err
	case <-ctx.Done():
		l.forget(id)
		return nil, ctx.Err()
	}
}

// expect draws the id of a new call.
func (l *lane) expect(replies chan<- reply) (id uint64, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.pending == nil {
		return 0, false
	}
	l.lastID++
	l.pending[l.lastID] = replies
	return l.lastID, true
}

func (l *lane) forget(id uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.pending, id)
}

// resolve hands a reply to its caller, if that one still waits.
func (l *lane) resolve(id uint64, r reply) {
	l.mu.Lock()
	replies := l.pending[id]
	delete(l.pending, id)
	l.mu.Unlock()
	if replies != nil {
		replies <- r
	}
}

// read dispatches replies until the stream ends, and says why it did.
func (l *lane) read() error {
	r := newFrameReader(l.stream, l.traffic)
	for {
		f, err := r.next()
		switch {
		case err != nil:
			return err
		case f.kind == kindReply:
			l.resolve(f.id, reply{payload: f.payload})
		case f.kind == kindFailure:
			l.resolve(f.id, reply{err: parseFailure(f.payload)})
		default:
			return fmt.Errorf("%w: kind %d in reply", errBadFrame, f.kind)
		}
	}
}

// lose ends the lane and fails all calls that wait on it.
func (l *lane) lose() {
	l.mu.Lock()
	pending := l.pending
	l.pending = nil
	l.mu.Unlock()
	l.out.close()
	_ = l.stream.Reset()
	for _, replies := range pending {
		replies <- reply{err: p2p.ErrLost}
	}
}

func (l *lane) lost() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.pending == nil
}

// start runs the lane's reader and writer under h until the stream ends.
func (l *lane) start(h *Host, peer p2p.NodeID, protocol string) bool {
	reading := h.spawn(func() {
		defer l.lose()
		if err := l.read(); errors.Is(err, errBadFrame) {
			h.offend(peer, protocol, weightMalformed, err)
		}
	})
	writing := h.spawn(func() {
		defer l.lose()
		_ = l.out.drain(l.stream)
	})
	if !reading || !writing {
		l.lose()
		return false
	}
	return true
}
