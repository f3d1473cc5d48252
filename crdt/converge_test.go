package crdt_test

import (
	"testing"

	"pgregory.net/rapid"

	"grapevine/crdt"
	"grapevine/crdt/causal"
)

// Whatever the order, loss and duplication of changes, and whoever catches up from
// whom, a replica's state is a function of the set of writes it has seen. All
// else follows: convergence, and that nothing ended comes back.
func TestStateIsAFunctionOfTheWritesSeen(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(3)
		t.Repeat(map[string]func(*rapid.T){
			"write":    w.write,
			"deliver":  w.deliver,
			"deliver2": w.deliver,
			"catch up": func(t *rapid.T) { w.some(t).catchUp(w.some(t)) },
			"": func(t *rapid.T) {
				for _, r := range w.replicas {
					r.check(t, r.seen)
				}
			},
		})
	})
}

// pulls are catch-ups under way. A source's context is taken when a pull begins;
// its pages are made later, in any order, and arrive later still, or never.
type pulls struct {
	*world
	begun []page // without dots
	from  []*replica
	pages []page
}

func (p *pulls) begin(t *rapid.T) {
	from := p.some(t)
	p.from = append(p.from, from)
	p.begun = append(p.begun, page{to: p.some(t), ctx: from.ctx.Clone()})
}

func (p *pulls) fetch(t *rapid.T) {
	if len(p.begun) == 0 {
		return
	}
	i := rapid.IntRange(0, len(p.begun)-1).Draw(t, "pull")
	missing := p.begun[i].to.missing(p.from[i])
	if len(missing) > 0 {
		dots := rapid.SliceOfN(rapid.SampledFrom(missing), 1, len(missing)).Draw(t, "dots")
		p.pages = append(p.pages, p.from[i].page(p.begun[i].to, p.begun[i].ctx, dots))
	}
}

func (p *pulls) arrive(t *rapid.T) {
	if len(p.pages) > 0 {
		rapid.SampledFrom(p.pages).Draw(t, "page").take()
	}
}

// A catch-up takes time: its pages come one by one and late, while changes arrive,
// others are served from what is there so far, and it may end half-way.
func TestReplicasConvergeWhenCatchUpsInterleave(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := &pulls{world: newWorld(3)}
		t.Repeat(map[string]func(*rapid.T){
			"write":         p.write,
			"deliver":       p.deliver,
			"catch up part": p.part,
			"begin":         p.begin,
			"fetch":         p.fetch,
			"arrive":        p.arrive,
		})
		p.exchangeAll()
		for _, r := range p.replicas {
			r.check(t, p.history())
		}
	})
}

// Each increment counts once, in whatever order, how often and by what way it came,
// until the birth it was made under ends.
func TestACounterReadsTheSumOfItsIncrements(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := &pulls{world: newWorld(3)}
		t.Repeat(map[string]func(*rapid.T){
			"write":         p.write,
			"write more":    p.write,
			"deliver":       p.deliver,
			"catch up part": p.part,
			"begin":         p.begin,
			"fetch":         p.fetch,
			"arrive":        p.arrive,
		})
		p.exchangeAll()
		for _, r := range p.replicas {
			r.checkSums(t, p.history())
		}
	})
}

// exchangeAll brings all writes to all replicas.
func (w *world) exchangeAll() {
	for range w.replicas {
		for _, r := range w.replicas {
			for _, from := range w.replicas {
				r.catchUp(from)
			}
		}
	}
}

// history gives all writes that were ever made.
func (w *world) history() history {
	all := history{}
	for _, c := range w.changes {
		all[c.dot] = c.op
	}
	return all
}

// Two ways in which a removal reaches a replica by catch-up without the birth that
// it ended, which the replica has, or gets, by another way.
func TestACatchUpEndsWhatItsDotsEnded(t *testing.T) {
	t.Parallel()
	put := change{op: op{dot: dot(1, 1), key: "a", put: true}, row: crdt.Row{}.Put(dot(1, 1), early, nil)}
	ended := []causal.Dot{put.dot}
	remove := change{op: op{dot: dot(2, 1), key: "a", saw: ended}, row: crdt.Row{Removed: ended}}
	t.Run("the birth comes after the page", func(t *testing.T) {
		w := newWorld(2)
		source, reader := w.replicas[0], w.replicas[1]
		source.apply(put)
		source.apply(remove)
		source.page(reader, source.ctx.Clone(), []causal.Dot{remove.dot}).take()
		reader.apply(put)
		if reader.rows["a"].Exists() {
			t.Error("the removed row came back")
		}
	})
	t.Run("the birth reaches the source after its context was taken", func(t *testing.T) {
		w := newWorld(2)
		source, reader := w.replicas[0], w.replicas[1]
		reader.apply(put)
		source.apply(remove)
		ctx := source.ctx.Clone()
		source.apply(put)
		source.page(reader, ctx, []causal.Dot{remove.dot}).take()
		if reader.rows["a"].Exists() {
			t.Error("the removed row stayed")
		}
	})
}
