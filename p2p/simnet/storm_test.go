package simnet_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"grapevine/p2p"
	"grapevine/p2p/simnet"
)

// storm has five nodes talk in every way under every fault, and gives what each
// of them heard, and when.
func storm(t *testing.T, seed uint64) (heard [][]string) {
	synctest.Test(t, func(t *testing.T) {
		network := simnet.New(simnet.Options{Seed: seed, MaxDelay: 20 * ms, ReplayCalls: []string{protocol}})
		defer network.Close()
		faulty := simnet.Conditions{
			MaxDelay: 50 * ms, Loss: 0.2, Duplicate: 0.2, ReplyLoss: 0.2, Replay: 0.2, Bandwidth: 5000,
		}
		var logs []*log
		var nodes []*simnet.Node
		var topics []p2p.Topic
		for i := range 5 {
			n := network.Join(name(i), p2p.Addrs{})
			nodes, logs, topics = append(nodes, n), append(logs, listen(t, n)), append(topics, speaker(t, n))
		}
		for i := range 200 {
			from, to := i%5, (i+1+i/5%4)%5
			speak(t, logs[from], nodes[from], topics[from], to, i)
			time.Sleep(time.Duration(1+i%7) * 3 * ms)
			switch i {
			case 20:
				network.SetAll(faulty)
			case 40:
				network.Pause(name(2))
			case 80:
				network.CutOneWay(name(1), name(3))
			case 120:
				network.Resume(name(2))
			case 140:
				network.Reset(name(0), name(4))
			case 180:
				network.Calm()
			}
		}
		for _, l := range logs {
			heard = append(heard, l.heard(10*time.Minute))
		}
	})
	return heard
}

// speaker joins the topic of listeners under another name of the node's.
func speaker(t *testing.T, n *simnet.Node) p2p.Topic {
	t.Helper()
	joined, err := n.Broadcaster().Join(topic+"/storm", func(p2p.NodeID, []byte) {})
	if err != nil {
		t.Fatal(err)
	}
	return joined
}

// speak sends, publishes and calls, and logs what comes of the call.
func speak(t *testing.T, l *log, from *simnet.Node, news p2p.Topic, to, i int) {
	t.Helper()
	_ = from.Transport().Send(t.Context(), name(to), protocol, fmt.Append(nil, "told ", i)) // a cut may refuse it
	publish(t, news, fmt.Sprint("news ", i))
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		reply, err := from.Transport().Call(ctx, name(to), protocol, fmt.Append(nil, "asked ", i))
		l.add(fmt.Sprintf("%d got %s, %v", i, reply, err))
	}()
}

func TestTheSameSeedGivesTheSameStorm(t *testing.T) {
	t.Parallel()
	first, other := storm(t, 1), storm(t, 2)
	for range 5 {
		again := storm(t, 1)
		for i := range first {
			for k, line := range first[i] {
				if k >= len(again[i]) || again[i][k] != line {
					t.Fatalf("node %d heard %q, and again %q", i, first[i][k:], again[i][k:])
				}
			}
		}
	}
	for i := range first {
		if len(first[i]) < 100 || slices.Equal(first[i], other[i]) {
			t.Errorf("node %d heard %q, and of another seed %q", i, first[i], other[i])
		}
	}
}
