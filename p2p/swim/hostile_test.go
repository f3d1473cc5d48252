package swim

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"io"
	"log"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-msgpack/v2/codec"
	"github.com/hashicorp/memberlist"
	"github.com/prometheus/client_golang/prometheus"

	"grapevine/p2p"
)

func (s *Swim) refusedFor(reason string) float64 {
	return counted(s.metrics.refused.WithLabelValues(reason))
}

// loud gives a node a log that a test can read.
func loud(log *lockedBuffer) func(*Config) {
	return func(c *Config) { c.Log = slog.New(slog.NewTextHandler(log, nil)) }
}

// packet sends a packet to a node from nowhere in particular.
func packet(t *testing.T, to *Swim, b []byte) {
	t.Helper()
	conn, err := net.Dial("udp", to.GossipAddr())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.Write(b); err != nil {
		t.Fatal(err)
	}
}

// stream opens a stream to a node and writes to it.
func stream(t *testing.T, to *Swim, b []byte) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", to.GossipAddr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := conn.Write(b); err != nil {
		t.Log(err) // hung up already
	}
	return conn
}

func hungUp(t *testing.T, conn net.Conn) {
	t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	if n, err := conn.Read(make([]byte, 1)); n != 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read %d bytes, %v", n, err)
	}
}

func TestAStrangersPacketsAndStreamsAreCountedAndNothingIsLogged(t *testing.T) {
	t.Parallel()
	var log lockedBuffer
	s := start(t, loud(&log))
	log.reset()
	foreign, err := newSealer([32]byte{2})
	if err != nil {
		t.Fatal(err)
	}
	sealed, _ := foreign.sealStream([]byte{kindPing}, aboutRequest())
	for name, b := range map[string][]byte{
		"noise":          random(1000),
		"one byte":       {kindPing},
		"in the clear":   append([]byte{kindAlive}, random(200)...),
		"another secret": foreign.seal([]byte{kindPing}, aboutPacket()),
	} {
		before := s.refusedFor(refusedStranger)
		packet(t, s, b)
		eventually(t, "a packet is counted: "+name, func() bool { return s.refusedFor(refusedStranger) > before })
	}
	for name, b := range map[string][]byte{
		"noise":            random(1000),
		"another secret":   sealed,
		"a promise of 4GB": append(bytes.Repeat([]byte{0xff}, headSize), random(100)...),
	} {
		before := s.refusedFor(refusedStranger)
		hungUp(t, stream(t, s, b))
		eventually(t, "a stream is counted: "+name, func() bool { return s.refusedFor(refusedStranger) > before })
	}
	if text := log.String(); text != "" {
		t.Errorf("logged %s", text)
	}
}

func TestAStrangerThatSaysNothingIsHungUpOn(t *testing.T) {
	t.Parallel()
	s := start(t, nil)
	silent, halting := stream(t, s, nil), stream(t, s, random(headSize-1))
	hungUp(t, silent)
	hungUp(t, halting)
	if n := s.refusedFor(refusedStranger); n != 2 {
		t.Errorf("counted %v strangers", n)
	}
}

func TestOneStrangerCannotTakeAllPlacesAtTheDoor(t *testing.T) {
	t.Parallel()
	d := door{place: map[netip.Prefix]int{}}
	near, far := netip.MustParsePrefix("192.0.2.1/32"), netip.MustParsePrefix("198.51.100.1/32")
	var last func()
	for range maxAddressUnproved {
		if last = d.enter(near); last == nil {
			t.Fatal("refused too early")
		}
	}
	if d.enter(near) != nil {
		t.Error("one more was let in")
	}
	if d.enter(far) == nil {
		t.Error("another address was refused")
	}
	last()
	if d.enter(near) == nil {
		t.Error("a place that was given back is not free")
	}
}

// TestAReplayedReplyIsNotTaken has somebody on the way answer a question with what
// was answered to another.
func TestAReplayedReplyIsNotTaken(t *testing.T) {
	t.Parallel()
	seal, err := newSealer(secret)
	if err != nil {
		t.Fatal(err)
	}
	_, first := seal.sealStream([]byte{kindPing}, aboutRequest())
	_, second := seal.sealStream([]byte{kindPing}, aboutRequest())
	reply, _ := seal.sealStream([]byte{kindAck}, aboutReply(first))
	if _, _, err := seal.openStream(bytes.NewReader(reply), aboutReply(second)); !errors.Is(err, errSealBroken) {
		t.Errorf("got %v", err)
	}
	if _, _, err := seal.openStream(bytes.NewReader(reply), aboutRequest()); !errors.Is(err, errSealBroken) {
		t.Errorf("as a request: got %v", err)
	}
}

// TestAMemberThatSendsNonsenseHarmsNobody holds the secret. Without the checks the
// empty message would crash memberlist.
func TestAMemberThatSendsNonsenseHarmsNobody(t *testing.T) {
	t.Parallel()
	nodes := cluster(t, 2)
	s := nodes[0]
	seal := s.transport.sealer
	packets := map[string][]byte{
		"empty":                 {},
		"compressed":            {9, 1, 2, 3},
		"state in a packet":     {kindPushPull},
		"an unknown kind":       {99},
		"half a compound":       {kindCompound, 3, 0, 1},
		"compounds in compound": {kindCompound, 1, 0, 4, kindCompound, 1, 0, 0},
		"half a checksum":       {kindCRC, 1},
	}
	for name, b := range packets {
		before := s.refusedFor(refusedMalformed)
		packet(t, s, seal.seal(b, aboutPacket()))
		eventually(t, "a packet is refused: "+name, func() bool { return s.refusedFor(refusedMalformed) > before })
	}
	streams := map[string][]byte{
		"empty":              {},
		"compressed":         {9, 1, 2, 3},
		"a million members":  pushPull(1<<20, 0),
		"less than none":     pushPull(-1, 0),
		"state of our users": pushPull(0, 1<<20),
		"no header":          {kindPushPull, 0xff, 0xff},
	}
	for name, b := range streams {
		before := s.refusedFor(refusedMalformed)
		whole, _ := seal.sealStream(b, aboutRequest())
		hungUp(t, stream(t, s, whole))
		eventually(t, "a stream is refused: "+name, func() bool { return s.refusedFor(refusedMalformed) > before })
	}
	// What is well formed outside goes through to memberlist's own decoder.
	for _, kind := range []byte{kindPing, kindIndirectPing, kindAck, kindSuspect, kindAlive, kindDead, kindNack} {
		packet(t, s, seal.seal(append([]byte{kind}, random(40)...), aboutPacket()))
	}
	eventually(t, "the members see one another", func() bool { return allAlive(nodes) })
}

func pushPull(nodes, user int) []byte {
	var b []byte
	header := struct {
		Nodes, UserStateLen int
		Join                bool
	}{nodes, user, true}
	if err := codec.NewEncoderBytes(&b, &codec.MsgpackHandle{}).Encode(header); err != nil {
		panic(err)
	}
	return append([]byte{kindPushPull}, b...)
}

// TestAHolderOfTheSecretCannotTakeAnothersName has a node that knows the secret
// announce itself under the name of another.
func TestAHolderOfTheSecretCannotTakeAnothersName(t *testing.T) {
	t.Parallel()
	nodes := cluster(t, 2)
	victim := nodes[1]
	list := impostor(t, victim)
	if _, err := list.Join([]string{nodes[0].GossipAddr()}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the claim is refused", func() bool { return counted(nodes[0].metrics.claims) > 0 })
	if m, _ := nodes[0].Member(victim.cfg.Self); m.Addrs.Gossip != victim.GossipAddr() {
		t.Errorf("the name moved to %s", m.Addrs.Gossip)
	}
}

// impostor is a bare memberlist that holds the secret and goes by the name and the
// description of a node.
func impostor(t *testing.T, victim *Swim) *memberlist.Memberlist {
	t.Helper()
	key, self := identity(t)
	liar := &Swim{
		cfg: Config{Self: self, Key: key}, log: slog.New(slog.DiscardHandler), meta: victim.meta,
		members: map[p2p.NodeID]*member{}, metrics: newMetrics(nil, func(bool) float64 { return 0 }),
	}
	bare, err := newTransport(netip.MustParseAddrPort("127.0.0.1:0"), transportConfig{
		ctx: t.Context(), log: liar.log, sealer: victim.transport.sealer, metrics: liar.metrics,
		blocked: func(memberlist.Address) bool { return false }, who: liar.answer,
	})
	if err != nil {
		t.Fatal(err)
	}
	c := liar.memberlistConfig(bare)
	c.Name, c.Alive, c.Events, c.Conflict = string(victim.cfg.Self), nil, nil, nil
	c.Logger = log.New(io.Discard, "", 0)
	list, err := memberlist.Create(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = list.Shutdown() })
	return list
}

func TestTrafficOfFailureDetectionIsCounted(t *testing.T) {
	t.Parallel()
	s := cluster(t, 2)[1]
	for _, over := range []string{overPackets, overStreams} {
		for _, v := range []*prometheus.CounterVec{s.metrics.sent, s.metrics.received} {
			eventually(t, "bytes are counted over "+over, func() bool { return counted(v.WithLabelValues(over)) > 0 })
		}
	}
}

func FuzzCheckPacket(f *testing.F) {
	f.Add([]byte{kindPing})
	f.Add([]byte{kindCRC, 1, 2, 3, 4, kindCompound, 1, 0, 1, kindAck})
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := checkPacket(data); err == nil && (data[0] == kindPushPull || data[0] > kindCRC) {
			t.Errorf("%x was let through", data)
		}
	})
}

func FuzzCheckStream(f *testing.F) {
	f.Add(pushPull(0, 0))
	f.Add(pushPull(1<<40, 1))
	f.Fuzz(func(t *testing.T, data []byte) { _ = checkStream(data) })
}

func FuzzOpenStream(f *testing.F) {
	seal, err := newSealer(secret)
	if err != nil {
		f.Fatal(err)
	}
	whole, _ := seal.sealStream([]byte("a message"), aboutRequest())
	f.Add(whole)
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, _, err := seal.openStream(bytes.NewReader(data), aboutRequest()); err == nil && !bytes.HasPrefix(data, whole) {
			t.Errorf("%x was opened", data)
		}
	})
}

// FuzzOpenSealed has a holder of the secret seal any length and body.
func FuzzOpenSealed(f *testing.F) {
	seal, err := newSealer(secret)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(uint32(3), []byte("abc"))
	f.Add(uint32(1<<32-1), []byte(nil))
	f.Fuzz(func(t *testing.T, size uint32, body []byte) {
		head := seal.seal(binary.BigEndian.AppendUint32(nil, size), aboutRequest())
		whole := append(head, seal.seal(body, head)...)
		got, _, err := seal.openStream(bytes.NewReader(whole), aboutRequest())
		if err == nil && (int(size) != len(body) || !bytes.Equal(got, body)) {
			t.Errorf("%d bytes announced, %d sent, %d read", size, len(body), len(got))
		}
	})
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

// lockedBuffer is a log that a test can read while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *lockedBuffer) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.b.Reset()
}
