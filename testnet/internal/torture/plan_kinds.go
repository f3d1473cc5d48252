package torture

import (
	"slices"
	"time"

	"grapevine/testnet/internal/torture/lab"
)

// smallDisk is the node whose disk can be filled.
const smallDisk = 2

// begin emits the steps of one fault and notes when it ends.
func (p *planner) begin(kind string) {
	switch kind {
	case Kill:
		p.down(kind, p.one(p.well()), start, time.Second, 20*time.Second)
	case KillAll:
		p.down(kind, slices.Clone(p.nodes), start, time.Second, 5*time.Second)
	case Pause:
		p.down(kind, p.one(p.well()), resume, time.Second, time.Minute)
	case FullDisk:
		p.down(kind, []int{smallDisk}, space, 5*time.Second, 20*time.Second)
	case Cut, OneWay, Lossy:
		p.network(kind)
	case Rollback:
		p.rollback()
	case Replace, Forget:
		p.lost = true
		node := p.one(p.well())
		if node[0] == p.saved {
			p.saved = 0 // that copy is of another node now
		}
		p.down(kind, node, start, 2*time.Second, 15*time.Second)
	case Join:
		p.add(p.next)
		p.emit(Join, []int{p.next - 1}, nil)
	case Leave:
		node := p.one(p.well())
		p.emit(Leave, node, nil)
		p.state[node[0]] = Leave
	}
}

// one draws a node.
func (p *planner) one(from []int) []int { return []int{from[p.rng.IntN(len(from))]} }

// down begins a fault of nodes that ends by itself.
func (p *planner) down(kind string, nodes []int, end string, least, most time.Duration) {
	p.emit(kind, nodes, nil)
	for _, n := range nodes {
		p.state[n] = kind
	}
	p.end(end, nodes, least, most)
}

// rollback copies a disk the first time, and the second time puts the copy back:
// what the node acknowledged since is lost with its disk.
func (p *planner) rollback() {
	if p.saved == 0 || !slices.Contains(p.nodes, p.saved) {
		p.saved = p.one(p.well())[0]
		p.emit(save, []int{p.saved}, nil)
		return
	}
	p.lost = true
	p.down(Rollback, []int{p.saved}, start, time.Second, 10*time.Second)
	p.saved = 0
}

// network begins a fault of links.
func (p *planner) network(kind string) {
	side := p.side()
	links := map[[2]int]lab.Link{}
	bad := p.link(kind)
	for _, a := range p.nodes {
		for _, b := range p.nodes {
			from, to := slices.Contains(side, a), slices.Contains(side, b)
			if a != b && (kind == Lossy && (from || to) || from && !to || kind == Cut && to && !from) {
				links[[2]int{a, b}] = bad
			}
		}
	}
	p.net = true
	p.emit(kind, side, links)
	p.end(heal, nil, 3*time.Second, 30*time.Second)
}

// side draws some of the nodes, not all.
func (p *planner) side() []int {
	side := slices.Clone(p.nodes)
	p.rng.Shuffle(len(side), func(i, j int) { side[i], side[j] = side[j], side[i] })
	side = side[:1+p.rng.IntN(len(side)-1)]
	slices.Sort(side)
	return side
}

func (p *planner) link(kind string) lab.Link {
	if kind != Lossy {
		return lab.Link{Cut: true}
	}
	return lab.Link{
		Loss:   float64(p.rng.IntN(11)) / 100,
		Delay:  time.Duration(p.rng.IntN(80)) * time.Millisecond,
		Jitter: time.Duration(p.rng.IntN(40)) * time.Millisecond,
	}
}
