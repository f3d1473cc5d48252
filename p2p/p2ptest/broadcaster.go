package p2ptest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"grapevine/p2p"
)

// topic is what the tests gossip about.
const topic = "grapevine/p2ptest"

// TestBroadcaster tests broadcasters against the contract of p2p.Broadcaster.
// connect returns n of them that can reach one another and lose nothing, save
// while they get to know one another's subscriptions; it closes them when the
// test ends.
func TestBroadcaster(t *testing.T, connect func(t *testing.T, n int) []p2p.Broadcaster) {
	specs := map[string]func(*testing.T, []p2p.Broadcaster){
		"a message reaches all other subscribers and not its publisher": reachesOthers,
		"a message stays in its topic":                                  staysInTopic,
		"receive is called one message at a time":                       receivesSingly,
		"a message of MaxMessage passes, a larger one is refused":       boundsGossip,
		"a closed topic receives nothing and refuses with ErrClosed":    closesTopic,
		"the publisher may use its buffer again":                        copiesGossip,
		"a subscriber that blocks does not hold up the others":          toleratesBlocking,
	}
	for name, spec := range specs {
		t.Run(name, func(t *testing.T) { spec(t, connect(t, 3)) })
	}
}

// inbox is a subscriber that keeps what it received.
type inbox struct {
	p2p.Topic
	mu       sync.Mutex
	messages [][]byte
}

func join(t *testing.T, b p2p.Broadcaster, topic string) *inbox {
	t.Helper()
	in := &inbox{}
	in.Topic = subscribe(t, b, topic, func(message []byte) {
		in.mu.Lock()
		defer in.mu.Unlock()
		in.messages = append(in.messages, bytes.Clone(message))
	})
	return in
}

func subscribe(t *testing.T, b p2p.Broadcaster, topic string, receive func([]byte)) p2p.Topic {
	t.Helper()
	joined, err := b.Join(topic, func(_ p2p.NodeID, message []byte) { receive(message) })
	if err != nil {
		t.Fatalf("Join: %v", err)
	}
	return joined
}

// count gives the number of messages received that begin with text.
func (in *inbox) count(text string) int {
	in.mu.Lock()
	defer in.mu.Unlock()
	n := 0
	for _, m := range in.messages {
		if bytes.HasPrefix(m, []byte(text)) {
			n++
		}
	}
	return n
}

// publishUntil publishes messages that begin with text, each different lest they
// count as duplicates, until done.
func publishUntil(t *testing.T, from p2p.Topic, text string, done func() bool) {
	t.Helper()
	giveUp := time.Now().Add(patience)
	for i := uint32(0); !done(); i++ {
		if time.Now().After(giveUp) {
			t.Fatalf("%.20q did not get through", text)
		}
		if err := from.Publish(patient(t), binary.BigEndian.AppendUint32([]byte(text), i)); err != nil {
			t.Fatalf("Publish: %v", err)
		}
		time.Sleep(10 * time.Millisecond) // between tries
	}
}

func reachesOthers(t *testing.T, bs []p2p.Broadcaster) {
	a, b, c := join(t, bs[0], topic), join(t, bs[1], topic), join(t, bs[2], topic)
	publishUntil(t, a, "hello", func() bool { return b.count("hello") > 0 && c.count("hello") > 0 })
	publishUntil(t, c, "bye", func() bool { return a.count("bye") > 0 && b.count("bye") > 0 })
	if a.count("hello") > 0 || c.count("bye") > 0 {
		t.Error("a node received what it had published")
	}
}

func staysInTopic(t *testing.T, bs []p2p.Broadcaster) {
	a, b, other := join(t, bs[0], topic), join(t, bs[1], topic), join(t, bs[1], topic+"/other")
	publishUntil(t, a, "hello", func() bool { return b.count("hello") > 0 })
	if other.count("hello") > 0 {
		t.Error("a message reached a subscriber of another topic")
	}
}

func receivesSingly(t *testing.T, bs []p2p.Broadcaster) {
	a := join(t, bs[0], topic)
	var running, received atomic.Int32
	subscribe(t, bs[1], topic, func([]byte) {
		if running.Add(1) > 1 {
			t.Error("receive was called while it ran")
		}
		time.Sleep(time.Millisecond) // work, which the next message must wait for
		received.Add(1)
		running.Add(-1)
	})
	publishUntil(t, a, "hello", func() bool { return received.Load() > 0 })
	for i := range byte(20) {
		if err := a.Publish(patient(t), []byte{i}); err != nil {
			t.Fatalf("Publish: %v", err)
		}
	}
	publishUntil(t, a, "bye", func() bool { return received.Load() > 20 })
}

func boundsGossip(t *testing.T, bs []p2p.Broadcaster) {
	a, b := join(t, bs[0], topic), join(t, bs[1], topic)
	largest := strings.Repeat("x", p2p.MaxMessage-4) // publishUntil adds four bytes
	publishUntil(t, a, largest, func() bool { return b.count(largest) > 0 })
	if err := a.Publish(patient(t), make([]byte, p2p.MaxMessage+1)); !errors.Is(err, p2p.ErrTooLarge) {
		t.Errorf("got %v, want ErrTooLarge", err)
	}
}

func closesTopic(t *testing.T, bs []p2p.Broadcaster) {
	a, b, c := join(t, bs[0], topic), join(t, bs[1], topic), join(t, bs[2], topic)
	publishUntil(t, a, "hello", func() bool { return b.count("hello") > 0 && c.count("hello") > 0 })
	if err := b.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	publishUntil(t, a, "bye", func() bool { return c.count("bye") > 0 })
	if b.count("bye") > 0 {
		t.Error("a closed topic received a message")
	}
	if err := b.Publish(patient(t), []byte("late")); !errors.Is(err, p2p.ErrClosed) {
		t.Errorf("Publish: got %v, want ErrClosed", err)
	}
}

func copiesGossip(t *testing.T, bs []p2p.Broadcaster) {
	a, b := join(t, bs[0], topic), join(t, bs[1], topic)
	publishUntil(t, a, "warm-up", func() bool { return b.count("warm-up") > 0 })
	buffer := make([]byte, 0, 16)
	for i := range byte(50) {
		buffer = append(buffer[:0], "reused"...)
		if err := a.Publish(patient(t), append(buffer, i)); err != nil {
			t.Fatalf("Publish: %v", err)
		}
	}
	publishUntil(t, a, "bye", func() bool { return b.count("bye") > 0 })
	seen := map[string]bool{}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, m := range b.messages {
		if bytes.HasPrefix(m, []byte("reused")) && seen[string(m)] {
			t.Errorf("message %q came twice: its buffer was shared", m)
		}
		seen[string(m)] = true
	}
}

func toleratesBlocking(t *testing.T, bs []p2p.Broadcaster) {
	a, c := join(t, bs[0], topic), join(t, bs[2], topic)
	release := make(chan struct{})
	var received atomic.Int32
	subscribe(t, bs[1], topic, func([]byte) {
		<-release
		received.Add(1)
	})
	publishUntil(t, a, "hello", func() bool { return c.count("hello") > 0 })
	close(release)
	publishUntil(t, a, "bye", func() bool { return received.Load() > 1 })
}
