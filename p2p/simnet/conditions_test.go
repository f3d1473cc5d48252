package simnet_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"grapevine/p2p"
	"grapevine/p2p/simnet"
)

// log notes what a node hears, and when.
type log struct {
	began time.Time
	mu    sync.Mutex
	lines []string
}

func (l *log) add(what string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, fmt.Sprintf("%s at %v", what, time.Since(l.began).Truncate(time.Microsecond)))
}

// listen logs all messages of the protocol and the topic that come to a node.
func listen(t *testing.T, n *simnet.Node) *log {
	t.Helper()
	l := &log{began: time.Now()}
	n.Transport().Handle(protocol, func(_ context.Context, from p2p.NodeID, m []byte) ([]byte, error) {
		l.add(fmt.Sprintf("%s: %s", from, m))
		return []byte("done"), nil
	})
	if _, err := n.Broadcaster().Join(topic, func(from p2p.NodeID, m []byte) {
		l.add(fmt.Sprintf("%s spreads %s", from, m))
	}); err != nil {
		t.Fatal(err)
	}
	return l
}

// heard waits until all is quiet, and gives what was noted since it was last asked.
func (l *log) heard(wait time.Duration) []string {
	time.Sleep(wait + 100*time.Microsecond) // messages of one instant come nanoseconds apart
	synctest.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	lines := l.lines
	l.lines = nil
	return lines
}

func (l *log) expect(t *testing.T, wait time.Duration, want ...string) {
	t.Helper()
	if got := l.heard(wait); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func send(t *testing.T, from *simnet.Node, to int, message string) {
	t.Helper()
	if err := from.Transport().Send(t.Context(), name(to), protocol, []byte(message)); err != nil {
		t.Errorf("Send: %v", err)
	}
}

func publish(t *testing.T, topic p2p.Topic, message string) {
	t.Helper()
	if err := topic.Publish(t.Context(), []byte(message)); err != nil {
		t.Errorf("Publish: %v", err)
	}
}

func within(d time.Duration) simnet.Conditions { return simnet.Conditions{MinDelay: d, MaxDelay: d} }

func TestALinksConditionsChangeForWhatIsSentFromThenOn(t *testing.T) {
	world(t, 3, simnet.Options{MinDelay: ms, MaxDelay: ms}, func(t *testing.T, network *simnet.Network, nodes []*simnet.Node) {
		l := listen(t, nodes[1])
		network.SetLink(name(0), name(1), within(time.Second))
		send(t, nodes[0], 1, "slow")
		send(t, nodes[2], 1, "usual")
		network.SetAll(within(5 * ms))
		topics := subscribe(t, nodes[0], nil)
		publish(t, topics, "news")
		l.expect(t, time.Second, "node-2: usual at 1ms", "node-0 spreads news at 5ms", "node-0: slow at 1s")

		network.SetAll(simnet.Conditions{Loss: 1})
		publish(t, topics, "lost")
		network.Calm()
		publish(t, topics, "calm")
		l.expect(t, time.Second, "node-0 spreads calm at 1.0011s")
	})
}

func TestConditionsHoldForNodesThatJoinLater(t *testing.T) {
	world(t, 1, simnet.Options{}, func(t *testing.T, network *simnet.Network, nodes []*simnet.Node) {
		network.SetAll(within(time.Second))
		l := listen(t, network.Join(name(1), p2p.Addrs{}))
		send(t, nodes[0], 1, "welcome")
		l.expect(t, time.Second, "node-0: welcome at 1s")
	})
}

func TestMessagesQueueForBandwidth(t *testing.T) {
	world(t, 2, simnet.Options{}, func(t *testing.T, network *simnet.Network, nodes []*simnet.Node) {
		listen(t, nodes[0])
		l := listen(t, nodes[1])
		c := within(10 * ms)
		c.Bandwidth = 1000
		network.SetLink(name(0), name(1), c)
		for _, m := range []string{"0123456789", "01234567890123456789"} {
			send(t, nodes[0], 1, m)
		}
		l.expect(t, time.Second, "node-0: 0123456789 at 20ms", "node-0: 01234567890123456789 at 40ms")
		start := time.Now()
		if err := <-call(t, nodes[1], 0); err != nil || time.Since(start) != 14*ms {
			t.Errorf("a reply of 4 bytes: %v after %v, want 14ms", err, time.Since(start))
		}
	})
}

func TestAReplyIsLostAsByAResetAfterTheCallWasCarriedOut(t *testing.T) {
	world(t, 2, simnet.Options{}, func(t *testing.T, network *simnet.Network, nodes []*simnet.Node) {
		l := listen(t, nodes[1])
		network.SetLink(name(0), name(1), simnet.Conditions{ReplyLoss: 1})
		if err := <-call(t, nodes[0], 1); !errors.Is(err, p2p.ErrLost) {
			t.Errorf("got %v, want ErrLost", err)
		}
		l.expect(t, 0, "node-0:  at 0s")
		nodes[0].Transport().Handle(protocol, echo)
		if err := <-call(t, nodes[1], 0); err != nil {
			t.Errorf("the other way: %v", err)
		}
	})
}

func TestOldMessagesComeOnceMoreAndLaterThanTheyWereSent(t *testing.T) {
	world(t, 2, simnet.Options{ReplayCalls: []string{protocol}}, func(t *testing.T, network *simnet.Network, nodes []*simnet.Node) {
		network.SetAll(simnet.Conditions{Replay: 1})
		l := listen(t, nodes[1])
		send(t, nodes[0], 1, "told")
		publish(t, subscribe(t, nodes[0], nil), "news")
		if _, err := nodes[0].Transport().Call(t.Context(), name(1), protocol, []byte("asked")); err != nil {
			t.Fatal(err)
		}
		for _, wait := range []time.Duration{0, time.Hour} {
			var got []string
			for _, line := range l.heard(wait) {
				what, _, _ := strings.Cut(line, " at ")
				got = append(got, what)
			}
			slices.Sort(got)
			if want := []string{"node-0 spreads news", "node-0: asked", "node-0: told"}; !slices.Equal(got, want) {
				t.Errorf("within %v: got %q, want %q", wait, got, want)
			}
			network.Crash(name(0)) // it need not be there any more
		}
	})
}

func TestACutStopsOldMessagesToo(t *testing.T) {
	world(t, 2, simnet.Options{ReplayWithin: time.Minute}, func(t *testing.T, network *simnet.Network, nodes []*simnet.Node) {
		network.SetAll(simnet.Conditions{Replay: 1})
		l := listen(t, nodes[1])
		send(t, nodes[0], 1, "told")
		l.expect(t, 0, "node-0: told at 0s")
		network.Cut(name(0), name(1))
		l.expect(t, time.Minute)
		network.Heal()
		l.expect(t, time.Minute)
	})
}

func TestCallsThatMayNotBeReplayedComeOnce(t *testing.T) {
	world(t, 2, simnet.Options{}, func(t *testing.T, network *simnet.Network, nodes []*simnet.Node) {
		network.SetAll(simnet.Conditions{Replay: 1})
		l := listen(t, nodes[1])
		if err := <-call(t, nodes[0], 1); err != nil {
			t.Fatal(err)
		}
		l.expect(t, time.Hour, "node-0:  at 0s")
	})
}

func TestWhatIsInjectedComesAsIfAMemberHadSentIt(t *testing.T) {
	world(t, 3, simnet.Options{MinDelay: ms, MaxDelay: ms}, func(t *testing.T, network *simnet.Network, nodes []*simnet.Node) {
		ear, liar := listen(t, nodes[1]), listen(t, nodes[0])
		network.Inject(name(0), name(1), protocol, []byte("garbage"))
		network.Inject(name(0), name(1), protocol, make([]byte, p2p.MaxMessage+1))
		network.Inject(name(0), name(1), "/unknown/1", []byte("garbage"))
		network.Inject(name(0), "nobody", protocol, []byte("garbage"))
		network.InjectGossip(name(0), topic, []byte("rumour"))
		network.InjectGossip(name(0), topic, make([]byte, p2p.MaxMessage+1))
		network.InjectGossip("stranger", topic, []byte("noise"))
		liar.expect(t, ms, "stranger spreads noise at 1ms")
		heard := ear.heard(0)
		slices.Sort(heard)
		if want := []string{"node-0 spreads rumour at 1ms", "node-0: garbage at 1ms", "stranger spreads noise at 1ms"}; !slices.Equal(heard, want) {
			t.Errorf("got %q, want %q", heard, want)
		}

		network.Cut(name(0), name(1))
		network.Inject(name(0), name(1), protocol, []byte("cut off"))
		ear.expect(t, time.Second)
	})
}

func TestTrafficIsCountedByPairAndProtocol(t *testing.T) {
	world(t, 3, simnet.Options{}, func(t *testing.T, network *simnet.Network, nodes []*simnet.Node) {
		for _, n := range nodes {
			listen(t, n)
		}
		publisher := func(n *simnet.Node) p2p.Topic {
			joined, err := n.Broadcaster().Join(topic+"/more", func(p2p.NodeID, []byte) {})
			if err != nil {
				t.Fatal(err)
			}
			return joined
		}
		news := publisher(nodes[0])
		publisher(nodes[2])
		publish(t, news, "news")
		for range 2 {
			if _, err := nodes[0].Transport().Call(t.Context(), name(1), protocol, []byte("question")); err != nil {
				t.Fatal(err)
			}
		}
		send(t, nodes[1], 0, "told")
		want := map[simnet.Flow]simnet.Volume{
			{From: name(0), To: name(1), Protocol: protocol}:        {Messages: 2, Bytes: 16},
			{From: name(1), To: name(0), Protocol: protocol}:        {Messages: 3, Bytes: 12},
			{From: name(0), To: name(2), Protocol: topic + "/more"}: {Messages: 1, Bytes: 4},
		}
		got := network.Traffic()
		for flow, volume := range want {
			if got[flow] != volume {
				t.Errorf("%v: got %v, want %v", flow, got[flow], volume)
			}
		}
		if len(got) != len(want) {
			t.Errorf("got %v", got)
		}
		network.ResetTraffic()
		if got := network.Traffic(); len(got) > 0 {
			t.Errorf("after the reset: %v", got)
		}
		synctest.Wait()
	})
}

func TestAFasterLinkLetsNoMessageOvertakeThoseOfItsProtocol(t *testing.T) {
	world(t, 2, simnet.Options{MinDelay: ms, MaxDelay: ms}, func(t *testing.T, network *simnet.Network, nodes []*simnet.Node) {
		l := &log{began: time.Now()}
		nodes[1].Transport().Handle(protocol, func(_ context.Context, _ p2p.NodeID, m []byte) ([]byte, error) {
			l.add(string(m))
			if string(m) == "0" { // the others have come, too, and wait for their nanosecond
				network.SetAll(simnet.Conditions{})
				send(t, nodes[0], 1, "last")
			}
			return nil, nil
		})
		for i := range 3 {
			send(t, nodes[0], 1, fmt.Sprint(i))
		}
		l.expect(t, ms, "0 at 1ms", "1 at 1ms", "2 at 1ms", "last at 1ms")
	})
}

func TestMessagesOfOneInstantArriveByTheNamesOfTheirSenders(t *testing.T) {
	world(t, 10, simnet.Options{MinDelay: ms, MaxDelay: ms}, func(t *testing.T, _ *simnet.Network, nodes []*simnet.Node) {
		var heard []string
		for range 20 {
			heard = nil
			hearer := subscribe(t, nodes[0], func(m []byte) { heard = append(heard, string(m)) })
			for i := len(nodes) - 1; i > 0; i-- {
				speaker := subscribe(t, nodes[i], nil)
				publish(t, speaker, fmt.Sprint(i, " first"))
				publish(t, speaker, fmt.Sprint(i, " second"))
				speaker.Close()
			}
			time.Sleep(ms + time.Microsecond)
			synctest.Wait()
			if len(heard) != 18 || !slices.IsSorted(heard) {
				t.Errorf("heard %q", heard)
			}
			hearer.Close()
		}
	})
}

func TestWhatAMessageSetsOffIsDoneBeforeTheNextOfTheInstantArrives(t *testing.T) {
	world(t, 10, simnet.Options{MinDelay: ms, MaxDelay: ms}, func(t *testing.T, _ *simnet.Network, nodes []*simnet.Node) {
		shared := &log{began: time.Now()}
		news := subscribe(t, nodes[0], nil)
		for _, n := range nodes[1:] {
			self := string(n.Transport().Self())
			subscribe(t, n, func([]byte) {
				shared.add(self + " begins")
				done := make(chan struct{})
				go close(done)
				<-done
				shared.add(self + " ends")
			})
		}
		for range 20 {
			publish(t, news, "news")
			if got := shared.heard(ms); len(got) != 18 || !slices.IsSorted(got) {
				t.Errorf("got %q", got)
			}
		}
	})
}
