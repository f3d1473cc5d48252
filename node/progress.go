package node

import (
	"context"
	"encoding/binary"
	"log/slog"

	"grapevine/crdt/causal"
	"grapevine/p2p"
	"grapevine/store"
)

// progressTopic carries the news of whose consequences have been written, from
// the leaders of partitions to the other owners.
const progressTopic = "progress"

// progressChunk bounds one message of news, in writes.
const progressChunk = 8192

// progressQueue bounds the messages of news that wait to be published. What is
// lost costs the other owners a repetition.
const progressQueue = 16

// progress publishes a fan-out's news without making it wait.
type progress struct {
	topic p2p.Topic
	queue chan []byte
	log   *slog.Logger
}

// newProgress joins the topic; news of others goes to done.
func newProgress(b p2p.Broadcaster, log *slog.Logger, done func([]store.Seen)) (*progress, error) {
	topic, err := b.Join(progressTopic, func(_ p2p.NodeID, message []byte) {
		seen, err := decodeSeen(message)
		if err != nil {
			log.Debug("news of fan-out not understood", "error", err)
			return
		}
		done(seen)
	})
	if err != nil {
		return nil, err
	}
	return &progress{topic: topic, queue: make(chan []byte, progressQueue), log: log}, nil
}

// announce queues news; it never blocks.
func (p *progress) announce(done []store.Seen) {
	for len(done) > 0 {
		n := min(len(done), progressChunk)
		select {
		case p.queue <- encodeSeen(done[:n]):
		default:
			return
		}
		done = done[n:]
	}
}

func (p *progress) run(ctx context.Context) {
	for {
		select {
		case message := <-p.queue:
			if err := p.topic.Publish(ctx, message); err != nil && ctx.Err() == nil {
				p.log.Debug("news of fan-out not published", "error", err)
			}
		case <-ctx.Done():
			return
		}
	}
}

func encodeSeen(done []store.Seen) []byte {
	b := make([]byte, 0, 13*len(done))
	for _, s := range done {
		b = binary.BigEndian.AppendUint16(b, uint16(s.Partition))
		b = causal.AppendDot(b, s.Dot)
	}
	return b
}

func decodeSeen(b []byte) ([]store.Seen, error) {
	var out []store.Seen
	for len(b) > 0 {
		if len(b) < 2 {
			return nil, causal.ErrMalformed
		}
		dot, rest, err := causal.ConsumeDot(b[2:])
		if err != nil {
			return nil, err
		}
		out = append(out, store.Seen{Partition: store.Partition(binary.BigEndian.Uint16(b)), Dot: dot})
		b = rest
	}
	return out, nil
}
