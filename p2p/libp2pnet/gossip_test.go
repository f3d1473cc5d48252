package libp2pnet

import (
	"bytes"
	"errors"
	"sync/atomic"
	"testing"

	"grapevine/p2p"
)

func TestLargeBatchesReachEverySubscriberWhole(t *testing.T) {
	hosts := mesh(t, 3)
	const batches = 8
	batch := bytes.Repeat([]byte("0123456789abcdef"), 500<<10/16)
	var received [3]atomic.Int64
	topics := make([]p2p.Topic, len(hosts))
	for i, h := range hosts {
		var err error
		topics[i], err = h.Join("batches", func(_ p2p.NodeID, message []byte) {
			if !bytes.Equal(message, batch) {
				t.Error("a batch was changed on its way")
			}
			received[i].Add(1)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for i := range topics {
		eventually(t, "subscriptions are known", func() bool { return len(topics[i].(*topic).topic.ListPeers()) == 2 })
	}
	for range batches {
		for _, topic := range topics {
			if err := topic.Publish(within(t), batch); err != nil {
				t.Fatal(err)
			}
		}
	}
	for i := range received {
		eventually(t, "all batches of the others arrive", func() bool { return received[i].Load() >= 2*batches })
		if n := received[i].Load(); n != 2*batches {
			t.Errorf("host %d received %d batches, want %d", i, n, 2*batches)
		}
	}
}

func TestASubscriptionMadeAfterConnectingIsKnownToPublishers(t *testing.T) {
	hosts := mesh(t, 2)
	publisher, err := hosts[0].Join("late", func(p2p.NodeID, []byte) {})
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan p2p.NodeID, 1)
	if _, err := hosts[1].Join("late", func(from p2p.NodeID, _ []byte) { got <- from }); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the subscription is known", func() bool { return len(publisher.(*topic).topic.ListPeers()) == 1 })
	if err := publisher.Publish(within(t), []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if from := <-got; from != hosts[0].Self() {
		t.Errorf("came from %s", from)
	}
}

func TestAPanicOfAReceiverIsCountedAndTheNextMessageArrives(t *testing.T) {
	hosts := mesh(t, 2)
	publisher, err := hosts[0].Join("panics", func(p2p.NodeID, []byte) {})
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan string, 2)
	_, err = hosts[1].Join("panics", func(_ p2p.NodeID, message []byte) {
		if string(message) == "first" {
			panic("a fault of ours")
		}
		got <- string(message)
	})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the subscription is known", func() bool { return len(publisher.(*topic).topic.ListPeers()) == 1 })
	for _, message := range []string{"first", "second"} {
		if err := publisher.Publish(within(t), []byte(message)); err != nil {
			t.Fatal(err)
		}
	}
	if message := <-got; message != "second" {
		t.Errorf("got %q", message)
	}
	if n := counted(hosts[1].metrics.panics); n != 1 {
		t.Errorf("counted %v panics", n)
	}
}

func TestATopicCanBeLeftAndJoinedAgain(t *testing.T) {
	h := newCluster().host(t, nil)
	for range 3 {
		joined, err := h.Join("again", func(p2p.NodeID, []byte) {})
		if err != nil {
			t.Fatal(err)
		}
		if err := joined.Close(); err != nil {
			t.Fatal(err)
		}
		if err := joined.Publish(within(t), nil); !errors.Is(err, p2p.ErrClosed) {
			t.Errorf("got %v, want ErrClosed", err)
		}
	}
}
