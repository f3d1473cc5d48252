package simnet_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"grapevine/p2p"
	"grapevine/p2p/simnet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	protocol = "/test/1"
	topic    = "grapevine/test"
	ms       = time.Millisecond
)

// world runs a test with a network of n nodes in virtual time.
func world(t *testing.T, n int, o simnet.Options, test func(*testing.T, *simnet.Network, []*simnet.Node)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		network := simnet.New(o)
		nodes := make([]*simnet.Node, n)
		for i := range nodes {
			nodes[i] = network.Join(name(i), p2p.Addrs{HTTP: string(name(i))})
		}
		test(t, network, nodes)
		network.Close()
	})
}

func name(i int) p2p.NodeID { return p2p.NodeID(fmt.Sprint("node-", i)) }

func echo(_ context.Context, _ p2p.NodeID, request []byte) ([]byte, error) { return request, nil }

// answer serves calls after a time of work.
func answer(work time.Duration) p2p.Handler {
	return func(ctx context.Context, _ p2p.NodeID, _ []byte) ([]byte, error) {
		select {
		case <-time.After(work):
			return []byte("done"), nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// call calls in the background and gives the error to come.
func call(t *testing.T, from *simnet.Node, to int) <-chan error {
	done := make(chan error, 1)
	go func() {
		_, err := from.Transport().Call(t.Context(), name(to), protocol, nil)
		done <- err
	}()
	return done
}

func wantUnreachable(t *testing.T, what string, err error) {
	t.Helper()
	if !errors.Is(err, p2p.ErrUnreachable) {
		t.Errorf("%s: got %v, want ErrUnreachable", what, err)
	}
}

func TestACallTakesTheDelayOfBothWays(t *testing.T) {
	world(t, 2, simnet.Options{MinDelay: 20 * ms, MaxDelay: 20 * ms}, func(t *testing.T, _ *simnet.Network, nodes []*simnet.Node) {
		nodes[1].Transport().Handle(protocol, answer(5*ms))
		start := time.Now()
		if err := <-call(t, nodes[0], 1); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took != 45*ms {
			t.Errorf("took %v, want 45ms", took)
		}
	})
}

func TestMessagesOnTheirWayTogetherArriveInOrderAndWithoutAddedDelay(t *testing.T) {
	world(t, 2, simnet.Options{MinDelay: 10 * ms, MaxDelay: 30 * ms}, func(t *testing.T, _ *simnet.Network, nodes []*simnet.Node) {
		var got []uint32
		nodes[1].Transport().Handle(protocol, func(_ context.Context, _ p2p.NodeID, m []byte) ([]byte, error) {
			got = append(got, binary.BigEndian.Uint32(m)) // one at a time, as the contract has it
			return nil, nil
		})
		for i := range uint32(100) {
			if err := nodes[0].Transport().Send(t.Context(), name(1), protocol, binary.BigEndian.AppendUint32(nil, i)); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(30 * ms)
		synctest.Wait()
		if len(got) != 100 || !slices.IsSorted(got) {
			t.Errorf("got %v", got)
		}
	})
}

func TestACutBreaksCallsInFlightAndLaterOnes(t *testing.T) {
	world(t, 3, simnet.Options{}, func(t *testing.T, network *simnet.Network, nodes []*simnet.Node) {
		for _, n := range nodes {
			n.Transport().Handle(protocol, answer(time.Hour))
		}
		inFlight, other := call(t, nodes[0], 1), call(t, nodes[0], 2)
		synctest.Wait()
		network.Cut(name(1), name(0))
		wantUnreachable(t, "in flight", <-inFlight)
		wantUnreachable(t, "later", <-call(t, nodes[0], 1))
		wantUnreachable(t, "the other way", <-call(t, nodes[1], 0))
		wantUnreachable(t, "a message", nodes[0].Transport().Send(t.Context(), name(1), protocol, nil))
		if err := <-other; err != nil {
			t.Errorf("a call between others: %v", err)
		}
		network.Heal()
		if err := <-call(t, nodes[0], 1); err != nil {
			t.Errorf("after healing: %v", err)
		}
	})
}

func TestAcrossAOneWayCutRequestsArriveAndRepliesDoNot(t *testing.T) {
	world(t, 2, simnet.Options{}, func(t *testing.T, network *simnet.Network, nodes []*simnet.Node) {
		served := 0
		nodes[1].Transport().Handle(protocol, func(context.Context, p2p.NodeID, []byte) ([]byte, error) {
			served++
			return nil, nil
		})
		network.CutOneWay(name(1), name(0))
		wantUnreachable(t, "with the cut", <-call(t, nodes[0], 1))
		wantUnreachable(t, "against the cut", <-call(t, nodes[1], 0))
		synctest.Wait()
		if served != 1 {
			t.Errorf("%d requests arrived, want 1", served)
		}
	})
}

func TestAPartitionCutsGroupsApartAndLeavesThemWhole(t *testing.T) {
	world(t, 4, simnet.Options{}, func(t *testing.T, network *simnet.Network, nodes []*simnet.Node) {
		for _, n := range nodes {
			n.Transport().Handle(protocol, echo)
		}
		network.Partition([]p2p.NodeID{name(0), name(1)}, []p2p.NodeID{name(2), name(3)})
		for i, from := range nodes {
			for j := range nodes {
				err := <-call(t, from, j)
				if apart := i/2 != j/2; errors.Is(err, p2p.ErrUnreachable) != apart {
					t.Errorf("from %d to %d: %v", i, j, err)
				}
			}
		}
	})
}

func TestACrashBreaksCallsOfBothSidesAndTheNodeMayReturn(t *testing.T) {
	world(t, 2, simnet.Options{}, func(t *testing.T, network *simnet.Network, nodes []*simnet.Node) {
		for _, n := range nodes {
			n.Transport().Handle(protocol, answer(time.Hour))
		}
		to, from := call(t, nodes[0], 1), call(t, nodes[1], 0)
		synctest.Wait()
		network.Crash(name(1))
		wantUnreachable(t, "to the crashed node", <-to)
		if err := <-from; !errors.Is(err, p2p.ErrClosed) {
			t.Errorf("from the crashed node: got %v, want ErrClosed", err)
		}
		if _, err := nodes[1].Broadcaster().Join(topic, nil); !errors.Is(err, p2p.ErrClosed) {
			t.Errorf("joining a topic: got %v, want ErrClosed", err)
		}
		back := network.Join(name(1), p2p.Addrs{})
		back.Transport().Handle(protocol, echo)
		if err := <-call(t, nodes[0], 1); err != nil {
			t.Errorf("after the return: %v", err)
		}
	})
}

func TestWhatIsOnItsWayWhenTheCutComesIsLost(t *testing.T) {
	world(t, 2, simnet.Options{MinDelay: 10 * ms, MaxDelay: 10 * ms}, func(t *testing.T, network *simnet.Network, nodes []*simnet.Node) {
		arrived := 0
		nodes[1].Transport().Handle(protocol, func(context.Context, p2p.NodeID, []byte) ([]byte, error) {
			arrived++
			return nil, nil
		})
		publisher := subscribe(t, nodes[0], nil)
		subscribe(t, nodes[1], func([]byte) { arrived++ })
		if err := errors.Join(
			nodes[0].Transport().Send(t.Context(), name(1), protocol, nil),
			publisher.Publish(t.Context(), []byte("news")),
		); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * ms)
		network.Cut(name(0), name(1))
		network.Heal()
		time.Sleep(10 * ms)
		synctest.Wait()
		if arrived != 0 {
			t.Errorf("%d messages arrived", arrived)
		}
	})
}

func subscribe(t *testing.T, n *simnet.Node, receive func([]byte)) p2p.Topic {
	t.Helper()
	joined, err := n.Broadcaster().Join(topic, func(_ p2p.NodeID, m []byte) {
		if receive != nil {
			receive(m)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return joined
}

// spread publishes messages one by one and gives how often each came, and
// whether they came in order.
func spread(t *testing.T, o simnet.Options, messages int) (counts []int, inOrder bool) {
	world := func(t *testing.T) {
		network := simnet.New(o)
		counts, inOrder = make([]int, messages), true
		var last uint32
		publisher := subscribe(t, network.Join("a", p2p.Addrs{}), nil)
		subscribe(t, network.Join("b", p2p.Addrs{}), func(m []byte) {
			i := binary.BigEndian.Uint32(m)
			counts[i]++
			inOrder = inOrder && i >= last
			last = i
		})
		for i := range messages {
			if err := publisher.Publish(t.Context(), binary.BigEndian.AppendUint32(nil, uint32(i))); err != nil {
				t.Fatal(err)
			}
			time.Sleep(ms)
		}
		time.Sleep(o.MaxDelay)
		synctest.Wait()
		network.Close()
	}
	synctest.Test(t, world)
	return counts, inOrder
}

func TestGossipIsLostDuplicatedAndReorderedAsAsked(t *testing.T) {
	t.Parallel()
	const messages = 2000
	counts, inOrder := spread(t, simnet.Options{Seed: 7, MaxDelay: 20 * ms, Loss: 0.2, Duplicate: 0.1}, messages)
	fate := map[int]int{}
	for _, c := range counts {
		fate[c]++
	}
	if lost := float64(fate[0]) / messages; lost < 0.17 || lost > 0.23 {
		t.Errorf("%.3f of the messages are lost, want 0.2", lost)
	}
	if twice := float64(fate[2]) / float64(messages-fate[0]); twice < 0.07 || twice > 0.13 {
		t.Errorf("%.3f of the messages that arrive do so twice, want 0.1", twice)
	}
	if inOrder {
		t.Error("a spread of delays changed no order")
	}
}

func TestASeedDeterminesTheFateOfMessages(t *testing.T) {
	t.Parallel()
	o := simnet.Options{Seed: 1, MaxDelay: 20 * ms, Loss: 0.3, Duplicate: 0.3}
	first, _ := spread(t, o, 200)
	again, _ := spread(t, o, 200)
	o.Seed = 2
	other, _ := spread(t, o, 200)
	if !slices.Equal(first, again) || slices.Equal(first, other) {
		t.Errorf("first %v\nagain %v\nother seed %v", first, again, other)
	}
}

func TestAPeerIsSeenDeadAfterDetectAfterAndAliveAtOnce(t *testing.T) {
	world(t, 2, simnet.Options{DetectAfter: time.Second}, func(t *testing.T, network *simnet.Network, nodes []*simnet.Node) {
		for _, fault := range []struct {
			name        string
			begin, mend func()
		}{
			{"cut", func() { network.Cut(name(0), name(1)) }, network.Heal},
			{"one-way cut", func() { network.CutOneWay(name(0), name(1)) }, network.Heal},
			{"crash", func() { network.Crash(name(1)) }, func() { network.Join(name(1), p2p.Addrs{}) }},
		} {
			observer := nodes[0].Members()
			fault.begin()
			time.Sleep(999 * ms)
			if !observer.Alive(name(1)) {
				t.Errorf("%s: seen too early", fault.name)
			}
			time.Sleep(1 * ms)
			if observer.Alive(name(1)) || !observer.Alive(name(0)) {
				t.Errorf("%s: not seen", fault.name)
			}
			fault.mend()
			if !observer.Alive(name(1)) {
				t.Errorf("%s: the return is not seen", fault.name)
			}
		}
	})
}

func TestUpdatesTellOfDeathAndReturn(t *testing.T) {
	world(t, 2, simnet.Options{DetectAfter: time.Second}, func(t *testing.T, network *simnet.Network, nodes []*simnet.Node) {
		observer := nodes[0].Members()
		updates, stop := observer.Updates()
		defer stop()
		until := func(alive bool) {
			for observer.Alive(name(1)) != alive {
				<-updates // the bubble's deadlock detection bounds the wait
			}
		}
		network.Crash(name(1))
		until(false)
		network.Join(name(1), p2p.Addrs{})
		until(true)
	})
}

func TestMembersAreThoseEverMet(t *testing.T) {
	world(t, 2, simnet.Options{}, func(t *testing.T, network *simnet.Network, nodes []*simnet.Node) {
		network.Cut(name(0), "stranger")
		network.Join("stranger", p2p.Addrs{})
		network.Crash(name(1))
		time.Sleep(time.Second)
		want := []p2p.Member{
			{ID: name(0), Addrs: p2p.Addrs{HTTP: "node-0"}, Alive: true},
			{ID: name(1), Addrs: p2p.Addrs{HTTP: "node-1"}},
		}
		if got := nodes[0].Members().Members(); !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

func TestAFullQueueRefusesMessages(t *testing.T) {
	world(t, 2, simnet.Options{}, func(t *testing.T, network *simnet.Network, nodes []*simnet.Node) {
		nodes[1].Transport().Handle(protocol, answer(time.Hour))
		var err error
		for sent := 0; err == nil && sent < 1<<20; sent++ {
			err = nodes[0].Transport().Send(t.Context(), name(1), protocol, nil)
		}
		if !errors.Is(err, p2p.ErrOverloaded) {
			t.Errorf("got %v, want ErrOverloaded", err)
		}
	})
}
