package replica

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"grapevine/p2p"
	"grapevine/p2p/simnet"
	"grapevine/store/ring"
)

// TestLeavingATopicDoesNotHoldUpPublishing: closing a topic waits for the message
// being received, which may wait for the applier, which may wait for the publisher.
func TestLeavingATopicDoesNotHoldUpPublishing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := simnet.New(simnet.Options{})
		defer net.Close()
		a, b := net.Join("node-a", p2p.Addrs{}), net.Join("node-b", p2p.Addrs{})
		view := ring.NewView(ring.Cluster{ID: "test", PartitionBits: 1, Copies: 2})
		for _, id := range []p2p.NodeID{"node-a", "node-b"} {
			view.Set(ring.Member{Node: id, Replica: 1, State: ring.Active, Weight: 100, Epoch: 1})
		}
		two := newPlacement(ring.New(view), "node-a")

		received, published := make(chan struct{}), make(chan struct{})
		mine := &topics{broadcaster: a.Broadcaster(), joined: map[string]p2p.Topic{}, receive: func(p2p.NodeID, []byte) {
			close(received)
			<-published
		}}
		theirs := &topics{broadcaster: b.Broadcaster(), receive: func(p2p.NodeID, []byte) {}, joined: map[string]p2p.Topic{}}
		for _, node := range []*topics{mine, theirs} {
			if err := node.follow(two); err != nil {
				t.Fatal(err)
			}
		}
		if err := theirs.publish(context.Background(), two.sets[0], []byte("batch")); err != nil {
			t.Fatal(err)
		}
		<-received
		left := make(chan error)
		go func() { left <- mine.follow(&placement{}) }()
		synctest.Wait()
		if err := mine.publish(context.Background(), two.sets[0], nil); !errors.Is(err, p2p.ErrClosed) {
			t.Errorf("publishing on a topic that was left: %v", err)
		}
		close(published)
		if err := <-left; err != nil {
			t.Error(err)
		}
		theirs.close()
	})
}
