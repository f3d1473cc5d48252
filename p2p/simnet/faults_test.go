package simnet_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"grapevine/p2p"
	"grapevine/p2p/simnet"
)

func TestAResetBreaksWhatIsUnderWayAndNothingLater(t *testing.T) {
	world(t, 2, simnet.Options{MinDelay: ms, MaxDelay: ms}, func(t *testing.T, network *simnet.Network, nodes []*simnet.Node) {
		nodes[1].Transport().Handle(protocol, answer(time.Second))
		inFlight := call(t, nodes[0], 1)
		time.Sleep(10 * ms)
		network.Reset(name(1), name(0))
		if err := <-inFlight; !errors.Is(err, p2p.ErrLost) {
			t.Errorf("in flight: got %v, want ErrLost", err)
		}
		if err := <-call(t, nodes[0], 1); err != nil {
			t.Errorf("later: %v", err)
		}
		network.Cut(name(0), name(1))
		network.Reset(name(0), name(1))
		wantUnreachable(t, "a reset of what is cut", <-call(t, nodes[0], 1))
	})
}

func TestWhatACrashedNodeHasSentStillArrives(t *testing.T) {
	world(t, 2, simnet.Options{MinDelay: ms, MaxDelay: ms}, func(t *testing.T, network *simnet.Network, nodes []*simnet.Node) {
		l := listen(t, nodes[1])
		news := subscribe(t, nodes[0], nil)
		send(t, nodes[0], 1, "last words")
		network.Crash(name(0))
		if err := news.Publish(t.Context(), nil); !errors.Is(err, p2p.ErrClosed) {
			t.Errorf("after the crash: got %v, want ErrClosed", err)
		}
		l.expect(t, time.Second, "node-0: last words at 1ms")
	})
}

func TestAPausedNodeSendsAndGetsNothingUntilItResumes(t *testing.T) {
	world(t, 2, simnet.Options{}, func(t *testing.T, network *simnet.Network, nodes []*simnet.Node) {
		paused, other := listen(t, nodes[1]), listen(t, nodes[0])
		topics := []p2p.Topic{}
		for _, n := range nodes {
			joined, err := n.Broadcaster().Join("more", func(p2p.NodeID, []byte) {})
			if err != nil {
				t.Fatal(err)
			}
			topics = append(topics, joined)
		}
		network.Pause(name(1))
		for i := range 3 {
			send(t, nodes[0], 1, fmt.Sprint("to ", i))
			send(t, nodes[1], 0, fmt.Sprint("from ", i))
		}
		publish(t, topics[1], "news")
		asked := call(t, nodes[0], 1)
		paused.expect(t, time.Minute)
		other.expect(t, 0)
		if len(asked) > 0 {
			t.Error("a paused node answered")
		}
		network.Resume(name(1))
		if err := <-asked; err != nil {
			t.Errorf("a call that waited: %v", err)
		}
		other.expect(t, 0, "node-1: from 0 at 1m0.0002s", "node-1: from 1 at 1m0.0002s", "node-1: from 2 at 1m0.0002s")
		if got := paused.heard(0); len(got) != 4 {
			t.Errorf("got %q, want three messages and a call", got)
		}
	})
}

func TestMessagesOfAPauseComeBeforeThoseSentAfterIt(t *testing.T) {
	world(t, 2, simnet.Options{}, func(t *testing.T, network *simnet.Network, nodes []*simnet.Node) {
		var want []string
		l := listen(t, nodes[1])
		network.Pause(name(1))
		for i := range 20 {
			if i == 10 {
				network.Resume(name(1))
			}
			send(t, nodes[0], 1, fmt.Sprint(i))
			want = append(want, fmt.Sprintf("node-0: %d at 0s", i))
		}
		l.expect(t, 0, want...)
	})
}

func TestAReplyWaitsForItsPausedSender(t *testing.T) {
	world(t, 2, simnet.Options{}, func(t *testing.T, network *simnet.Network, nodes []*simnet.Node) {
		nodes[1].Transport().Handle(protocol, answer(time.Second))
		began, asked := time.Now(), call(t, nodes[0], 1)
		synctest.Wait()
		network.Pause(name(1))
		time.Sleep(time.Minute)
		network.Calm() // resumes, too
		if err := <-asked; err != nil || time.Since(began) != time.Minute {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}

func TestACallToAPausedNodeEndsWithItsContext(t *testing.T) {
	world(t, 2, simnet.Options{}, func(t *testing.T, network *simnet.Network, nodes []*simnet.Node) {
		network.Pause(name(1))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := nodes[0].Transport().Call(ctx, name(1), protocol, nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want DeadlineExceeded", err)
		}
	})
}

func TestWhatWaitsForAPausedNodeIsBoundedAndLostWhenItCrashes(t *testing.T) {
	world(t, 2, simnet.Options{}, func(t *testing.T, network *simnet.Network, nodes []*simnet.Node) {
		listen(t, nodes[1])
		network.Pause(name(1))
		fill := func(to p2p.NodeID) (sent int) {
			for ; sent < 1<<20; sent++ {
				if err := nodes[0].Transport().Send(t.Context(), to, protocol, nil); err != nil {
					if !errors.Is(err, p2p.ErrOverloaded) {
						t.Errorf("got %v, want ErrOverloaded", err)
					}
					return sent
				}
			}
			t.Error("no bound")
			return sent
		}
		first := fill(name(1))
		network.Crash(name(1))
		l := listen(t, network.Join(name(1), p2p.Addrs{}))
		l.expect(t, time.Second)
		network.Pause(name(1))
		if again := fill(name(1)); again != first {
			t.Errorf("%d messages fit, then %d: some that were lost still count", first, again)
		}
	})
}

func TestAPausedNodeIsSentNoMoreThanItCanKeep(t *testing.T) {
	world(t, 2, simnet.Options{}, func(t *testing.T, network *simnet.Network, nodes []*simnet.Node) {
		l := listen(t, nodes[1])
		network.Pause(name(1))
		for range 10_000 {
			network.Inject(name(0), name(1), protocol, nil)
		}
		network.Resume(name(1))
		if got := len(l.heard(0)); got != 8192 {
			t.Errorf("%d messages waited, want 8192", got)
		}
	})
}

func TestWhatWaitsForAPausedNodeIsLostWhenItsWayIsCut(t *testing.T) {
	world(t, 2, simnet.Options{}, func(t *testing.T, network *simnet.Network, nodes []*simnet.Node) {
		l := listen(t, nodes[1])
		network.Pause(name(1))
		send(t, nodes[0], 1, "lost")
		asked := call(t, nodes[0], 1)
		synctest.Wait()
		network.Cut(name(0), name(1))
		wantUnreachable(t, "a call that waits", <-asked)
		network.Heal()
		network.Resume(name(1))
		l.expect(t, time.Second)
	})
}

func TestPeersFindAPausedNodeDeadAndItFindsThemAsTheyWere(t *testing.T) {
	world(t, 3, simnet.Options{}, func(t *testing.T, network *simnet.Network, nodes []*simnet.Node) {
		observer, paused := nodes[0].Members(), nodes[1].Members()
		network.Pause(name(1))
		time.Sleep(999 * ms)
		if !observer.Alive(name(1)) {
			t.Error("seen too early")
		}
		time.Sleep(ms)
		network.Crash(name(2))
		time.Sleep(time.Minute)
		if observer.Alive(name(1)) {
			t.Error("not seen")
		}
		if !paused.Alive(name(0)) || !paused.Alive(name(2)) {
			t.Error("the paused node found others dead")
		}
		network.Resume(name(1))
		if !observer.Alive(name(1)) {
			t.Error("its return is not seen")
		}
		time.Sleep(time.Second)
		if paused.Alive(name(2)) {
			t.Error("it does not find out what happened meanwhile")
		}
	})
}

func TestAFalseSuspicionIsHeldByOneNodeWhileLinksAreFine(t *testing.T) {
	world(t, 3, simnet.Options{}, func(t *testing.T, network *simnet.Network, nodes []*simnet.Node) {
		listen(t, nodes[1])
		updates, stop := nodes[0].Members().Updates()
		defer stop()
		network.Suspect(name(0), name(1), true)
		<-updates
		if nodes[0].Members().Alive(name(1)) {
			t.Error("not suspected")
		}
		if !nodes[2].Members().Alive(name(1)) || !nodes[1].Members().Alive(name(0)) {
			t.Error("others suspect, too")
		}
		if err := <-call(t, nodes[0], 1); err != nil {
			t.Errorf("a call: %v", err)
		}
		ends := map[string]func(){
			"taken back":        func() { network.Suspect(name(0), name(1), false) },
			"calm":              network.Calm,
			"the suspect joins": func() { network.Crash(name(1)); network.Join(name(1), p2p.Addrs{}) },
		}
		for what, end := range ends {
			network.Suspect(name(0), name(1), true)
			end()
			if !nodes[0].Members().Alive(name(1)) {
				t.Errorf("%s: still suspected", what)
			}
		}
	})
}
