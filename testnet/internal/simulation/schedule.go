package simulation

import (
	"math/rand/v2"
	"slices"
	"time"
)

const (
	maxNodes = 7
	sessions = 4
	rows     = 12
	counters = 3 // the last of the rows
	people   = 5

	leastActs, mostActs = 150, 300
)

// maker draws a schedule. It keeps in mind what its acts did to the nodes, so
// that few of them make no sense.
type maker struct {
	rng   *rand.Rand
	nodes int   // that have been started
	down  []int // of those
	full  []int // disks
	last  int   // row that was put
}

// NewSchedule draws the schedule of a seed. It is the same for the same seed.
//
// Each schedule has some kinds of faults only. One that had all of them would
// seldom do much of any, and faults hide one another: this is swarm testing
// (Groce, Zhang, Eide, Chen, Regehr 2012).
func NewSchedule(seed uint64) Schedule {
	m := &maker{rng: rand.New(rand.NewPCG(seed, 0x6772617065))}
	s := Schedule{
		Seed: seed, Nodes: 1 + m.rng.IntN(5),
		MaxDelay: m.delay(),
		Loss:     float64(m.rng.IntN(4)) * 0.1, Duplicate: float64(m.rng.IntN(3)) * 0.1,
	}
	m.nodes = s.Nodes
	names, weights := m.swarm()
	for length := leastActs + m.rng.IntN(mostActs-leastActs); len(s.Acts) < length; {
		name := names[m.weighted(weights)]
		if when := kinds[name].when; when != nil && !when(m) {
			continue
		}
		a := Act{Kind: name, After: m.pause()}
		kinds[name].draw(m, &a)
		s.Acts = append(s.Acts, a)
	}
	return s
}

// delay draws how slow the network is: like one within a site, or like one around
// the world and through a modem.
func (m *maker) delay() time.Duration {
	if m.rng.IntN(4) == 0 {
		return time.Duration(100+m.rng.IntN(1400)) * time.Millisecond
	}
	return time.Duration(1+m.rng.IntN(30)) * time.Millisecond
}

// swarm chooses the kinds of acts: those of half the groups.
func (m *maker) swarm() (names []string, weights []int) {
	chosen := map[string]bool{}
	for _, name := range Kinds() {
		k := kinds[name]
		if _, drawn := chosen[k.group]; !drawn {
			chosen[k.group] = m.rng.IntN(2) == 0
		}
		if k.group != "" && !chosen[k.group] {
			continue
		}
		names, weights = append(names, name), append(weights, k.weight)
	}
	return names, weights
}

func (m *maker) weighted(weights []int) int {
	sum := 0
	for _, w := range weights {
		sum += w
	}
	roll := m.rng.IntN(sum)
	for i, w := range weights {
		if roll -= w; roll < 0 {
			return i
		}
	}
	panic("simulation: weights do not add up")
}

// pause draws the time between two acts: mostly none to speak of, so that they
// meet, and now and then long enough for timeouts to pass.
func (m *maker) pause() time.Duration {
	switch roll := m.rng.IntN(100); {
	case roll < 70:
		return time.Duration(m.rng.IntN(20_000)) * time.Microsecond
	case roll < 95:
		return time.Duration(m.rng.IntN(500_000)) * time.Microsecond
	default:
		return time.Duration(m.rng.IntN(5_000_000)) * time.Microsecond
	}
}

func (m *maker) node() int { return 1 + m.rng.IntN(m.nodes) }

// running draws a node that is not thought down, if there is one.
func (m *maker) running() int {
	for range 8 {
		if n := m.node(); !slices.Contains(m.down, n) {
			return n
		}
	}
	return m.node()
}

// fall draws a node to go down.
func (m *maker) fall() int {
	n := m.running()
	if !slices.Contains(m.down, n) {
		m.down = append(m.down, n)
	}
	return n
}

// rise draws a node to come up, one that is down if there is one.
func (m *maker) rise() int {
	if len(m.down) == 0 {
		return m.node()
	}
	i := m.rng.IntN(len(m.down))
	n := m.down[i]
	m.down = slices.Delete(m.down, i, i+1)
	return n
}

// two draws a node and another.
func (m *maker) two(a *Act) {
	a.Node = m.node()
	a.Peer = 1 + (a.Node+m.rng.IntN(m.nodes-1))%m.nodes
}

// client draws who does something where.
func (m *maker) client(a *Act) {
	a.Node, a.Session = m.running(), 1+m.rng.IntN(sessions)
}

// row draws a client and an ordinary row.
func (m *maker) row(a *Act) {
	m.client(a)
	a.Row = 1 + m.rng.IntN(rows-counters)
}

// durability draws a row to be written and on how many copies: mostly the default.
func (m *maker) durability(a *Act) {
	m.row(a)
	a.N = m.copies()
}

// fresh draws a row to be put.
func (m *maker) fresh(a *Act) {
	m.durability(a)
	m.last = a.Row
}

// again draws a row to be removed, often the one that was put last: its birth may
// still be on its way.
func (m *maker) again(a *Act) {
	m.durability(a)
	if m.last != 0 && m.rng.IntN(2) == 0 {
		a.Row = m.last
	}
}

func (m *maker) copies() int {
	return []int{0, 0, 0, 0, 1, 2, 2, 3, -1}[m.rng.IntN(9)]
}
