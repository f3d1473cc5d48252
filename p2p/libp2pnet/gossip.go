package libp2pnet

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"runtime/debug"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/zeebo/xxh3"
	"google.golang.org/protobuf/proto"

	"grapevine/p2p"
)

var _ p2p.Broadcaster = (*Host)(nil)

const (
	topicPrefix = "grapevine/"
	// maxTopics bounds the subscriptions that a peer may announce at once.
	maxTopics = 4096
	// gossipQueue bounds, in messages, what waits for a peer and what waits for a
	// subscriber. Beyond it gossip loses messages, which the metrics count.
	gossipQueue = 2048
	// nonceSize: each message begins with a number of its own, lest a message that
	// equals an earlier one be taken for its duplicate.
	nonceSize = 8
	// maxGossipRPC leaves room for control messages beside the largest message.
	maxGossipRPC = p2p.MaxMessage + 64<<10
)

// newGossip starts gossipsub. Peers are authenticated by their connection, so
// messages carry no signature, and are known by a hash of their content.
func newGossip(ctx context.Context, h *Host) (*pubsub.PubSub, error) {
	params := pubsub.DefaultGossipSubParams()
	// What gossip loses comes by anti-entropy: recent messages are kept for
	// retransmission no longer than two heartbeats, as they may be many megabytes.
	params.HistoryLength, params.HistoryGossip = 2, 2
	allowed := pubsub.NewRegexpSubscriptionFilter(regexp.MustCompile("^" + regexp.QuoteMeta(topicPrefix)))
	gossip, err := pubsub.NewGossipSub(ctx, h.host,
		pubsub.WithGossipSubParams(params),
		// Publish to every subscriber at hand: a mesh that is not yet built would
		// swallow the message.
		pubsub.WithFloodPublish(true),
		pubsub.WithMessageSignaturePolicy(pubsub.StrictNoSign),
		pubsub.WithNoAuthor(),
		pubsub.WithMessageIdFn(contentID),
		pubsub.WithPeerOutboundQueueSize(gossipQueue),
		pubsub.WithValidateQueueSize(gossipQueue),
		pubsub.WithMaxMessageSize(maxGossipRPC),
		pubsub.WithSubscriptionFilter(pubsub.WrapLimitSubscriptionFilter(allowed, maxTopics)),
		pubsub.WithRawTracer(gossipCounter{h, h.metrics.traffic.of(gossipProtocol)}),
		pubsub.WithLogger(slog.New(quiet{h.log.Handler()})),
		pubsub.WithRPCLogger(slog.New(rpcLog{quiet{h.log.Handler()}, h})),
	)
	if err != nil {
		return nil, fmt.Errorf("start gossip: %w", err)
	}
	return gossip, nil
}

func contentID(m *pb.Message) string {
	sum := xxh3.Hash128(m.GetData()).Bytes()
	return string(sum[:])
}

// Join implements p2p.Broadcaster. from is the peer that passed the message on,
// which is not always its author: gossip carries no names. A topic can be joined
// once at a time; receive must not close it.
func (h *Host) Join(name string, receive func(from p2p.NodeID, message []byte)) (p2p.Topic, error) {
	joined, err := h.gossip.Join(topicPrefix + name)
	if err != nil {
		return nil, fmt.Errorf("join topic %s: %w", name, err)
	}
	sub, err := joined.Subscribe(pubsub.WithBufferSize(gossipQueue))
	if err != nil {
		return nil, fmt.Errorf("subscribe to topic %s: %w", name, errors.Join(err, joined.Close()))
	}
	ctx, cancel := context.WithCancel(h.ctx)
	t := &topic{host: h, name: name, topic: joined, sub: sub, receive: receive, cancel: cancel, done: make(chan struct{})}
	if !h.spawn(func() { t.deliver(ctx) }) {
		cancel()
		return nil, p2p.ErrClosed
	}
	return t, nil
}

type topic struct {
	host    *Host
	name    string
	topic   *pubsub.Topic
	sub     *pubsub.Subscription
	receive func(from p2p.NodeID, message []byte)
	cancel  context.CancelFunc
	done    chan struct{} // closed when deliver ended
}

// Publish implements p2p.Topic. The message may be reused once it returns.
func (t *topic) Publish(ctx context.Context, message []byte) error {
	if len(message) > p2p.MaxMessage {
		return fmt.Errorf("publish to %s: %d bytes: %w", t.name, len(message), p2p.ErrTooLarge)
	}
	data := make([]byte, nonceSize, nonceSize+len(message))
	binary.BigEndian.PutUint64(data, t.host.nonce.Add(1))
	err := t.topic.Publish(ctx, append(data, message...))
	if errors.Is(err, pubsub.ErrTopicClosed) || t.host.ctx.Err() != nil {
		err = p2p.ErrClosed
	}
	if err != nil {
		return fmt.Errorf("publish to %s: %w", t.name, err)
	}
	return nil
}

// Close implements p2p.Topic.
func (t *topic) Close() error {
	t.cancel()
	<-t.done
	if t.host.ctx.Err() != nil {
		return nil // all topics ended with the host
	}
	t.sub.Cancel()
	if err := t.topic.Close(); err != nil {
		return fmt.Errorf("leave topic %s: %w", t.name, err)
	}
	return nil
}

func (t *topic) deliver(ctx context.Context) {
	defer close(t.done)
	var from peer.ID
	var fromID p2p.NodeID
	for {
		m, err := t.sub.Next(ctx)
		if err != nil {
			return
		}
		if m.ReceivedFrom == t.host.host.ID() {
			continue
		}
		if m.ReceivedFrom != from {
			from, fromID = m.ReceivedFrom, nodeID(m.ReceivedFrom)
		}
		if len(m.Data) < nonceSize {
			t.host.offend(fromID, gossipProtocol, weightMalformed, errBadFrame)
			continue
		}
		t.hand(fromID, m.Data[nonceSize:])
	}
}

func (t *topic) hand(from p2p.NodeID, message []byte) {
	defer func() {
		if r := recover(); r != nil {
			t.host.metrics.panics.Inc()
			t.host.log.Error("gossip receiver panicked", "topic", t.name, "peer", from,
				"panic", r, "stack", string(debug.Stack()))
		}
	}()
	t.receive(from, message)
}

// gossipCounter counts what gossip moves and what it loses.
type gossipCounter struct {
	host    *Host
	traffic traffic
}

var _ pubsub.RawTracer = gossipCounter{}

func (c gossipCounter) DropRPC(rpc *pubsub.RPC, _ peer.ID) {
	c.host.metrics.gossipDropped.WithLabelValues(lostOutbound).Add(float64(len(rpc.GetPublish())))
}
func (c gossipCounter) RejectMessage(m *pubsub.Message, reason string) {
	c.host.metrics.gossipDropped.WithLabelValues(lostRejected).Inc()
	if forged(reason) {
		c.host.offend(nodeID(m.ReceivedFrom), gossipProtocol, weightMalformed, errors.New(reason))
	}
}
func (c gossipCounter) UndeliverableMessage(*pubsub.Message) {
	c.host.metrics.gossipDropped.WithLabelValues(lostUndelivered).Inc()
}
func (c gossipCounter) RecvRPC(rpc *pubsub.RPC) {
	c.traffic.noteReceived(len(rpc.GetPublish()), proto.Size(&rpc.RPC))
}
func (c gossipCounter) SendRPC(rpc *pubsub.RPC, _ peer.ID) {
	c.traffic.noteSent(len(rpc.GetPublish()), proto.Size(&rpc.RPC))
}

func (gossipCounter) OnNewOutboundStream(peer.ID, protocol.ID)             {}
func (gossipCounter) OnClosedOutboundStream(peer.ID)                       {}
func (gossipCounter) Join(string)                                          {}
func (gossipCounter) Leave(string)                                         {}
func (gossipCounter) Graft(peer.ID, string)                                {}
func (gossipCounter) Prune(peer.ID, string)                                {}
func (gossipCounter) ValidateMessage(*pubsub.Message)                      {}
func (gossipCounter) DeliverMessage(*pubsub.Message)                       {}
func (gossipCounter) DuplicateMessage(*pubsub.Message)                     {}
func (gossipCounter) ThrottlePeer(peer.ID)                                 {}
func (gossipCounter) SendRPCCompleted(*pubsub.RPC, peer.ID, time.Duration) {}
