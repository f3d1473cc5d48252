package libp2pnet

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// gossipProtocol is the label of gossip where others have their protocol's name.
const gossipProtocol = "gossip"

// Why a connection or stream was refused, as the metric says it.
const (
	refusedStranger    = "stranger"    // did not complete the handshake
	refusedBarred      = "barred"      // of a peer that offended too often
	refusedConnections = "connections" // too many, of all, of the peer or of its address
	refusedStreams     = "streams"     // too many of the peer
	refusedProtocol    = "protocol"    // none that is served here, or none in time
)

// Where gossip is lost, as metrics say it.
const (
	lostOutbound    = "outbound"    // the queue to a peer is full
	lostRejected    = "rejected"    // not accepted here
	lostUndelivered = "undelivered" // the subscriber is too slow
)

type metrics struct {
	dials         *prometheus.CounterVec
	overloaded    prometheus.Counter
	panics        prometheus.Counter
	gossipDropped *prometheus.CounterVec
	malformed     *prometheus.CounterVec
	refused       *prometheus.CounterVec
	traffic       trafficMetrics
}

func newMetrics(reg prometheus.Registerer) metrics {
	f := promauto.With(reg)
	m := metrics{
		dials: f.NewCounterVec(prometheus.CounterOpts{
			Name: "grapevine_p2p_dials_total",
			Help: "Attempts to connect to a peer, by outcome (ok, failed).",
		}, []string{"outcome"}),
		overloaded: f.NewCounter(prometheus.CounterOpts{
			Name: "grapevine_p2p_overloaded_total",
			Help: "Calls and messages given up because the queue towards the peer was full.",
		}),
		panics: f.NewCounter(prometheus.CounterOpts{
			Name: "grapevine_p2p_handler_panics_total",
			Help: "Panics recovered in handlers of requests and of gossip.",
		}),
		gossipDropped: f.NewCounterVec(prometheus.CounterOpts{
			Name: "grapevine_gossip_dropped_total",
			Help: "Gossip messages lost, by where: outbound (queue to a peer full), rejected (not accepted), undelivered (subscriber too slow).",
		}, []string{"where"}),
		malformed: f.NewCounterVec(prometheus.CounterOpts{
			Name: "grapevine_p2p_malformed_total",
			Help: "Offences of peers against a protocol: frames, gossip and streams that no honest peer sends. A peer that goes on is barred for a while.",
		}, []string{"protocol"}),
		refused: f.NewCounterVec(prometheus.CounterOpts{
			Name: "grapevine_p2p_refused_total",
			Help: "Connections and streams refused, by reason: stranger (no handshake: without the cluster's secret), barred (the peer offended too often), connections or streams (too many), protocol (not served here).",
		}, []string{"reason"}),
		traffic: newTrafficMetrics(f),
	}
	// A series must be there at 0: of one that begins with its first event, rates and
	// alerts miss that event.
	for _, where := range []string{lostOutbound, lostRejected, lostUndelivered} {
		m.gossipDropped.WithLabelValues(where)
	}
	return m
}

type trafficMetrics struct {
	sentBytes, receivedBytes, sent, received *prometheus.CounterVec
}

func newTrafficMetrics(f promauto.Factory) trafficMetrics {
	counter := func(name, help string) *prometheus.CounterVec {
		return f.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{"protocol"})
	}
	return trafficMetrics{
		sentBytes:     counter("grapevine_p2p_sent_bytes_total", "Bytes sent to peers, replies included, before encryption."),
		receivedBytes: counter("grapevine_p2p_received_bytes_total", "Bytes received from peers, replies included, after decryption."),
		sent:          counter("grapevine_p2p_sent_messages_total", "Requests, replies, one-way messages and gossip messages sent to peers."),
		received:      counter("grapevine_p2p_received_messages_total", "Requests, replies, one-way messages and gossip messages received from peers."),
	}
}

// traffic counts what goes over the streams of one protocol.
type traffic struct {
	sentBytes, receivedBytes, sent, received prometheus.Counter
}

// of gives the counters of a protocol that this node itself uses or serves, so
// that no peer can make labels.
func (m trafficMetrics) of(protocol string) traffic {
	return traffic{
		m.sentBytes.WithLabelValues(protocol), m.receivedBytes.WithLabelValues(protocol),
		m.sent.WithLabelValues(protocol), m.received.WithLabelValues(protocol),
	}
}

func (t traffic) noteSent(messages, bytes int) {
	t.sent.Add(float64(messages))
	t.sentBytes.Add(float64(bytes))
}

func (t traffic) noteReceived(messages, bytes int) {
	t.received.Add(float64(messages))
	t.receivedBytes.Add(float64(bytes))
}

// registerConnections tells how many connections stand.
func registerConnections(reg prometheus.Registerer, count func() int) {
	promauto.With(reg).NewGaugeFunc(prometheus.GaugeOpts{
		Name: "grapevine_p2p_connections",
		Help: "Connections with peers that stand.",
	}, func() float64 { return float64(count()) })
}
