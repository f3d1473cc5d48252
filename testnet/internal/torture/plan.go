package torture

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"grapevine/testnet/internal/torture/lab"
)

// What a step does to the cluster.
const (
	Kill     = "kill"      // kill -9, and a start later
	KillAll  = "kill all"  // of all nodes at once
	Pause    = "pause"     // SIGSTOP, and SIGCONT later
	Cut      = "partition" // of the nodes into two groups
	OneWay   = "one-way"   // nodes that hear and are not heard
	Lossy    = "lossy"     // packets lost and delayed on all links, or one node's
	FullDisk = "full disk" // no space left, and space again
	Rollback = "rollback"  // the data directory set back to an older copy
	Replace  = "replace"   // a disk lost for good: forget the node, start an empty one
	Forget   = "forget"    // a dead node forgotten, that returns
	Join     = "join"      // a node more
	Leave    = "leave"     // a node less

	start  = "start"
	resume = "resume"
	heal   = "heal"
	space  = "space"
	save   = "copy a disk"
	settle = "settle"
)

// Kinds are the faults that a plan may hold.
var Kinds = []string{Kill, KillAll, Pause, Cut, OneWay, Lossy, FullDisk, Rollback, Replace, Forget, Join, Leave}

// labOnly are those that need a network or disk of the node's own.
var labOnly = []string{OneWay, Lossy, FullDisk}

// Step is one act of a schedule.
type Step struct {
	At    time.Duration // on a clock that stands still while the cluster settles
	Do    string
	Nodes []int               // by index, of which the step is about
	Links map[[2]int]lab.Link // in force from now on, of steps about the network
}

func (s Step) String() string {
	out := fmt.Sprintf("%7s %s", s.At.Round(100*time.Millisecond), s.Do)
	if len(s.Nodes) > 0 {
		out += " " + strings.Trim(fmt.Sprint(s.Nodes), "[]")
	}
	if s.Do == Lossy {
		for _, l := range s.Links {
			out += fmt.Sprintf(" (loss %.0f %%, delay %s to %s)", 100*l.Loss, l.Delay, l.Delay+l.Jitter)
			break
		}
	}
	return out
}

// PlanConfig is what a schedule follows from, besides its seed.
type PlanConfig struct {
	Seed    uint64
	Nodes   int // at the start: 1, 2, …
	For     time.Duration
	Lab     bool     // nodes have networks and, the second one, a disk of their own
	Without []string // kinds to leave out
}

// Bounds of schedules.
const (
	settleEvery = time.Minute // at most, of faults
	fewest      = 3           // nodes, below which none leaves
	more        = 2           // nodes beyond those of the start
)

// Plan makes the schedule of a seed: the same one each time. It ends with a mark
// to settle.
func Plan(cfg PlanConfig) []Step {
	p := &planner{PlanConfig: cfg, rng: rand.New(rand.NewPCG(cfg.Seed, 0)), state: map[int]string{}}
	for i := range cfg.Nodes {
		p.add(i + 1)
	}
	p.now = 2 * time.Second
	for p.now < cfg.For {
		p.fault()
		p.now += time.Second + time.Duration(p.rng.Int64N(int64(5*time.Second)))
		p.flush(p.now)
		if p.now-p.settled > settleEvery {
			p.settle()
		}
	}
	p.settle()
	return p.steps
}

// planner plays the schedule through, so that no step contradicts another.
type planner struct {
	PlanConfig
	rng     *rand.Rand
	now     time.Duration
	settled time.Duration  // when it last was to
	nodes   []int          // that there are
	next    int            // index of the next node to join
	state   map[int]string // what is wrong with a node, by index; "" is nothing
	net     bool           // a fault of the network is in force
	lost    bool           // a disk was lost since all settled
	saved   int            // the node whose disk was copied, 0 when none was
	later   []Step         // ends of faults, to come
	steps   []Step
}

func (p *planner) add(index int) {
	p.nodes = append(p.nodes, index)
	p.next = index + 1
}

func (p *planner) emit(do string, nodes []int, links map[[2]int]lab.Link) {
	p.steps = append(p.steps, Step{At: p.now, Do: do, Nodes: nodes, Links: links})
}

// end has a fault end after between least and most.
func (p *planner) end(do string, nodes []int, least, most time.Duration) {
	at := p.now + least + time.Duration(p.rng.Int64N(int64(most-least)))
	p.later = append(p.later, Step{At: at, Do: do, Nodes: nodes})
}

// flush lets the faults end whose time has come.
func (p *planner) flush(until time.Duration) {
	slices.SortStableFunc(p.later, func(a, b Step) int { return int(a.At - b.At) })
	for len(p.later) > 0 && p.later[0].At <= until {
		s := p.later[0]
		p.later = p.later[1:]
		if s.Do == heal {
			p.net = false
		}
		for _, n := range s.Nodes {
			p.state[n] = ""
		}
		p.steps = append(p.steps, s)
	}
}

// settle ends all faults at once.
func (p *planner) settle() {
	p.emit(settle, nil, nil)
	p.later, p.net, p.lost, p.settled = nil, false, false, p.now
	p.nodes = slices.DeleteFunc(p.nodes, func(n int) bool { return p.state[n] == Leave })
	clear(p.state)
}

// well gives the nodes with which nothing is wrong.
func (p *planner) well() []int {
	return slices.DeleteFunc(slices.Clone(p.nodes), func(n int) bool { return p.state[n] != "" })
}

// quiet says whether nothing is wrong anywhere: acts of an operator begin then.
func (p *planner) quiet() bool { return !p.net && len(p.well()) == len(p.nodes) }

// spare says whether a node more can fail while about half go on, so that there is
// load to fail under.
func (p *planner) spare() bool { return len(p.well()) > len(p.nodes)/2 }

// rare is the weight up to which a kind waits for a moment when nothing is wrong.
const rare = 2

// weights say how often a kind is drawn when it can be.
var weights = map[string]int{
	Kill: 10, KillAll: 1, Pause: 5, Cut: 6, OneWay: 4, Lossy: 4, FullDisk: 3,
	Rollback: 2, Replace: 2, Forget: 2, Join: 2, Leave: 2,
}

// weight favours, in the rare moments when nothing is wrong, what needs them.
func (p *planner) weight(kind string) int {
	if p.quiet() && weights[kind] <= rare {
		return weights[kind] * len(Kinds)
	}
	return weights[kind]
}

// fault draws one of the faults that can begin now.
func (p *planner) fault() {
	var lots []string
	for _, kind := range Kinds {
		if !slices.Contains(p.Without, kind) && p.can(kind) {
			for range p.weight(kind) {
				lots = append(lots, kind)
			}
		}
	}
	if len(lots) > 0 {
		p.begin(lots[p.rng.IntN(len(lots))])
	}
}

// can says whether a kind of fault can begin. A second disk is not lost before
// what stood on the first stands on others; only then is every acknowledged loss a
// broken promise.
func (p *planner) can(kind string) bool {
	if slices.Contains(labOnly, kind) && !p.Lab {
		return false
	}
	disks := len(p.nodes) >= fewest && !p.lost && !p.net && p.spare()
	switch kind {
	case Kill:
		return p.spare()
	case Pause:
		return p.spare() && (p.Lab || !p.net)
	case Cut, OneWay, Lossy:
		return !p.net && len(p.nodes) > 1 && (p.Lab || p.quiet())
	case FullDisk:
		return p.spare() && slices.Contains(p.well(), smallDisk)
	case KillAll, Join, Leave:
		return p.operable(kind)
	case Rollback:
		return disks && (!slices.Contains(p.nodes, p.saved) || p.state[p.saved] == "")
	case Replace, Forget:
		return disks
	}
	return false
}

// operable says whether a fault of the whole cluster, or an act that its operator
// would begin only when nothing is wrong, can begin.
func (p *planner) operable(kind string) bool {
	switch kind {
	case Join:
		return p.quiet() && len(p.nodes) < p.Nodes+more
	case Leave:
		return p.quiet() && len(p.nodes) > fewest
	}
	return p.quiet()
}
