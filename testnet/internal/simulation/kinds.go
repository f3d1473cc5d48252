package simulation

import (
	"maps"
	"slices"
)

// kind is what acts of one name do.
type kind struct {
	weight int               // how often it is drawn
	group  string            // of kinds that a schedule has together or not at all; "" for always
	unit   string            // of Act.N
	when   func(*maker) bool // it makes sense; nil for always
	draw   func(*maker, *Act)
	do     func(*world, Act)
}

// kinds are all acts there are.
var kinds = map[string]kind{
	"put":    {20, "", "durability", nil, (*maker).fresh, (*world).put},
	"bulk":   {8, "bulk", "durability", nil, (*maker).durability, (*world).bulk},
	"flash":  {5, "", "", (*maker).several, (*maker).flash, (*world).flash},
	"claim":  {4, "", "durability", nil, (*maker).durability, (*world).claim},
	"edit":   {8, "", "durability", nil, (*maker).durability, (*world).edit},
	"remove": {10, "", "durability", nil, (*maker).again, (*world).remove},
	"add":    {8, "", "durability", nil, (*maker).counter, (*world).count},
	"read":   {14, "", "", nil, (*maker).row, (*world).read},
	"quorum": {4, "", "", nil, (*maker).row, (*world).quorum},

	"sign-up":     {2, "people", "durability", nil, (*maker).person, (*world).signUp},
	"follow":      {4, "people", "durability", nil, (*maker).pair, (*world).follow},
	"unfollow":    {1, "people", "durability", nil, (*maker).pair, (*world).unfollow},
	"post":        {8, "people", "durability", nil, (*maker).person, (*world).post},
	"delete-post": {3, "people", "durability", nil, (*maker).person, (*world).deletePost},
	"home":        {3, "people", "", nil, (*maker).person, (*world).home},

	"crash":      {6, "crashes", "", (*maker).someUp, func(m *maker, a *Act) { a.Node = m.fall() }, (*world).crash},
	"blackout":   {1, "blackouts", "", nil, func(m *maker, _ *Act) { m.down = nil }, (*world).blackout},
	"restart":    {7, "", "", (*maker).someDown, func(m *maker, a *Act) { a.Node = m.rise() }, (*world).restart},
	"lose-disk":  {1, "lost disks", "", (*maker).several, func(m *maker, a *Act) { a.Node = m.fall() }, (*world).loseDisk},
	"roll-back":  {1, "old disks", "commits", (*maker).several, (*maker).rollBack, (*world).rollBack},
	"full-disk":  {2, "full disks", "", nil, (*maker).fillOne, (*world).fill},
	"free-disk":  {8, "full disks", "", (*maker).someFull, (*maker).freeOne, (*world).free},
	"slow-disk":  {3, "slow disks", "milliseconds", nil, (*maker).slowDisk, (*world).slowDisk},
	"skew-clock": {3, "clocks", "seconds", nil, (*maker).skew, (*world).skew},

	"cut":         {4, "cuts", "", (*maker).several, (*maker).two, (*world).cut},
	"cut-one-way": {4, "one-way cuts", "", (*maker).several, (*maker).two, (*world).cutOneWay},
	"partition":   {2, "partitions", "side", (*maker).several, (*maker).side, (*world).partition},
	"heal":        {2, "", "", (*maker).several, func(*maker, *Act) {}, (*world).heal},
	"slow-link":   {3, "slow links", "milliseconds", (*maker).several, (*maker).slowLink, (*world).slowLink},
	"lossy-link":  {3, "lossy links", "percent", (*maker).several, (*maker).lossyLink, (*world).lossyLink},
	"pause":       {2, "pauses", "", (*maker).several, func(m *maker, a *Act) { a.Node = m.running() }, (*world).pause},
	"resume":      {4, "pauses", "", (*maker).several, func(m *maker, a *Act) { a.Node = m.node() }, (*world).resume},
	"suspect":     {2, "wrong suspicions", "", (*maker).several, (*maker).two, (*world).suspect},
	"garbage":     {3, "garbage", "bytes", (*maker).several, (*maker).garbage, (*world).garbage},

	"join":    {4, "joins", "", (*maker).fewNodes, func(m *maker, _ *Act) { m.nodes = min(m.nodes+1, maxNodes) }, (*world).join},
	"leave":   {2, "leaves", "", (*maker).several, func(m *maker, a *Act) { a.Node = m.running() }, (*world).leave},
	"forget":  {2, "forgetting", "", (*maker).someDown, (*maker).forgotten, (*world).forget},
	"reweigh": {2, "weights", "weight", nil, (*maker).reweigh, (*world).reweigh},

	"quiet": {2, "", "seconds", nil, func(m *maker, a *Act) { a.N = 5 + m.rng.IntN(40) }, (*world).quiet},
	"check": {1, "", "", nil, func(m *maker, _ *Act) { m.down = nil }, (*world).check},
}

func (m *maker) several() bool  { return m.nodes > 1 }
func (m *maker) fewNodes() bool { return m.nodes < maxNodes }
func (m *maker) someUp() bool   { return len(m.down) < m.nodes }
func (m *maker) someDown() bool { return len(m.down) > 0 }
func (m *maker) someFull() bool { return len(m.full) > 0 }

// flash draws a client, a row, and a second node.
func (m *maker) flash(a *Act) {
	m.row(a)
	a.Peer = 1 + (a.Node+m.rng.IntN(m.nodes-1))%m.nodes
}

// counter draws a client and a row that counts.
func (m *maker) counter(a *Act) {
	m.client(a)
	a.Row, a.N = rows-m.rng.IntN(counters), m.copies()
}

// person draws one of the people, and the node that they use.
func (m *maker) person(a *Act) {
	a.Node, a.Session, a.N = m.running(), 1+m.rng.IntN(people), m.copies()
}

// pair draws one of the people and, as the row, another.
func (m *maker) pair(a *Act) {
	m.person(a)
	a.Row = 1 + (a.Session+m.rng.IntN(people-1))%people
}

// forgotten draws a node that is down, and one that is not, to forget it.
func (m *maker) forgotten(a *Act) {
	a.Node, a.Peer = m.running(), m.down[m.rng.IntN(len(m.down))]
}

func (m *maker) fillOne(a *Act) {
	a.Node = m.node()
	m.full = append(m.full, a.Node)
}

func (m *maker) freeOne(a *Act) {
	a.Node, m.full = m.full[0], m.full[1:]
}

func (m *maker) rollBack(a *Act) { a.Node, a.N = m.fall(), 1+m.rng.IntN(30) }
func (m *maker) slowDisk(a *Act) { a.Node, a.N = m.node(), m.rng.IntN(3)*m.rng.IntN(200) }
func (m *maker) skew(a *Act)     { a.Node, a.N = m.node(), m.rng.IntN(601)-300 }
func (m *maker) side(a *Act)     { a.N = 1 + m.rng.IntN(1<<maxNodes-2) }
func (m *maker) reweigh(a *Act)  { a.Node, a.N = m.running(), 50*(1+m.rng.IntN(4)) }

func (m *maker) slowLink(a *Act)  { m.two(a); a.N = 50 + m.rng.IntN(2000) }
func (m *maker) lossyLink(a *Act) { m.two(a); a.N = 10 + m.rng.IntN(60) }
func (m *maker) garbage(a *Act)   { m.two(a); a.N = 1 + m.rng.IntN(200) }

// Kinds gives the names of all kinds of acts, ascending.
func Kinds() []string { return slices.Sorted(maps.Keys(kinds)) }
