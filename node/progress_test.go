package node

import (
	"encoding/binary"
	"log/slog"
	"slices"
	"testing"

	"grapevine/crdt/causal"
	"grapevine/p2p"
	"grapevine/services/fanout"
	"grapevine/store"
)

// oneTopic hands what is said on its topic to who has joined.
type oneTopic struct {
	p2p.Topic
	receive func(p2p.NodeID, []byte)
}

func (o *oneTopic) Join(_ string, receive func(p2p.NodeID, []byte)) (p2p.Topic, error) {
	o.receive = receive
	return o, nil
}

var aWrite = store.Seen{Partition: 7, Dot: causal.Dot{Replica: 1 << 63, Seq: 300}}

func TestNewsOfABuildThatDerivesLessIsLetPass(t *testing.T) {
	t.Parallel()
	var heard []store.Seen
	topic := &oneTopic{}
	if _, err := newProgress(topic, slog.New(slog.DiscardHandler), func(done []store.Seen) { heard = append(heard, done...) }); err != nil {
		t.Fatal(err)
	}
	unnumbered := appendSeen(nil, aWrite) // as builds said it that named no rules
	topic.receive("peer", unnumbered)
	if len(heard) > 0 {
		t.Errorf("took %v for done", heard)
	}
	topic.receive("peer", encodeSeen([]store.Seen{aWrite}))
	if !slices.Equal(heard, []store.Seen{aWrite}) {
		t.Errorf("of a node of this build heard %v", heard)
	}
}

func TestBuildsThatKnowOfNoRulesReadTheNewsAllTheSame(t *testing.T) {
	t.Parallel()
	message := encodeSeen([]store.Seen{aWrite})
	var read []store.Seen
	for len(message) > 0 { // what such builds did
		dot, rest, err := causal.ConsumeDot(message[2:])
		if err != nil {
			t.Fatal(err)
		}
		read = append(read, store.Seen{Partition: store.Partition(binary.BigEndian.Uint16(message)), Dot: dot})
		message = rest
	}
	want := []store.Seen{{Partition: everywhere, Dot: causal.Dot{Replica: fanout.Rules, Seq: 1}}, aWrite}
	if !slices.Equal(read, want) {
		t.Errorf("read %v, want %v", read, want)
	}
}
