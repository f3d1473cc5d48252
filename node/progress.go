package node

import (
	"context"
	"encoding/binary"
	"log/slog"

	"grapevine/crdt/causal"
	"grapevine/p2p"
	"grapevine/services/fanout"
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

// maxRules is above all numbers of rules and below all incarnations.
const maxRules = causal.Replica(1<<32 - 1)

// progress publishes a fan-out's news without making it wait.
type progress struct {
	topic p2p.Topic
	queue chan []byte
	log   *slog.Logger
}

// newProgress joins the topic; news of others goes to done. Who derives less than this
// build does cannot say that nothing is left to do: such news is let pass, and an owner
// of this build takes over what it tells of.
func newProgress(b p2p.Broadcaster, log *slog.Logger, done func([]store.Seen)) (*progress, error) {
	topic, err := b.Join(progressTopic, func(_ p2p.NodeID, message []byte) {
		rules, seen, err := decodeSeen(message)
		if err != nil {
			log.Debug("news of fan-out not understood", "error", err)
			return
		}
		if rules >= fanout.Rules {
			done(seen)
		}
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

// everywhere is the partition of the entry that each message begins with. Its dot's
// replica is the number of the rules by which the consequences were derived: no
// incarnation has so low a number, so that builds which know of no such entry take it
// for news of a write that never comes.
const everywhere = store.Partition(1<<16 - 1)

func encodeSeen(done []store.Seen) []byte {
	rules := store.Seen{Partition: everywhere, Dot: causal.Dot{Replica: fanout.Rules, Seq: 1}}
	b := appendSeen(make([]byte, 0, 13*(1+len(done))), rules)
	for _, s := range done {
		b = appendSeen(b, s)
	}
	return b
}

func appendSeen(b []byte, s store.Seen) []byte {
	return causal.AppendDot(binary.BigEndian.AppendUint16(b, uint16(s.Partition)), s.Dot)
}

// decodeSeen also gives the rules by which it was done, 0 where the message says
// nothing of them.
func decodeSeen(b []byte) (rules causal.Replica, out []store.Seen, err error) {
	for first := true; len(b) > 0; first = false {
		if len(b) < 2 {
			return 0, nil, causal.ErrMalformed
		}
		dot, rest, err := causal.ConsumeDot(b[2:])
		if err != nil {
			return 0, nil, err
		}
		s := store.Seen{Partition: store.Partition(binary.BigEndian.Uint16(b)), Dot: dot}
		b = rest
		if first && s.Partition == everywhere && dot.Replica <= maxRules {
			rules = dot.Replica
			continue
		}
		out = append(out, s)
	}
	return rules, out, nil
}
