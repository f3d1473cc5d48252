package crdt_test

import (
	"cmp"
	"slices"

	"grapevine/crdt"
	"grapevine/crdt/causal"
	"grapevine/crdt/hlc"
)

// op is one write in the naive model: the whole of what happened, kept for ever.
type op struct {
	dot   causal.Dot
	key   string
	time  hlc.Timestamp
	put   bool
	field uint8        // an update of it when not 0
	count uint8        // an increment of it when not 0
	n     int64        // of an increment
	share int64        // its writer's part of the counter, this increment included
	birth causal.Dot   // what an update or increment writes under
	saw   []causal.Dot // the births that a put or remove ends
	value []byte
}

// history is a set of writes. It is the specification of a row: a birth is visible
// when its put is in the set and no write of the set had seen it.
type history map[causal.Dot]op

// ended says whether a write of the history had seen the birth and ended it.
func (h history) ended(birth causal.Dot) bool {
	for _, o := range h {
		if slices.Contains(o.saw, birth) {
			return true
		}
	}
	return false
}

// births gives what a reader of the history sees of a key.
func (h history) births(key string) []causal.Dot {
	var dots []causal.Dot
	for _, o := range h {
		if o.key == key && o.put && !h.ended(o.dot) {
			dots = append(dots, o.dot)
		}
	}
	slices.SortFunc(dots, causal.Dot.Compare)
	return dots
}

// row gives the state that a replica must hold of a key when it has seen exactly
// the writes of h.
func (h history) row(key string) crdt.Row {
	var r crdt.Row
	for _, dot := range h.births(key) {
		r.Births = append(r.Births, crdt.Birth{Dot: dot, Time: h[dot].time, Value: h[dot].value})
	}
	for _, o := range h {
		if o.key == key && o.field != 0 && !h.ended(o.birth) && h.latest(o) {
			r.Fields = append(r.Fields, crdt.Field{ID: o.field, Birth: o.birth, Dot: o.dot, Time: o.time, Value: o.value})
		}
		if o.key == key && o.count != 0 && !h.ended(o.birth) && h.newest(o) {
			r.Cells = append(r.Cells, crdt.Cell{ID: o.count, Birth: o.birth, Replica: o.dot.Replica, Seq: o.dot.Seq, Value: o.share})
		}
		for _, d := range o.saw {
			if _, arrived := h[d]; o.key == key && !arrived && !slices.Contains(r.Removed, d) {
				r.Removed = append(r.Removed, d)
			}
		}
	}
	slices.SortFunc(r.Fields, func(a, b crdt.Field) int {
		if a.ID != b.ID {
			return int(a.ID) - int(b.ID)
		}
		return a.Birth.Compare(b.Birth)
	})
	slices.SortFunc(r.Cells, func(a, b crdt.Cell) int {
		if a.ID != b.ID {
			return int(a.ID) - int(b.ID)
		}
		if a.Birth != b.Birth {
			return a.Birth.Compare(b.Birth)
		}
		return cmp.Compare(a.Replica, b.Replica)
	})
	slices.SortFunc(r.Removed, causal.Dot.Compare)
	return r
}

// sum gives what a counter of a key must read once all of h has arrived: each
// increment counts once, unless the birth it was made under has ended.
func (h history) sum(key string, id uint8) int64 {
	var sum int64
	for _, o := range h {
		if o.key == key && o.count == id && !h.ended(o.birth) {
			sum += o.n
		}
	}
	return sum
}

// latest says whether no write of the history to o's register is later than o.
func (h history) latest(o op) bool {
	for _, p := range h {
		if p.field == o.field && p.birth == o.birth &&
			(p.time > o.time || p.time == o.time && p.dot.Compare(o.dot) > 0) {
			return false
		}
	}
	return true
}

// newest says whether the history has no later increment of o's writer to o's
// counter: what a writer says of its share, it says of all of it.
func (h history) newest(o op) bool {
	for _, p := range h {
		if p.count == o.count && p.birth == o.birth && p.dot.Replica == o.dot.Replica && p.dot.Seq > o.dot.Seq {
			return false
		}
	}
	return true
}
