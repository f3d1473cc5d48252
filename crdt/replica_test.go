package crdt_test

import (
	"bytes"
	"fmt"
	"slices"

	"pgregory.net/rapid"

	"grapevine/crdt"
	"grapevine/crdt/causal"
	"grapevine/crdt/hlc"
)

// keys are the rows of the world; most writes go to the first, that they meet.
var keys = []string{"a", "b"}

// change is a write as it travels.
type change struct {
	op
	row crdt.Row
}

// replica applies changes and other replicas' states as the replicated store does.
type replica struct {
	id   causal.Replica
	seq  uint64
	ctx  *causal.Vector
	rows map[string]crdt.Row
	seen history               // the model's account of ctx
	log  map[causal.Dot]change // what each dot did, but for the values
}

// page is a piece of catch-up on its way: some dots that another replica had, the
// rows they touched as they were when it was made, and what the dots had ended.
type page struct {
	to      *replica
	ctx     *causal.Vector // of the source, when the catch-up began
	rows    map[string]crdt.Row
	changes []change
}

// world is some replicas, and all changes that ever travelled: any may arrive at
// any time, repeatedly or never.
type world struct {
	replicas []*replica
	changes  []change
}

func newWorld(n int) *world {
	w := &world{}
	for i := range n {
		w.replicas = append(w.replicas, &replica{
			id: causal.Replica(i + 1), ctx: causal.NewVector(), rows: map[string]crdt.Row{},
			seen: history{}, log: map[causal.Dot]change{},
		})
	}
	return w
}

func (w *world) some(t *rapid.T) *replica { return rapid.SampledFrom(w.replicas).Draw(t, "replica") }

// write makes a put, update, increment or remove on some replica. Timestamps
// contradict causality at will: merging must not rely on them.
func (w *world) write(t *rapid.T) {
	r := w.some(t)
	key := rapid.SampledFrom([]string{"a", "a", "a", "b"}).Draw(t, "key")
	row := r.rows[key]
	c := change{op: op{
		dot:  causal.Dot{Replica: r.id, Seq: r.seq + 1},
		key:  key,
		time: hlc.Timestamp(rapid.IntRange(1, 4).Draw(t, "time")),
	}}
	c.value = []byte(c.dot.String())
	switch what := rapid.SampledFrom([]string{"put", "update", "add", "remove"}).Draw(t, "what"); {
	case what == "put":
		c.put, c.saw = true, shown(row)
		c.row = row.Put(c.dot, c.time, c.value)
	case !row.Exists():
		return
	case what == "update":
		c.update(t, row)
	case what == "add":
		w.add(t, &c, row)
	case what == "remove":
		c.saw = shown(row)
		c.row = row.Remove()
	}
	r.seq++
	w.changes = append(w.changes, c)
	r.apply(c)
}

func (c *change) update(t *rapid.T, row crdt.Row) {
	last, _ := row.Last()
	c.field, c.birth = uint8(rapid.IntRange(1, 2).Draw(t, "field")), last.Dot
	c.row = row.Update(c.dot, c.time, c.field, c.value)
	for _, f := range row.Fields { // an update is later than what its writer sees
		if f.ID == c.field && f.Birth == c.birth {
			c.time = max(c.time, f.Time+1)
		}
	}
}

// add draws an increment. A writer's share is what it has added so far, by the
// account of all that was ever written.
func (w *world) add(t *rapid.T, c *change, row crdt.Row) {
	last, _ := row.Last()
	c.count, c.birth = uint8(rapid.IntRange(1, 2).Draw(t, "counter")), last.Dot
	c.n = rapid.Int64Range(1, 5).Draw(t, "n") * rapid.SampledFrom([]int64{1, -1}).Draw(t, "sign")
	c.row = row.Add(c.dot, c.count, c.n)
	c.share = c.n
	for _, past := range w.changes {
		if past.count == c.count && past.birth == c.birth && past.dot.Replica == c.dot.Replica {
			c.share += past.n
		}
	}
}

func shown(r crdt.Row) []causal.Dot {
	var dots []causal.Dot
	for _, b := range r.Births {
		dots = append(dots, b.Dot)
	}
	return dots
}

// deliver brings some change, old or new, to some replica.
func (w *world) deliver(t *rapid.T) {
	if len(w.changes) > 0 {
		w.some(t).apply(rapid.SampledFrom(w.changes).Draw(t, "change"))
	}
}

// apply merges a change.
func (r *replica) apply(c change) {
	if r.ctx.Contains(c.dot) {
		return
	}
	row := crdt.Merge(r.rows[c.key], r.ctx, c.row, causal.Nothing{})
	r.ctx.Add(c.dot)
	r.rows[c.key] = row.Settle(r.ctx)
	r.note(c)
}

func (r *replica) note(c change) {
	r.seen[c.dot], r.log[c.dot] = c.op, change{c.op, crdt.Row{Removed: c.row.Removed}}
}

// page gathers those of some dots that r has, given a context that r once had.
func (r *replica) page(to *replica, ctx *causal.Vector, dots []causal.Dot) page {
	p := page{to: to, ctx: ctx, rows: map[string]crdt.Row{}}
	for _, dot := range dots {
		if c, ok := r.log[dot]; ok && ctx.Contains(dot) {
			p.rows[c.key] = r.rows[c.key]
			p.changes = append(p.changes, c)
		}
	}
	return p
}

// take merges a page: first what its dots ended, which the rows need not show any
// longer, then the rows.
func (p page) take() {
	r := p.to
	for _, c := range p.changes {
		r.rows[c.key] = crdt.Merge(r.rows[c.key], r.ctx, c.row, causal.Nothing{})
	}
	for key, row := range p.rows {
		r.rows[key] = crdt.Merge(r.rows[key], r.ctx, row, p.ctx)
	}
	for _, c := range p.changes {
		r.ctx.Add(c.dot)
		r.note(c)
	}
	for key := range p.rows {
		r.rows[key] = r.rows[key].Settle(r.ctx)
	}
}

// missing gives the dots that from has and r lacks, ascending.
func (r *replica) missing(from *replica) []causal.Dot {
	var dots []causal.Dot
	for dot := range from.seen {
		if !r.ctx.Contains(dot) {
			dots = append(dots, dot)
		}
	}
	slices.SortFunc(dots, causal.Dot.Compare)
	return dots
}

// catchUp fetches all that is missing in one page.
func (r *replica) catchUp(from *replica) {
	from.page(r, from.ctx.Clone(), r.missing(from)).take()
}

// check compares a replica's rows with the model's of a history, byte by byte.
func (r *replica) check(t *rapid.T, h history) {
	for _, key := range keys {
		got, want := r.rows[key], h.row(key)
		if !bytes.Equal(got.Append(nil), want.Append(nil)) {
			t.Fatalf("replica %d, row %s:\ngot  %s\nwant %s", r.id, key, show(got), show(want))
		}
	}
}

// checkSums compares what a replica's counters read with the sums of increments.
func (r *replica) checkSums(t *rapid.T, h history) {
	for _, key := range keys {
		for id := range uint8(3) {
			if got, want := r.rows[key].Counter(id), h.sum(key, id); got != want {
				t.Fatalf("replica %d, row %s: counter %d reads %d, want %d", r.id, key, id, got, want)
			}
		}
	}
}

func show(r crdt.Row) string {
	s := "births"
	for _, b := range r.Births {
		s += fmt.Sprintf(" %d:%d", b.Dot.Replica, b.Dot.Seq)
	}
	s += ", fields"
	for _, f := range r.Fields {
		s += fmt.Sprintf(" %d@%d:%d=%d:%d", f.ID, f.Birth.Replica, f.Birth.Seq, f.Dot.Replica, f.Dot.Seq)
	}
	s += ", cells"
	for _, c := range r.Cells {
		s += fmt.Sprintf(" %d@%d:%d=%d:%d(%+d)", c.ID, c.Birth.Replica, c.Birth.Seq, c.Replica, c.Seq, c.Value)
	}
	s += ", removed"
	for _, d := range r.Removed {
		s += fmt.Sprintf(" %d:%d", d.Replica, d.Seq)
	}
	return s
}
