// Package p2p holds the words of the network: who the peers are, and how to ask
// one, tell one, or tell all. Its interfaces are implemented over libp2p and
// gossipsub by p2p/libp2pnet, over SWIM by p2p/swim, and in memory, with faults,
// by p2p/simnet.
package p2p

import (
	"context"
	"errors"
	"fmt"
)

// NodeID is a peer's identity: the text form of its libp2p peer ID, which is
// its Ed25519 public key. It is lasting, unlike any address.
type NodeID string

// Short gives the last eight characters, for people.
func (id NodeID) Short() string { return string(id[max(0, len(id)-8):]) }

// Errors that a Transport or Topic returns, possibly wrapped.
var (
	// ErrUnreachable: no connection to the peer stands and none could be made.
	// Nothing was sent, unless the error is also ErrLost.
	ErrUnreachable = errors.New("p2p: peer unreachable")
	// ErrLost: the connection was lost before the reply came. The request may have
	// been carried out. It is an ErrUnreachable.
	ErrLost = fmt.Errorf("%w: the connection was lost while a request was under way", ErrUnreachable)
	// ErrTooLarge: the message exceeds MaxMessage.
	ErrTooLarge = errors.New("p2p: message too large")
	// ErrOverloaded: a bounded queue towards the peer is full.
	ErrOverloaded = errors.New("p2p: queue full")
	// ErrClosed: the transport or topic was closed.
	ErrClosed = errors.New("p2p: closed")
)

// MaxMessage bounds a request, a reply and a published message, in bytes.
const MaxMessage = 1<<20 - 4096

// RemoteError is an error that a peer's handler returned, carried over the
// wire. Code names its kind for programs, Message is for people.
type RemoteError struct {
	Code    string
	Message string
}

// CodeUnsupported is the Code of a peer that serves no such protocol: it runs another
// build, or has only begun to start.
const CodeUnsupported = "unsupported"

func (e *RemoteError) Error() string { return fmt.Sprintf("%s (%s)", e.Message, e.Code) }

// Handler answers one request of a peer. It runs concurrently with others. An
// error that is or wraps a *RemoteError reaches the caller as such; any other
// reaches it with Code "internal". The context ends with the caller's deadline
// or with the transport.
type Handler func(ctx context.Context, from NodeID, request []byte) ([]byte, error)

// Transport exchanges messages with single peers over persistent, pipelined,
// authenticated streams: thousands of calls may be in flight to a peer at once,
// and replies come in any order. It is safe for concurrent use.
type Transport interface {
	// Self is the identity of this node.
	Self() NodeID
	// Handle registers the handler of a protocol. All are registered before the
	// node meets its first peer.
	Handle(protocol string, h Handler)
	// Call sends a request and waits for its reply until ctx ends, connecting if
	// need be. A call to Self runs the handler directly. A protocol without a handler
	// there is a *RemoteError of CodeUnsupported, and nothing was done.
	Call(ctx context.Context, to NodeID, protocol string, request []byte) ([]byte, error)
	// Send sends a message that has no reply. Nil means queued, not delivered.
	// Messages of one protocol to one peer arrive in order or not at all.
	Send(ctx context.Context, to NodeID, protocol string, message []byte) error
	// Close ends all streams and waits for running handlers.
	Close() error
}

// Broadcaster spreads messages to all subscribers of a topic by gossip. Delivery
// is best effort: a message may be lost, delayed, reordered or, rarely,
// delivered twice.
type Broadcaster interface {
	// Join subscribes to a topic and returns the means to publish to it. receive
	// is called one message at a time; while it blocks, messages queue up to a
	// bound and are then dropped. Messages of this node are not delivered to it.
	Join(topic string, receive func(from NodeID, message []byte)) (Topic, error)
}

// Topic is a joined topic. It is safe for concurrent use.
type Topic interface {
	// Publish spreads a message of at most MaxMessage bytes.
	Publish(ctx context.Context, message []byte) error
	// Close leaves the topic; receive is not called after it returns.
	Close() error
}

// Addrs are the addresses of a node, each HOST:PORT.
type Addrs struct {
	P2P    string `json:"p2p"`
	Gossip string `json:"gossip"`
	HTTP   string `json:"http"`
}

// Member is a node that has been seen, alive or not.
type Member struct {
	ID    NodeID
	Addrs Addrs
	Alive bool
}

// Members tells who is alive. Alive means answering failure-detection probes of
// late; it says nothing of data ownership. It is safe for concurrent use.
type Members interface {
	// Members gives all nodes seen and not forgotten, this one included.
	Members() []Member
	// Alive says whether the node is believed alive. This node always is.
	Alive(NodeID) bool
	// Updates returns a channel that receives after the answer of Members may
	// have changed, coalesced, and a function that ends it.
	Updates() (updates <-chan struct{}, stop func())
	// Close leaves without ceremony.
	Close() error
}
