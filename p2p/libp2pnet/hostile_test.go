package libp2pnet

import (
	"bytes"
	"context"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	ma "github.com/multiformats/go-multiaddr"

	"grapevine/p2p"
)

// liar is a bare libp2p host that has the secret and talks to a member as it
// likes.
type liar struct {
	host.Host
	t      *testing.T
	member *Host
}

func lie(t *testing.T, c *cluster, member *Host) *liar {
	t.Helper()
	psk, err := hkdf.Key(sha256.New, c.secret[:], nil, "grapevine libp2p private network", 32)
	if err != nil {
		t.Fatal(err)
	}
	h, err := libp2p.New(libp2p.NoListenAddrs, libp2p.PrivateNetwork(psk), stack())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	l := &liar{h, t, member}
	if err := l.connect(); err != nil {
		t.Fatal(err)
	}
	return l
}

func (l *liar) connect() error {
	addr, err := multiaddrOf(l.member.Addr())
	if err != nil {
		return err
	}
	return l.Connect(within(l.t), peer.AddrInfo{ID: l.member.host.ID(), Addrs: []ma.Multiaddr{addr}})
}

func (l *liar) id() p2p.NodeID { return nodeID(l.ID()) }

// say opens a stream and writes to it. It fails when the member hangs up.
func (l *liar) say(id protocol.ID, b []byte) (network.Stream, error) {
	s, err := l.NewStream(network.WithNoDial(within(l.t), ""), l.member.host.ID(), id)
	if err != nil {
		return nil, err
	}
	_, err = s.Write(b)
	return s, err
}

func (h *Host) offencesIn(protocol string) float64 {
	return counted(h.metrics.malformed.WithLabelValues(protocol))
}

func (h *Host) refusedFor(reason string) float64 {
	return counted(h.metrics.refused.WithLabelValues(reason))
}

// unharmed checks that an honest peer is served as ever.
func unharmed(t *testing.T, honest, member *Host) {
	t.Helper()
	if reply, err := honest.Call(within(t), member.Self(), "echo", []byte("still there?")); err != nil || string(reply) != "still there?" {
		t.Errorf("an honest peer got %q, %v", reply, err)
	}
}

func TestAPeerThatKeepsSendingGarbageIsBarredAndOthersAreNot(t *testing.T) {
	c := newCluster()
	hosts := c.hosts(t, 2)
	member, honest := hosts[0], hosts[1]
	member.Handle("echo", echo)
	l := lie(t, c, member)
	eventually(t, "the liar is cut off", func() bool {
		_, _ = l.say(protocolID("echo"), []byte(strings.Repeat("garbage", 10)))
		return member.offences.barred(l.id()) && !member.Reachable(l.id())
	})
	eventually(t, "a new connection is refused", func() bool {
		_ = l.connect() // nothing happens while the liar has not seen that the last one ended
		return member.refusedFor(refusedBarred) > 0
	})
	eventually(t, "and does not stay", func() bool { return !member.Reachable(l.id()) })
	if err := member.Connect(within(t), l.id()); !errors.Is(err, p2p.ErrUnreachable) {
		t.Errorf("the member called the liar: %v", err)
	}
	unharmed(t, honest, member)
}

func TestATruncatedFrameIsDroppedWithItsStream(t *testing.T) {
	c := newCluster()
	hosts := c.hosts(t, 2)
	member, honest := hosts[0], hosts[1]
	member.Handle("echo", func(context.Context, p2p.NodeID, []byte) ([]byte, error) {
		t.Error("half a request was handled")
		return nil, nil
	})
	l := lie(t, c, member)
	whole := appendFrame(nil, frame{kind: kindRequest, id: 1, payload: make([]byte, 1000)})
	for _, n := range []int{1, headerSize, headerSize + 999} {
		s, err := l.say(protocolID("echo"), whole[:n])
		if err != nil {
			t.Fatal(err)
		}
		_ = s.CloseWrite()
		_ = s.SetReadDeadline(time.Now().Add(patience))
		if _, err := s.Read(make([]byte, 1)); err == nil {
			t.Errorf("%d bytes of a frame were answered", n)
		}
	}
	member.Handle("echo", echo)
	unharmed(t, honest, member)
}

func TestStreamsWithoutEndAreRefusedBeyondABound(t *testing.T) {
	c := newCluster()
	hosts := c.hosts(t, 2)
	member, honest := hosts[0], hosts[1]
	member.Handle("echo", echo)
	l := lie(t, c, member)
	conn := l.Network().ConnsToPeer(member.host.ID())[0]
	for range 2 * maxPeerStreams {
		s, err := conn.NewStream(within(t))
		if err != nil {
			break
		}
		_, _ = s.Write([]byte{19}) // the length of a protocol's name, and no name
	}
	eventually(t, "streams are refused", func() bool { return member.refusedFor(refusedStreams) > 0 })
	for _, c := range member.swarm.ConnsToPeer(l.ID()) {
		if n := len(c.GetStreams()); n > maxPeerStreams {
			t.Errorf("%d streams stand", n)
		}
	}
	unharmed(t, honest, member)
}

func TestAPeerThatReplacesItsStreamWithoutEndIsBarred(t *testing.T) {
	c := newCluster()
	hosts := c.hosts(t, 2)
	member, honest := hosts[0], hosts[1]
	member.Handle("echo", echo)
	l := lie(t, c, member)
	eventually(t, "the liar is cut off", func() bool {
		_, _ = l.say(protocolID("echo"), appendFrame(nil, frame{kind: kindMessage}))
		return member.offences.barred(l.id())
	})
	unharmed(t, honest, member)
}

func TestAProtocolThatIsNotServedIsRefusedAndCounted(t *testing.T) {
	c := newCluster()
	hosts := c.hosts(t, 2)
	member, honest := hosts[0], hosts[1]
	member.Handle("echo", echo)
	l := lie(t, c, member)
	if _, err := l.say("/elsewhere/1.0.0", nil); err == nil {
		t.Error("the protocol is served")
	}
	eventually(t, "the refusal is counted", func() bool { return member.refusedFor(refusedProtocol) > 0 })
	unharmed(t, honest, member)
}

// TestGossipInAnothersNameIsDropped publishes messages that name an author and
// are signed, as those of other networks are; here a message is of whom it came.
func TestGossipInAnothersNameIsDropped(t *testing.T) {
	c := newCluster()
	member := c.host(t, nil)
	member.Handle("echo", echo)
	got := make(chan p2p.NodeID, 16)
	if _, err := member.Join("news", func(from p2p.NodeID, _ []byte) { got <- from }); err != nil {
		t.Fatal(err)
	}
	l := lie(t, c, member)
	gossip, err := pubsub.NewFloodSub(t.Context(), l.Host, pubsub.WithMessageSigning(true))
	if err != nil {
		t.Fatal(err)
	}
	topic, err := gossip.Join(topicPrefix + "news")
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the forgery is counted", func() bool {
		_ = topic.Publish(within(t), []byte("a forged message"))
		return member.offencesIn(gossipProtocol) > 0
	})
	select {
	case from := <-got:
		t.Errorf("a message of %s was delivered", from)
	default:
	}
}

func TestGossipThatIsNoneIsCounted(t *testing.T) {
	c := newCluster()
	member := c.host(t, nil)
	l := lie(t, c, member)
	if _, err := l.say(pubsub.GossipSubID_v12, append([]byte{64}, bytes.Repeat([]byte{0xff}, 64)...)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the offence is counted", func() bool { return member.offencesIn(gossipProtocol) > 0 })
}

func TestAStrangerAtTheDoorIsCountedAndNothingIsLogged(t *testing.T) {
	var log lockedBuffer
	c := newCluster()
	c.log = slog.New(slog.NewTextHandler(&log, nil))
	hosts := c.hosts(t, 2)
	member, honest := hosts[0], hosts[1]
	member.Handle("echo", echo)
	const strangers = 20
	for range strangers {
		conn, err := net.Dial("tcp", member.Addr())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.CopyN(conn, rand.Reader, 4096); err != nil {
			t.Log(err) // hung up already
		}
		_ = conn.Close()
	}
	eventually(t, "strangers are counted", func() bool { return member.refusedFor(refusedStranger) == strangers })
	if s := log.String(); s != "" {
		t.Errorf("logged %s", s)
	}
	unharmed(t, honest, member)
}

func TestOneStrangerCannotTakeAllPlacesAtTheDoor(t *testing.T) {
	h := newCluster().host(t, nil)
	e, err := newEntrance(h)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	near, _ := multiaddrOf("192.0.2.1:1000")
	far, _ := multiaddrOf("198.51.100.1:1000")
	var held []network.ConnManagementScope
	for range maxAddressHandshakes {
		scope, err := e.OpenConnection(network.DirInbound, true, near)
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, scope)
	}
	if _, err := e.OpenConnection(network.DirInbound, true, near); err == nil {
		t.Error("one more was let in")
	}
	other, err := e.OpenConnection(network.DirInbound, true, far)
	if err != nil {
		t.Fatalf("another address was refused: %v", err)
	}
	other.Done()
	held[0].Done()
	again, err := e.OpenConnection(network.DirInbound, true, near)
	if err != nil {
		t.Fatalf("a place that was given back is not free: %v", err)
	}
	if err := again.SetPeer(h.host.ID()); err != nil {
		t.Fatal(err)
	}
	if _, err := e.OpenConnection(network.DirInbound, true, near); err != nil {
		t.Errorf("a peer takes a stranger's place: %v", err)
	}
}

// TestACallOverAHalfOpenConnectionEndsAndTheNextTakesANewOne has the network
// swallow everything without a word.
func TestACallOverAHalfOpenConnectionEndsAndTheNextTakesANewOne(t *testing.T) {
	c := newCluster()
	hosts := c.hosts(t, 2)
	caller, callee := hosts[0], hosts[1]
	callee.Handle("echo", echo)
	hole := dig(t, callee.Addr())
	c.mu.Lock()
	c.addrs[callee.Self()] = hole.addr
	c.mu.Unlock()
	unharmed(t, caller, callee)
	hole.swallow()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := caller.Call(ctx, callee.Self(), "echo", nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want DeadlineExceeded", err)
	}
	c.mu.Lock()
	c.addrs[callee.Self()] = callee.Addr()
	c.mu.Unlock()
	caller.disconnect(callee.Self()) // as SetPeers does when the failure detector misses the peer
	eventually(t, "a call goes through again", func() bool {
		_, err := caller.Call(within(t), callee.Self(), "echo", nil)
		return err == nil
	})
}

func TestTrafficIsCountedByProtocolAtBothEnds(t *testing.T) {
	hosts := newCluster().hosts(t, 2)
	hosts[1].Handle("echo", echo)
	const calls, size = 10, 1000
	for range calls {
		if _, err := hosts[0].Call(within(t), hosts[1].Self(), "echo", make([]byte, size)); err != nil {
			t.Fatal(err)
		}
	}
	const bytes = calls * (headerSize + size)
	for i, h := range hosts {
		m := h.metrics.traffic.of("echo")
		eventually(t, "all is counted", func() bool { return counted(m.sent) == calls && counted(m.received) == calls })
		if counted(m.sentBytes) != bytes || counted(m.receivedBytes) != bytes {
			t.Errorf("host %d: %v bytes sent and %v received, want %d", i, counted(m.sentBytes), counted(m.receivedBytes), bytes)
		}
	}
}
