package simulation

import (
	"math/rand/v2"
	"time"

	"grapevine/p2p"
)

func (w *world) cut(a Act) {
	w.faulty = true
	w.net.Cut(w.id(a.Node), w.id(a.Peer))
}

func (w *world) cutOneWay(a Act) {
	w.faulty = true
	w.net.CutOneWay(w.id(a.Node), w.id(a.Peer))
}

func (w *world) pause(a Act) {
	w.faulty = true
	w.net.Pause(w.id(a.Node))
}

func (w *world) resume(a Act) { w.net.Resume(w.id(a.Node)) }

func (w *world) suspect(a Act) {
	w.faulty = true
	w.net.Suspect(w.id(a.Node), w.id(a.Peer), true)
}

// heal ends all faults of the network.
func (w *world) heal(Act) {
	w.net.Calm()
	if w.faulty {
		w.faulty, w.disturbed = false, time.Now()
	}
}

// partition puts the nodes whose bits are set in N on one side, and the rest on
// the other.
func (w *world) partition(a Act) {
	w.faulty = true
	var sides [2][]p2p.NodeID
	for n := 1; n <= maxNodes; n++ {
		side := a.N >> (n - 1) & 1
		sides[side] = append(sides[side], w.id(n))
	}
	w.net.Partition(sides[0], sides[1])
}

func (w *world) slowLink(a Act) {
	w.faulty = true
	c := w.options.Conditions()
	c.MaxDelay += time.Duration(max(a.N, 0)) * time.Millisecond
	c.Bandwidth = 1 << 20
	w.net.SetLink(w.id(a.Node), w.id(a.Peer), c)
}

func (w *world) lossyLink(a Act) {
	w.faulty = true
	c := w.options.Conditions()
	c.Loss = min(1, float64(max(a.N, 0))/100)
	c.ReplyLoss, c.Duplicate, c.Replay = c.Loss/2, c.Loss, c.Loss
	w.net.SetLink(w.id(a.Node), w.id(a.Peer), c)
}

// penalty is longer than a node that sent garbage goes unheard.
const penalty = time.Minute

// garbage sends a node bytes that mean nothing under every protocol and topic
// that it takes.
func (w *world) garbage(a Act) {
	w.disturbed = time.Now().Add(penalty) // nodes listen to those that send such things no more
	rng := rand.New(rand.NewPCG(w.schedule.Seed, uint64(a.N)))
	noise := make([]byte, max(a.N, 0))
	for i := range noise {
		noise[i] = byte(rng.Uint32())
	}
	noise[0] = byte(a.N % 3) // the versions of formats are small
	for _, protocol := range []string{"ack", "push", "hold", "ring", "seen", "sync", "vecs", "fetch", "snapshot", "read", "write"} {
		w.net.Inject(w.id(a.Node), w.id(a.Peer), "replica/"+protocol, noise)
	}
	for _, topic := range []string{"ring", "progress"} {
		w.net.InjectGossip(w.id(a.Node), topic, noise)
	}
}
