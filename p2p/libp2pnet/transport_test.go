package libp2pnet

import (
	"context"
	"encoding/binary"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"

	"grapevine/p2p"
)

func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func TestThousandsOfCallsShareOneStream(t *testing.T) {
	hosts := newCluster().hosts(t, 2)
	hosts[1].Handle("echo", echo)
	ctx := within(t)
	var calls sync.WaitGroup
	for worker := range uint64(200) {
		calls.Go(func() {
			for i := range uint64(25) {
				request := binary.BigEndian.AppendUint64(nil, worker<<32|i)
				reply, err := hosts[0].Call(ctx, hosts[1].Self(), "echo", request)
				if err != nil || string(reply) != string(request) {
					t.Errorf("got %x, %v for %x", reply, err, request)
				}
			}
		})
	}
	calls.Wait()
	streams := 0
	for _, c := range hosts[0].swarm.Conns() {
		for _, s := range c.GetStreams() {
			if s.Protocol() == protocolID("echo") {
				streams++
			}
		}
	}
	if streams != 1 {
		t.Errorf("5000 calls opened %d streams", streams)
	}
}

func TestACallInFlightFailsAtOnceWhenThePeerGoesAndTheNextReconnects(t *testing.T) {
	c := newCluster()
	hosts := c.hosts(t, 2)
	entered := make(chan struct{})
	hosts[1].Handle("wait", func(ctx context.Context, _ p2p.NodeID, _ []byte) ([]byte, error) {
		close(entered)
		<-ctx.Done()
		return nil, ctx.Err()
	})
	failed := make(chan error, 1)
	go func() {
		_, err := hosts[0].Call(within(t), hosts[1].Self(), "wait", nil)
		failed <- err
	}()
	<-entered
	hosts[0].disconnect(hosts[1].Self())
	if err := <-failed; !errors.Is(err, p2p.ErrLost) {
		t.Errorf("in flight: got %v, want ErrLost", err)
	}
	key := hosts[1].cfg.Key
	if err := hosts[1].Close(); err != nil {
		t.Error(err)
	}
	returned := c.host(t, key) // the same node at another port
	returned.Handle("wait", echo)
	eventually(t, "the call goes through again", func() bool {
		_, err := hosts[0].Call(within(t), returned.Self(), "wait", nil)
		return err == nil
	})
}

func TestADeadPeerCostsOneDialUntilThereIsNews(t *testing.T) {
	c := newCluster()
	hosts := c.hosts(t, 2)
	gone := hosts[1].Self()
	_ = hosts[1].Close()
	failures := func() float64 { return counted(hosts[0].metrics.dials.WithLabelValues("failed")) }
	r, err := hosts[0].remote(gone)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = hosts[0].Call(within(t), gone, "echo", nil)
	r.mu.Lock()
	r.retryAt = time.Now().Add(time.Hour)
	r.mu.Unlock()
	for range 1000 {
		if _, err := hosts[0].Call(within(t), gone, "echo", nil); !errors.Is(err, p2p.ErrUnreachable) {
			t.Fatalf("got %v, want ErrUnreachable", err)
		}
	}
	if n := failures(); n != 1 {
		t.Errorf("1001 calls dialled %v times", n)
	}
	hosts[0].ResetBackoff(gone)
	_, _ = hosts[0].Call(within(t), gone, "echo", nil)
	if n := failures(); n != 2 {
		t.Errorf("%v dials after news of the peer, want 2", n)
	}
}

func TestConcurrentFirstCallsShareOneDial(t *testing.T) {
	hosts := newCluster().hosts(t, 2)
	hosts[1].Handle("echo", echo)
	ctx := within(t)
	var calls sync.WaitGroup
	for range 50 {
		calls.Go(func() {
			if _, err := hosts[0].Call(ctx, hosts[1].Self(), "echo", nil); err != nil {
				t.Error(err)
			}
		})
	}
	calls.Wait()
	if n := counted(hosts[0].metrics.dials.WithLabelValues("ok")); n != 1 {
		t.Errorf("dialled %v times", n)
	}
}

func TestAPanicOfAHandlerIsAnInternalErrorAndIsCounted(t *testing.T) {
	hosts := newCluster().hosts(t, 2)
	hosts[1].Handle("panic", func(context.Context, p2p.NodeID, []byte) ([]byte, error) { panic("a fault of ours") })
	_, err := hosts[0].Call(within(t), hosts[1].Self(), "panic", nil)
	var remote *p2p.RemoteError
	if !errors.As(err, &remote) || remote.Code != "internal" || strings.Contains(remote.Message, "ours") {
		t.Errorf("got %v, want code internal without the panic's text", err)
	}
	if n := counted(hosts[1].metrics.panics); n != 1 {
		t.Errorf("counted %v panics", n)
	}
}

func TestAProtocolThatIsNotServedIsSaidToBeUnsupported(t *testing.T) {
	hosts := newCluster().hosts(t, 2)
	for _, to := range hosts {
		var remote *p2p.RemoteError
		if _, err := hosts[0].Call(within(t), to.Self(), "nothing", nil); !errors.As(err, &remote) || remote.Code != "unsupported" {
			t.Errorf("got %v, want code unsupported", err)
		}
	}
}

func TestGarbageClosesTheStreamAndIsCounted(t *testing.T) {
	oversized := appendFrame(nil, frame{kind: kindRequest})
	binary.BigEndian.PutUint32(oversized, p2p.MaxMessage+1)
	for name, bytes := range map[string][]byte{
		"noise":     []byte(strings.Repeat("noise", 10)),
		"oversized": oversized,
		"a reply":   appendFrame(nil, frame{kind: kindReply, id: 1}),
	} {
		t.Run(name, func(t *testing.T) {
			hosts := newCluster().hosts(t, 2)
			hosts[1].Handle("echo", echo)
			if err := hosts[0].Connect(within(t), hosts[1].Self()); err != nil {
				t.Fatal(err)
			}
			s, err := hosts[0].host.NewStream(network.WithNoDial(within(t), ""), hosts[1].host.ID(), protocolID("echo"))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.Write(bytes); err != nil {
				t.Fatal(err)
			}
			_ = s.SetReadDeadline(time.Now().Add(patience))
			if _, err := s.Read(make([]byte, 1)); !errors.Is(err, network.ErrReset) {
				t.Errorf("got %v, want a reset stream", err)
			}
			if n := counted(hosts[1].metrics.malformed.WithLabelValues("echo")); n != 1 {
				t.Errorf("counted %v offences", n)
			}
			if _, err := hosts[0].Call(within(t), hosts[1].Self(), "echo", nil); err != nil {
				t.Errorf("the connection did not survive: %v", err)
			}
		})
	}
}

func TestAFullQueueRefusesMessagesAndDelaysCalls(t *testing.T) {
	hosts := newCluster().hosts(t, 2)
	release := make(chan struct{})
	var handled atomic.Int64
	hosts[1].Handle("slow", func(context.Context, p2p.NodeID, []byte) ([]byte, error) {
		<-release
		handled.Add(1)
		return nil, nil
	})
	message := make([]byte, p2p.MaxMessage)
	var queued int64
	var err error
	for ; err == nil; queued++ {
		if queued > 1000 {
			t.Fatal("the queue has no bound")
		}
		err = hosts[0].Send(within(t), hosts[1].Self(), "slow", message)
	}
	queued--
	if !errors.Is(err, p2p.ErrOverloaded) {
		t.Fatalf("Send: got %v, want ErrOverloaded", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := hosts[0].Call(ctx, hosts[1].Self(), "slow", message); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Call: got %v, want DeadlineExceeded", err)
	}
	close(release)
	eventually(t, "all that was queued is delivered", func() bool { return handled.Load() >= queued })
}

func TestMessagesKeepTheirOrderAcrossAReconnection(t *testing.T) {
	hosts := newCluster().hosts(t, 2)
	entered, release := make(chan struct{}), make(chan struct{})
	arrived := make(chan string, 1000)
	hosts[1].Handle("note", func(_ context.Context, _ p2p.NodeID, message []byte) ([]byte, error) {
		if string(message) == "first" {
			close(entered)
			<-release
		}
		arrived <- string(message)
		return nil, nil
	})
	serving := func() *inbound {
		hosts[1].mu.RLock()
		defer hosts[1].mu.RUnlock()
		return hosts[1].inbound[inboundKey{from: hosts[0].Self(), protocol: "note"}]
	}
	if err := hosts[0].Send(within(t), hosts[1].Self(), "note", []byte("first")); err != nil {
		t.Fatal(err)
	}
	<-entered
	before := serving()
	hosts[0].disconnect(hosts[1].Self())
	eventually(t, "the connection is gone", func() bool { return !hosts[0].Reachable(hosts[1].Self()) })
	eventually(t, "a message is sent on a new stream", func() bool {
		_ = hosts[0].Send(within(t), hosts[1].Self(), "note", []byte("second"))
		return serving() != before
	})
	close(release)
	if got := <-arrived; got != "first" {
		t.Errorf("%q overtook", got)
	}
	if got := <-arrived; got != "second" {
		t.Errorf("then came %q", got)
	}
}

func TestMessagesToSelfAreDeliveredInOrderApartFromTheSender(t *testing.T) {
	h := newCluster().host(t, nil)
	arrived := make(chan byte, 256)
	var senderHolds sync.Mutex
	h.Handle("note", func(_ context.Context, from p2p.NodeID, message []byte) ([]byte, error) {
		senderHolds.Lock()
		defer senderHolds.Unlock()
		arrived <- message[0]
		return nil, nil
	})
	senderHolds.Lock()
	for i := range byte(200) {
		if err := h.Send(within(t), h.Self(), "note", []byte{i}); err != nil {
			t.Fatal(err)
		}
	}
	senderHolds.Unlock()
	for want := range byte(200) {
		if got := <-arrived; got != want {
			t.Fatalf("message %d came at place %d", got, want)
		}
	}
}
