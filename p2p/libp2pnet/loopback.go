package libp2pnet

import (
	"bytes"

	"grapevine/p2p"
)

// maxLoopback bounds the messages of one protocol that this node has sent to
// itself and not yet handled.
const maxLoopback = 1024

// sendSelf queues a one-way message to this node's own handler. A goroutine per
// protocol delivers in order, apart from the sender, who may hold locks.
func (h *Host) sendSelf(name string, message []byte) error {
	queue, err := h.loopback(name)
	if err != nil {
		return err
	}
	select {
	case queue <- bytes.Clone(message):
		return nil
	default:
		h.metrics.overloaded.Inc()
		return p2p.ErrOverloaded
	}
}

func (h *Host) loopback(name string) (chan<- []byte, error) {
	handler, ok := h.handler(name)
	if !ok {
		return nil, unsupported(name)
	}
	h.loopbackMu.Lock()
	defer h.loopbackMu.Unlock()
	if queue, ok := h.loopbacks[name]; ok {
		return queue, nil
	}
	queue := make(chan []byte, maxLoopback)
	started := h.spawn(func() {
		for {
			select {
			case message := <-queue:
				_, _ = h.invoke(h.ctx, handler, inboundKey{from: h.self, protocol: name}, message)
			case <-h.ctx.Done():
				return
			}
		}
	})
	if !started {
		return nil, p2p.ErrClosed
	}
	h.loopbacks[name] = queue
	return queue, nil
}
