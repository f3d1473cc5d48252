package text

import (
	"cmp"
	"container/heap"
	"context"
	"slices"
)

// Hit is a document that was found. Of two, the better comes first, and of equals
// the younger.
type Hit struct {
	Score float64 `cbor:"1,keyasint"`
	ID    string  `cbor:"2,keyasint"`
}

// Compare orders hits as they are shown.
func Compare(a, b Hit) int {
	if c := cmp.Compare(b.Score, a.Score); c != 0 {
		return c
	}
	return cmp.Compare(b.ID, a.ID)
}

// Cut is what part of the hits is wanted.
type Cut struct {
	Limit  int
	After  *Hit // beyond this one, nil for the first
	Newest bool // by age alone: all scores are 0
	// Wanted says whether a document's id may be among the hits.
	Wanted func(id string) bool
}

// Search gives the best hits, in order.
func (q *Query) Search(ctx context.Context, snap Snapshot, stats Statistics, cut Cut) ([]Hit, error) {
	c, err := q.cursor(ctx, snap, stats)
	if err != nil {
		return nil, err
	}
	best := &worstFirst{}
	for number := uint64(0); ; {
		at, ok, err := c.seek(number)
		if err != nil {
			c.close() //nolint:errcheck // the first error tells more
			return nil, err
		}
		if !ok {
			break
		}
		number = at + 1
		if err := best.offer(snap, c, at, cut); err != nil {
			c.close() //nolint:errcheck // the first error tells more
			return nil, err
		}
	}
	slices.SortFunc(*best, Compare)
	return *best, c.close()
}

// worstFirst is a heap of the best hits so far.
type worstFirst []Hit

func (h worstFirst) Len() int           { return len(h) }
func (h worstFirst) Less(i, j int) bool { return Compare(h[i], h[j]) > 0 }
func (h worstFirst) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *worstFirst) Push(x any)        { *h = append(*h, x.(Hit)) }
func (h *worstFirst) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}

func (h *worstFirst) offer(snap Snapshot, c cursor, number uint64, cut Cut) error {
	hit := Hit{}
	if !cut.Newest {
		hit.Score = c.score()
	}
	full := len(*h) == cut.Limit
	if full && hit.Score < (*h)[0].Score || cut.After != nil && hit.Score > cut.After.Score {
		return nil // without a look at its id, which costs most
	}
	var err error
	if hit.ID, err = snap.ID(number); err != nil {
		return err
	}
	if cut.After != nil && Compare(hit, *cut.After) <= 0 || full && Compare(hit, (*h)[0]) >= 0 || !cut.Wanted(hit.ID) {
		return nil
	}
	if full {
		(*h)[0] = hit
		heap.Fix(h, 0)
		return nil
	}
	heap.Push(h, hit)
	return nil
}

// cursor makes the cursor of a query.
func (q *Query) cursor(ctx context.Context, snap Snapshot, stats Statistics) (cursor, error) {
	b := &builder{q: q, snap: snap, stats: stats, number: map[*leaf]int{}, watch: &watch{ctx: ctx}}
	for i, l := range q.leafs {
		b.number[l] = i
	}
	c, err := b.query()
	if err != nil {
		closeAll(b.made)
		return nil, err
	}
	return c, nil
}

// builder makes cursors. Leaf cursors are in made, for the case of an error.
type builder struct {
	q      *Query
	snap   Snapshot
	stats  Statistics
	number map[*leaf]int
	watch  *watch
	made   []cursor
}

func (b *builder) query() (cursor, error) {
	var all []cursor
	for i := range b.q.users {
		c, err := b.user(b.q.whole[i], b.q.users[i])
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	for _, f := range b.q.filters {
		s := &sources{}
		if err := s.add(b.snap, f.field, f.term, 1); err != nil {
			return nil, err
		}
		all = append(all, unrated{b.keep(&anyOf{parts: partsOf(s, b.watch)})})
	}
	if b.q.root != nil {
		c, err := b.node(b.q.root)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return newSomeOf(len(all), all), nil
}

func (b *builder) keep(c cursor) cursor {
	b.made = append(b.made, c)
	return c
}

func (b *builder) node(n *node) (cursor, error) {
	if n.leaf != nil {
		return b.leaf(n.leaf)
	}
	kids, err := b.nodes(n.kids)
	if err != nil {
		return nil, err
	}
	c := cursor(newSomeOf(n.min, kids))
	if len(n.not) == 0 {
		return c, nil
	}
	not, err := b.nodes(n.not)
	return &without{cursor: c, not: newSomeOf(1, not), live: true}, err
}

func (b *builder) nodes(ns []*node) ([]cursor, error) {
	out := make([]cursor, len(ns))
	for i, n := range ns {
		var err error
		if out[i], err = b.node(n); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (b *builder) leaf(l *leaf) (cursor, error) {
	s, err := b.q.sources(b.snap, l)
	ps, r := partsOf(s, b.watch), newRating(b.stats, b.number[l])
	if err != nil {
		ps.close() //nolint:errcheck // the first error tells more
		return nil, err
	}
	if l.kind != phraseLeaf {
		return b.keep(&anyOf{parts: ps, rating: r}), nil
	}
	c := &inOrder{parts: ps, rating: r}
	for _, w := range l.words {
		c.offsets = append(c.offsets, w.at-l.words[0].at)
	}
	return b.keep(c), nil
}

// What a user's name that begins as was typed counts: the whole name, its
// beginning, and the beginning of a part of it or of a word of the display name.
const (
	wholeName = 4
	nameBegin = 2
	partBegin = 1
)

func (b *builder) user(whole string, ws []word) (cursor, error) {
	named := &sources{}
	err := named.add(b.snap, fieldName, whole, wholeName)
	if err == nil {
		err = named.add(b.snap, fieldNameBegin, beginning(whole), nameBegin)
	}
	if err != nil {
		return nil, err
	}
	either := []cursor{b.keep(&rated{anyOf{parts: partsOf(named, b.watch)}})}
	var shown []cursor
	for _, w := range ws {
		s := &sources{}
		if err := s.add(b.snap, fieldShown, beginning(w.folded), partBegin); err != nil {
			return nil, err
		}
		shown = append(shown, b.keep(&rated{anyOf{parts: partsOf(s, b.watch)}}))
	}
	return newSomeOf(1, append(either, newSomeOf(len(shown), shown))), nil
}

// Tag is a hashtag, and how many public posts have it.
type Tag struct {
	Name  string `cbor:"1,keyasint"`
	Posts int    `cbor:"2,keyasint"`
}

// maxListed bounds the pairs of a tag and a partition that one look-up reads.
const maxListed = 50_000

// Tags counts the public posts of partitions by their hashtags that begin with
// prefix, in the order of the tags.
func Tags(snap Snapshot, prefix string, wanted func(partition uint16) bool) ([]Tag, error) {
	var out []Tag
	var failed error
	looked := 0
	err := snap.Terms(fieldListed, prefix, func(term string, _ uint64) bool {
		name, p, ok := parseListed(term)
		if !ok || !wanted(p) {
			return true
		}
		var list Postings
		if list, failed = snap.Postings(fieldListed, term); failed != nil {
			return false
		}
		n := int(list.Count())
		if failed = list.Close(); failed != nil {
			return false
		}
		if len(out) == 0 || out[len(out)-1].Name != name {
			out = append(out, Tag{Name: name})
		}
		out[len(out)-1].Posts += n
		looked++
		return looked < maxListed
	})
	if failed != nil {
		err = failed
	}
	return slices.DeleteFunc(out, func(t Tag) bool { return t.Posts == 0 }), err
}

// Of gives up to limit ids of documents of a partition.
func Of(snap Snapshot, partition uint16, limit int) ([]string, error) {
	list, err := snap.Postings(fieldPartition, partitionTerm(partition))
	if err != nil {
		return nil, err
	}
	defer list.Close()
	var ids []string
	for next := uint64(0); len(ids) < limit; {
		p, ok, err := list.Seek(next)
		if err != nil || !ok {
			return ids, err
		}
		id, err := snap.ID(p.Document)
		if err != nil {
			return nil, err
		}
		ids, next = append(ids, id), p.Document+1
	}
	return ids, nil
}
