package lab

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

// sink is a device that keeps what it is sent.
type sink struct{ got chan []byte }

func (sink) Read([]byte) (int, error) { return 0, errors.New("silent") }

func (s sink) Write(b []byte) (int, error) {
	select {
	case s.got <- append([]byte(nil), b...):
		return len(b), nil
	default:
		return 0, errors.New("its queue is full")
	}
}

// packet is an IPv4 header from one node to another.
func packet(from, to int) []byte {
	b := make([]byte, 20)
	b[0] = 0x45
	binary.BigEndian.PutUint32(b[12:], network+uint32(from))
	binary.BigEndian.PutUint32(b[16:], network+uint32(to))
	return b
}

// pair is a relay between nodes 1 and 2 with links as given.
func pair(links map[[2]int]Link) (*Lab, map[int]sink) {
	l := &Lab{relay: newRelay()}
	sinks := map[int]sink{}
	for _, n := range []int{1, 2} {
		sinks[n] = sink{make(chan []byte, 10000)}
		l.relay.attach(addrOf(n), sinks[n])
	}
	l.Set(links)
	return l, sinks
}

func TestACutLinkWithholdsOneDirectionOnly(t *testing.T) {
	t.Parallel()
	l, sinks := pair(map[[2]int]Link{{1, 2}: {Cut: true}})
	l.relay.pass(packet(1, 2))
	l.relay.pass(packet(2, 1))
	if len(sinks[2].got) != 0 || len(sinks[1].got) != 1 {
		t.Errorf("2 got %d, 1 got %d", len(sinks[2].got), len(sinks[1].got))
	}
	l.Set(nil)
	l.relay.pass(packet(1, 2))
	if len(sinks[2].got) != 1 {
		t.Error("a healed link withholds packets")
	}
}

func TestALossyLinkLosesItsShare(t *testing.T) {
	t.Parallel()
	l, sinks := pair(map[[2]int]Link{{1, 2}: {Loss: 0.3}})
	for range 10000 {
		l.relay.pass(packet(1, 2))
	}
	if n := len(sinks[2].got); n < 6500 || n > 7500 {
		t.Errorf("%d of 10000 passed a link that loses 30 %%", n)
	}
	if c := l.Traffic(); c.Passed+c.Lost != 10000 || int(c.Passed) != len(sinks[2].got) {
		t.Errorf("counted %+v", c)
	}
}

func TestASlowLinkDelaysPacketsAndKeepsTheirContent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, sinks := pair(map[[2]int]Link{{1, 2}: {Delay: 50 * time.Millisecond, Jitter: 10 * time.Millisecond}})
		b := packet(1, 2)
		begun := time.Now()
		l.relay.pass(b)
		clear(b) // the relay reads the next packet into the same buffer
		got := <-sinks[2].got
		if d := time.Since(begun); d < 50*time.Millisecond || d > 60*time.Millisecond {
			t.Errorf("took %s", d)
		}
		if _, to, ok := ends(got); !ok || to != addrOf(2) {
			t.Errorf("got %x", got)
		}
	})
}

func TestASlowLinkHoldsABoundedNumberOfPackets(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, sinks := pair(map[[2]int]Link{{1, 2}: {Delay: time.Second}})
		for range 2 * maxDelayed {
			l.relay.pass(packet(1, 2))
		}
		time.Sleep(2 * time.Second)
		if n := len(sinks[2].got); n < maxDelayed || n > maxDelayed+1 {
			t.Errorf("%d packets were on the link, want %d", n, maxDelayed)
		}
	})
}

func TestWhatIsNoPacketForANodeIsLost(t *testing.T) {
	t.Parallel()
	l, _ := pair(nil)
	for _, b := range [][]byte{nil, {0x45}, make([]byte, 40), packet(1, 3)} {
		l.relay.pass(b)
	}
	if c := l.Traffic(); c.Passed != 0 {
		t.Errorf("%+v", c)
	}
}

func FuzzEndsReadsAnyPacket(f *testing.F) {
	f.Add(packet(1, 2))
	f.Fuzz(func(t *testing.T, b []byte) {
		if from, to, ok := ends(b); ok != (from.IsValid() && to.IsValid()) {
			t.Errorf("%x: %v %v %v", b, from, to, ok)
		}
	})
}

func TestAddressesOfNodesAreTheirOwn(t *testing.T) {
	t.Parallel()
	seen := map[netip.Addr]bool{}
	for _, n := range []int{1, 2, 255, 256, MaxNodes, last} {
		if seen[addrOf(n)] {
			t.Errorf("the address of node %d is another's", n)
		}
		seen[addrOf(n)] = true
	}
}
