package libp2pnet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"grapevine/p2p"
)

const (
	// maxQueued bounds the bytes that wait on a stream. It holds a few frames of
	// the largest size and tens of thousands of small ones.
	maxQueued = 4 << 20
	// maxSpare bounds the buffer that an idle stream keeps for its next batch.
	maxSpare = 256 << 10
)

var errStreamLost = errors.New("stream lost")

// outbox gathers frames for one stream. Whatever gathers while a write is under
// way leaves with the next one, so batches grow with load and a lone frame
// leaves at once.
type outbox struct {
	traffic traffic

	mu      sync.Mutex
	queued  []byte
	frames  int // queued
	spare   []byte
	closed  bool
	waiting bool          // somebody waits for space
	space   chan struct{} // closed when queued was taken; renewed if somebody waited

	filled chan struct{} // capacity 1: queued may be non-empty
	done   chan struct{} // closed with the outbox
}

func newOutbox(t traffic) *outbox {
	return &outbox{traffic: t, space: make(chan struct{}), filled: make(chan struct{}, 1), done: make(chan struct{})}
}

// put queues a frame. While the outbox is full it waits until ctx ends, or not
// at all, and then fails with p2p.ErrOverloaded.
func (o *outbox) put(ctx context.Context, f frame, wait bool) error {
	for {
		space, err := o.tryPut(f)
		if space == nil {
			return err
		}
		if !wait {
			return p2p.ErrOverloaded
		}
		select {
		case <-space:
		case <-o.done:
			return errStreamLost
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", p2p.ErrOverloaded, ctx.Err())
		}
	}
}

// tryPut queues a frame or gives the channel that announces space. An empty
// outbox takes a frame of any size.
func (o *outbox) tryPut(f frame) (<-chan struct{}, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return nil, errStreamLost
	}
	if len(o.queued) > 0 && len(o.queued)+f.size() > maxQueued {
		o.waiting = true
		return o.space, nil
	}
	o.queued = appendFrame(o.queued, f)
	o.frames++
	select {
	case o.filled <- struct{}{}:
	default:
	}
	return nil, nil
}

// take gives all that is queued and makes room. The batch is valid until the
// next take.
func (o *outbox) take() (batch []byte, frames int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	batch, frames = o.queued, o.frames
	o.queued, o.spare, o.frames = o.spare[:0], nil, 0
	if cap(batch) <= maxSpare {
		o.spare = batch
	}
	if o.waiting {
		o.waiting = false
		close(o.space)
		o.space = make(chan struct{})
	}
	return batch, frames
}

// drain writes batches to w until a write fails or the outbox closes.
func (o *outbox) drain(w io.Writer) error {
	for {
		select {
		case <-o.filled:
		case <-o.done:
			return errStreamLost
		}
		batch, frames := o.take()
		if frames == 0 {
			continue
		}
		if _, err := w.Write(batch); err != nil {
			return err
		}
		o.traffic.noteSent(frames, len(batch))
	}
}

// close makes put fail and drain end. It may be called more than once.
func (o *outbox) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.closed {
		o.closed = true
		close(o.done)
	}
}
