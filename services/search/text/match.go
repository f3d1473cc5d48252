package text

import (
	"cmp"
	"context"
	"errors"
	"slices"
)

// cursor visits the documents that match, by ascending number.
type cursor interface {
	// seek gives the first match at or beyond number, and false at the end.
	seek(number uint64) (uint64, bool, error)
	// score rates the document that seek gave last.
	score() float64
	// documents is about how many there are to visit.
	documents() uint64
	close() error
}

// part is the postings of one term, and where it is.
type part struct {
	Postings
	weight float64
	now    *Posting
	end    bool
	watch  *watch
}

// watch ends a search whose time is over, however little it finds.
type watch struct {
	ctx   context.Context
	steps int
}

// checkEvery is how many postings are read between looks at the clock.
const checkEvery = 4096

func (w *watch) step() error {
	if w.steps++; w.steps%checkEvery != 0 {
		return nil
	}
	return w.ctx.Err()
}

func (p *part) seek(number uint64) error {
	if p.end || p.now != nil && p.now.Document >= number {
		return nil
	}
	if err := p.watch.step(); err != nil {
		return err
	}
	now, ok, err := p.Seek(number)
	p.now, p.end = now, !ok
	return err
}

type parts []*part

func partsOf(s *sources, w *watch) parts {
	out := make(parts, len(s.postings))
	for i, p := range s.postings {
		out[i] = &part{Postings: p, weight: s.weights[i], watch: w}
	}
	return out
}

func (ps parts) documents() uint64 {
	n := uint64(0)
	for _, p := range ps {
		n += p.Count()
	}
	return n
}

func (ps parts) close() error {
	var first error
	for _, p := range ps {
		if err := p.Close(); err != nil && first == nil {
			first = err
		}
	}
	return first
}

// anyOf matches documents that have any of the terms of a leaf. To the rating they
// are one. Its parts are a heap by the document that each is at: a prefix has many.
type anyOf struct {
	parts
	begun  bool
	rating rating
}

func (c *anyOf) seek(number uint64) (uint64, bool, error) {
	if err := c.begin(number); err != nil {
		return 0, false, err
	}
	for len(c.parts) > 0 && c.parts[0].now.Document < number {
		if err := c.parts[0].seek(number); err != nil {
			return 0, false, err
		}
		if err := c.settle(0); err != nil {
			return 0, false, err
		}
	}
	if len(c.parts) == 0 {
		return 0, false, nil
	}
	return c.parts[0].now.Document, true, nil
}

// begin brings all parts to their first documents and makes them a heap.
func (c *anyOf) begin(number uint64) error {
	if c.begun {
		return nil
	}
	c.begun = true
	for _, p := range c.parts {
		if err := p.seek(number); err != nil {
			return err
		}
	}
	for i := len(c.parts) - 1; i >= 0; i-- {
		if err := c.settle(i); err != nil {
			return err
		}
	}
	return nil
}

// settle sinks the part at i to its place in the heap. One at its end is closed and
// gone.
func (c *anyOf) settle(i int) error {
	var err error
	if c.parts[i].end {
		last := len(c.parts) - 1
		err = c.parts[i].Close()
		c.parts[i] = c.parts[last]
		if c.parts = c.parts[:last]; i == last {
			return err
		}
		if c.parts[i].end { // while the heap is made
			return errors.Join(err, c.settle(i))
		}
	}
	for {
		least := i
		for kid := 2*i + 1; kid <= 2*i+2 && kid < len(c.parts); kid++ {
			if c.parts[kid].now.Document < c.parts[least].now.Document {
				least = kid
			}
		}
		if least == i {
			return err
		}
		c.parts[i], c.parts[least] = c.parts[least], c.parts[i]
		i = least
	}
}

func (c *anyOf) score() float64 {
	occurrences := 0.0
	c.each(0, c.parts[0].now.Document, func(p *part) { occurrences += p.weight * float64(p.now.Count) })
	return c.rating.of(occurrences, c.parts[0].now.Length)
}

// each visits the parts that are at a document: a tree from the root of the heap.
func (c *anyOf) each(i int, document uint64, visit func(*part)) {
	if i >= len(c.parts) || c.parts[i].now.Document != document {
		return
	}
	visit(c.parts[i])
	c.each(2*i+1, document, visit)
	c.each(2*i+2, document, visit)
}

// inOrder matches documents in which the words of a phrase follow one another.
type inOrder struct {
	parts
	offsets []uint32 // of each word from the first
	rating  rating
	count   float64
}

func (c *inOrder) seek(number uint64) (uint64, bool, error) {
	for {
		at, ok, err := c.together(number)
		if !ok || err != nil {
			return 0, false, err
		}
		if c.count = c.occurrences(); c.count > 0 {
			return at, true, nil
		}
		number = at + 1
	}
}

// together finds the next document that has all words.
func (c *inOrder) together(number uint64) (uint64, bool, error) {
	for agreed := 0; agreed < len(c.parts); {
		agreed = 0
		for _, p := range c.parts {
			if err := p.seek(number); err != nil || p.end {
				return 0, false, err
			}
			if p.now.Document == number {
				agreed++
			} else {
				number = p.now.Document
			}
		}
	}
	return number, true, nil
}

func (c *inOrder) occurrences() float64 {
	n := 0.0
	for _, start := range c.parts[0].now.At {
		fits := true
		for i, p := range c.parts[1:] {
			if _, fits = slices.BinarySearch(p.now.At, start+c.offsets[i+1]); !fits {
				break
			}
		}
		if fits {
			n++
		}
	}
	return n
}

func (c *inOrder) score() float64 { return c.rating.of(c.count, c.parts[0].now.Length) }

// unrated matches like another cursor and adds nothing to the score.
type unrated struct{ cursor }

func (unrated) score() float64 { return 0 }

// someOf matches documents that at least min of several cursors match. A document
// that min of n have is had by one of any n-min+1: the rarest of them lead, and the
// others are only asked about what these find.
type someOf struct {
	kids []cursor // whose scores are added in this order, the same on all nodes
	at   []uint64 // of each, if it was asked
	live []bool   // not at its end
	lead []int    // kids that lead
	tail []int    // and the others
	min  int
	now  uint64
}

func newSomeOf(min int, kids []cursor) *someOf {
	c := &someOf{kids: kids, at: make([]uint64, len(kids)), live: make([]bool, len(kids)), min: min}
	order := make([]int, len(kids))
	for i := range kids {
		order[i], c.live[i] = i, true
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(kids[a].documents(), kids[b].documents()) })
	c.lead, c.tail = order[:len(kids)-min+1], order[len(kids)-min+1:]
	return c
}

func (c *someOf) seek(number uint64) (uint64, bool, error) {
	for ; ; number++ {
		found := false
		next := uint64(0)
		for _, i := range c.lead {
			if err := c.advance(i, number); err != nil {
				return 0, false, err
			}
			if c.live[i] && (!found || c.at[i] < next) {
				next, found = c.at[i], true
			}
		}
		if !found {
			return 0, false, nil
		}
		number = next
		if enough, err := c.enough(number); enough || err != nil {
			c.now = number
			return number, enough, err
		}
	}
}

// enough says whether at least min match a document that the leaders are at.
func (c *someOf) enough(number uint64) (bool, error) {
	n := 0
	for _, i := range c.lead {
		if c.live[i] && c.at[i] == number {
			n++
		}
	}
	for _, i := range c.tail {
		if err := c.advance(i, number); err != nil {
			return false, err
		}
		if c.live[i] && c.at[i] == number {
			n++
		}
	}
	return n >= c.min, nil
}

func (c *someOf) advance(i int, number uint64) error {
	if !c.live[i] || c.at[i] >= number && c.at[i] != 0 {
		return nil
	}
	var err error
	c.at[i], c.live[i], err = c.kids[i].seek(number)
	return err
}

func (c *someOf) score() float64 {
	sum := 0.0
	for i, kid := range c.kids {
		if c.live[i] && c.at[i] == c.now {
			sum += kid.score()
		}
	}
	return sum
}

func (c *someOf) documents() uint64 {
	n := uint64(0)
	for _, i := range c.lead {
		n += c.kids[i].documents()
	}
	return n
}

func (c *someOf) close() error { return closeAll(c.kids) }

func closeAll(cs []cursor) error {
	var first error
	for _, c := range cs {
		if err := c.close(); err != nil && first == nil {
			first = err
		}
	}
	return first
}

// without matches what one cursor does and another does not.
type without struct {
	cursor
	not  cursor
	at   uint64
	live bool
}

func (c *without) seek(number uint64) (uint64, bool, error) {
	for {
		at, ok, err := c.cursor.seek(number)
		if !ok || err != nil {
			return 0, false, err
		}
		if c.live && (c.at < at || c.at == 0) {
			if c.at, c.live, err = c.not.seek(at); err != nil {
				return 0, false, err
			}
		}
		if !c.live || c.at != at {
			return at, true, nil
		}
		number = at + 1
	}
}

func (c *without) close() error { return closeAll([]cursor{c.cursor, c.not}) }

// rated is a cursor whose score is the best of fixed scores of its parts.
type rated struct{ anyOf }

func (c *rated) score() float64 {
	best := 0.0
	c.each(0, c.parts[0].now.Document, func(p *part) { best = max(best, p.weight) })
	return best
}
