package simulation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"grapevine/crdt/causal"
	"grapevine/node"
	"grapevine/node/config"
	"grapevine/p2p"
	"grapevine/p2p/simnet"
	"grapevine/services/users"
	"grapevine/store"
	"grapevine/store/memdb"
)

// copies is how many owners a partition has where there are as many nodes.
const (
	copies = 3
	// partitionBits makes eight partitions.
	partitionBits = 3
)

// minDelay is the least time of a message, one way.
const minDelay = 100 * time.Microsecond

// syncTime is what a disk takes to sync when it is not slow.
const syncTime = 500 * time.Microsecond

// world is a cluster of whole nodes, its clients, and the record of what it
// promised them. Acts are done by one goroutine, the driver.
type world struct {
	schedule Schedule
	trace    *trace
	options  simnet.Options
	net      *simnet.Network
	roll     sync.Mutex // guards peers and whether one is gone against the clients' looks
	peers    []*peer    // by number, from 1; changed by the driver alone
	values   int        // that were written

	faulty    bool      // the network has faults
	disturbed time.Time // until when it had
	ledger    *ledger
	sessions  []*session
	people    []*person
	clients   sync.WaitGroup
	watchers  sync.WaitGroup // of nodes that leave

	departures chan *peer // that have left
}

// peer is a machine: a disk, a clock, and the node that runs on them, if any.
type peer struct {
	number int
	id     p2p.NodeID
	disk   *memdb.DB
	skew   atomic.Int64 // of its clock, in nanoseconds
	weight uint32
	founds bool // when it starts: it is the first of the cluster
	member bool // of the cluster, and its disk knows
	gone   bool // it has left, and its disk is no more
	shown  shown

	mu   sync.Mutex
	node *node.Node // nil while down
	life *life      // nil while down
}

// life is one run of a node: its context ends with it.
type life struct {
	context.Context
	end   context.CancelFunc
	began time.Time
}

func newWorld(s Schedule, t *trace) *world {
	options := simnet.Options{
		Seed: s.Seed, MinDelay: minDelay, MaxDelay: s.MaxDelay,
		Loss: s.Loss, Duplicate: s.Duplicate, ReplayCalls: []string{"replica/push", "replica/hold"},
	}
	w := &world{schedule: s, trace: t, ledger: newLedger(), options: options, net: simnet.New(options),
		departures: make(chan *peer, queueLen)}
	for i := range sessions {
		w.sessions = append(w.sessions, newSession(w, i+1))
	}
	for i := range people {
		w.people = append(w.people, newPerson(w, i+1))
	}
	for range min(max(s.Nodes, 1), maxNodes) {
		w.add()
	}
	return w
}

// add starts a node that has not been there before.
func (w *world) add() {
	number := len(w.peers) + 1
	p := &peer{
		number: number, id: w.id(number),
		weight: 100, founds: number == 1, shown: shown{},
	}
	p.disk = w.newDisk(p)
	w.roll.Lock()
	w.peers = append(w.peers, p)
	w.roll.Unlock()
	w.start(p)
}

func (w *world) newDisk(p *peer) *memdb.DB {
	return memdb.NewDisk(memdb.Options{Seed: w.schedule.Seed + uint64(p.number), SyncTime: syncTime})
}

// peer gives the peer of a number, nil when there is none or it has left.
func (w *world) peer(number int) *peer {
	w.roll.Lock()
	defer w.roll.Unlock()
	if number < 1 || number > len(w.peers) || w.peers[number-1].gone {
		return nil
	}
	return w.peers[number-1]
}

// running gives the node of a peer and its life, nil when it is down.
func (p *peer) running() (*node.Node, *life) {
	if p == nil {
		return nil, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.node, p.life
}

func (p *peer) up() bool {
	n, _ := p.running()
	return n != nil
}

// start runs a node on the peer's disk.
func (w *world) start(p *peer) {
	cfg := config.Default("simulated")
	cfg.PartitionBits, cfg.Copies, cfg.Weight = partitionBits, copies, p.weight
	if !p.founds {
		cfg.Join = []string{"node-1:7402"}
	}
	p.member, p.founds = p.member || p.founds, false // nobody founds a cluster twice
	net := w.net.Join(p.id, p2p.Addrs{HTTP: string(p.id) + ":7400"})
	n, err := node.Assemble(cfg, node.Deps{
		Engine: p.disk, Transport: net.Transport(), Broadcaster: net.Broadcaster(), Members: net.Members(),
		Secret: config.Secret{1}, HashCost: users.Cost{Memory: 8, Time: 1, Threads: 1},
		Now: func() time.Time { return time.Now().Add(time.Duration(p.skew.Load())) },
		Coordinated: func(at store.Partition, d causal.Dot, rows []store.Entry) {
			w.coordinated(p, at, d, rows)
		},
	}, w.trace.logger(p.id))
	if err != nil {
		w.net.Crash(p.id)
		p.disk = p.disk.Reopen()
		w.refused(p, err)
		return
	}
	p.live(n)
	w.watch(p)
}

// refused judges why a node did not start: a full disk may keep it from doing so.
func (w *world) refused(p *peer, err error) {
	w.trace.event("%s does not start: %v", p.id, err)
	if !errors.Is(err, store.ErrNoSpace) {
		w.trace.fail(Starts, "%s: %v", p.id, err)
	}
}

func (p *peer) live(n *node.Node) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := &life{began: time.Now()}
	l.Context, l.end = context.WithCancel(context.Background())
	p.node, p.life = n, l
}

// stop takes a node down as the loss of its power does: what it sends from then
// on is not seen, and what it was syncing is kept or lost.
func (w *world) stop(p *peer) {
	p.mu.Lock()
	n, l := p.node, p.life
	p.node, p.life = nil, nil
	p.mu.Unlock()
	if n == nil {
		return
	}
	l.end()
	w.net.Crash(p.id)
	p.disk = p.disk.Reopen()
	_ = n.Close() // its network and its disk are gone already
}

// close ends all nodes, clients and the network.
func (w *world) close() {
	for _, p := range w.peers {
		w.stop(p)
	}
	for _, queue := range w.queues() {
		close(queue)
	}
	w.clients.Wait()
	w.watchers.Wait()
	w.net.Close()
}

// queues gives those of all clients.
func (w *world) queues() []chan func() {
	var out []chan func()
	for _, s := range w.sessions {
		out = append(out, s.queue)
	}
	for _, p := range w.people {
		out = append(out, p.queue)
	}
	return out
}

// others counts the peers beside one whose disks know the cluster.
func (w *world) others(than *peer) int {
	n := 0
	for _, p := range w.peers {
		if p != than && !p.gone && p.member {
			n++
		}
	}
	return n
}

// id gives the identity of a peer, also of one that is yet to come.
func (w *world) id(number int) p2p.NodeID { return p2p.NodeID(fmt.Sprint("node-", number)) }

// quietLog is the log of nodes whose run nobody traces.
var quietLog = slog.New(slog.DiscardHandler)
