// Package libp2pnet implements p2p.Transport and p2p.Broadcaster over libp2p
// and gossipsub. It is the only package that knows either.
//
// Connections are TCP, closed to strangers by a pre-shared key derived from the
// cluster secret, authenticated by TLS with the node's identity, multiplexed by
// yamux. Each protocol has one outbound stream per peer, opened at its first use
// and kept: its lane. Frames of any number of concurrent calls share the lane and
// are written in batches; replies come back on it in any order. So a protocol
// that moves bulk, or whose handlers are slow, never stands in another's way.
//
// Everything is bounded: bytes queued on a lane, bytes and count of requests
// being handled per lane, gossip queues, the rate of dialling a dead peer, the
// handshakes under way with one address, and the connections and streams of one
// peer. A peer that keeps breaking the rules of a protocol is barred for a while.
package libp2pnet
