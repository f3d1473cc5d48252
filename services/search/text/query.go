package text

import (
	"math"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"grapevine/services/social"
)

// Query is what posts or users are looked for. It is safe for concurrent use.
type Query struct {
	root    *node
	leafs   []*leaf
	filters []filter
	users   [][]word
	whole   []string // what was typed of each name
}

// filter is a term that a document must have.
type filter struct{ field, term string }

// Filter narrows a search for posts; its zero value does not.
type Filter struct {
	Author   string // a user's id
	Tag      string
	Language string
}

// ParsePosts reads a query for posts. It must have a word, a tag or a filter by
// author or tag. Its errors are Invalid and name the parameter.
func ParsePosts(q string, f Filter) (*Query, error) {
	root, leafs, err := parse(q)
	if err != nil {
		return nil, err
	}
	out := &Query{root: root, leafs: leafs}
	if f.Author != "" {
		out.filters = append(out.filters, filter{fieldAuthor, f.Author})
	}
	if f.Tag != "" {
		tag := social.FoldTag(f.Tag)
		if tag == "" {
			return nil, social.InvalidField("tag", "must be letters, digits and underscores, at most %d, not digits alone", social.MaxTag)
		}
		out.filters = append(out.filters, filter{fieldTag, tag})
	}
	for _, l := range leafs {
		if l.kind == wordLeaf {
			l.stems = l.words[0].stems(f.Language)
		}
	}
	if root == nil && len(out.filters) == 0 {
		return nil, malformed("has no word to look for; name one, or an author or a tag")
	}
	if f.Language != "" {
		out.filters = append(out.filters, filter{fieldLanguage, strings.ToLower(f.Language)})
	}
	return out, nil
}

// ParseUsers reads the beginnings of words of users' names, as they are typed. All
// must be found.
func ParseUsers(q string) (*Query, error) {
	if _, _, err := parse(strings.Map(plain, q)); err != nil {
		return nil, err
	}
	out := &Query{}
	for _, chunk := range strings.FieldsFunc(q, unicode.IsSpace) {
		name := Fold(strings.TrimPrefix(chunk, "@"))
		ws := words(chunk)
		if len(ws) == 0 {
			continue
		}
		out.whole, out.users = append(out.whole, name), append(out.users, ws)
	}
	switch {
	case len(out.users) == 0:
		return nil, malformed("has no beginning of a name")
	case len(out.users) > maxLeafs:
		return nil, malformed("has more than %d words", maxLeafs)
	}
	return out, nil
}

// plain takes away what has a meaning in a query for posts.
func plain(r rune) rune {
	if strings.ContainsRune(`()"“”„+-*~#`, r) {
		return ' '
	}
	return unicode.ToLower(r)
}

// ParseTag reads the beginning of a hashtag.
func ParseTag(q string) (string, error) {
	if _, _, err := parse(strings.Map(plain, q)); err != nil {
		return "", err
	}
	trimmed := strings.TrimPrefix(strings.TrimSpace(q), "#")
	// What is typed of a tag may be digits so far.
	if tag := social.FoldTag(trimmed + "a"); tag != "" && trimmed != "" {
		return social.FoldTag(trimmed + "a")[:len(tag)-1], nil
	}
	return "", malformed("must be the beginning of a hashtag: letters, digits and underscores, at most %d", social.MaxTag-1)
}

// Statistics is what a ranking depends on beside the documents it ranks. With the
// same statistics every node gives a document the same score.
type Statistics struct {
	Documents uint64   `cbor:"1,keyasint"` // posts
	Words     uint64   `cbor:"2,keyasint"` // of all of them, about
	Found     []uint64 `cbor:"3,keyasint"` // posts that have each leaf of the query, about
}

// Add adds up the statistics of one query on two nodes.
func (s *Statistics) Add(other Statistics) {
	s.Documents += other.Documents
	s.Words += other.Words
	if s.Found == nil {
		s.Found = make([]uint64, len(other.Found))
	}
	for i, n := range other.Found[:min(len(other.Found), len(s.Found))] {
		s.Found[i] += n
	}
}

// Leafs is how many parts of the query Statistics has numbers of.
func (q *Query) Leafs() int { return len(q.leafs) }

// Statistics counts what the query's ranking depends on.
func (q *Query) Statistics(snap Snapshot) (Statistics, error) {
	var s Statistics
	err := snap.Terms(fieldLength, "", func(term string, n uint64) bool {
		length := uint64(0)
		for _, c := range term {
			length = length*10 + uint64(c-'0')
		}
		s.Documents += n
		s.Words += n * length
		return true
	})
	if err != nil {
		return s, err
	}
	for _, l := range q.leafs {
		src, err := q.sources(snap, l)
		if err != nil {
			return s, err
		}
		s.Found = append(s.Found, src.documents)
		if err := src.close(); err != nil {
			return s, err
		}
	}
	return s, nil
}

// Bounds of what one prefix or fuzzy word may stand for: of so many terms that
// fit, so many in most documents are taken.
const (
	maxConsidered = 10_000
	maxExpansion  = 64
)

// sources is the postings of the terms of a leaf.
type sources struct {
	postings  []Postings
	weights   []float64 // of an occurrence of each
	documents uint64    // about how many have the leaf
}

func (s *sources) close() error {
	var first error
	for _, p := range s.postings {
		if err := p.Close(); err != nil && first == nil {
			first = err
		}
	}
	return first
}

// asWritten is what an occurrence of a word counts more when it is in the form that
// was asked for.
const asWritten = 0.25

func (q *Query) sources(snap Snapshot, l *leaf) (*sources, error) {
	s := &sources{}
	var err error
	switch l.kind {
	case wordLeaf:
		err = s.addWord(snap, l)
	case phraseLeaf:
		err = s.addPhrase(snap, l.words)
	case tagLeaf:
		err = s.add(snap, fieldTag, l.tag, 1)
	case prefixLeaf, fuzzyLeaf:
		err = s.expand(snap, l)
	}
	return s, err
}

func (s *sources) add(snap Snapshot, field, term string, weight float64) error {
	p, err := snap.Postings(field, term)
	if err != nil {
		return err
	}
	n := p.Count()
	if n == 0 {
		return p.Close()
	}
	s.postings, s.weights = append(s.postings, p), append(s.weights, weight)
	if weight >= 1 {
		s.documents += n
	}
	return nil
}

func (s *sources) addWord(snap Snapshot, l *leaf) error {
	for _, stem := range l.stems {
		if err := s.add(snap, fieldStem, stem, 1); err != nil {
			return err
		}
	}
	return s.add(snap, fieldWord, l.words[0].folded, asWritten)
}

// addPhrase adds the postings of each word; one that is nowhere ends the phrase.
func (s *sources) addPhrase(snap Snapshot, ws []word) error {
	fewest := ^uint64(0)
	for _, w := range ws {
		p, err := snap.Postings(fieldWord, w.folded)
		if err != nil {
			return err
		}
		s.postings, s.weights = append(s.postings, p), append(s.weights, 1)
		fewest = min(fewest, p.Count())
	}
	s.documents = fewest
	return nil
}

// expand adds the words that a prefix or a fuzzy word stands for, those that are
// used most.
func (s *sources) expand(snap Snapshot, l *leaf) error {
	type candidate struct {
		term string
		n    uint64
		off  int
	}
	asked := l.words[0].folded
	prefix := asked
	if l.kind == fuzzyLeaf {
		prefix = asked[:len(asked)-len(strings.TrimLeftFunc(asked, first()))] // typing errors are rarely in the first letter
	}
	var fit []candidate
	considered, spell := 0, newSpeller(asked, l.edits)
	err := snap.Terms(fieldWord, prefix, func(term string, n uint64) bool {
		considered++
		off := 0
		if l.kind == fuzzyLeaf {
			off = spell.distance(term)
		}
		if off <= l.edits {
			fit = append(fit, candidate{term, n, off})
		}
		return considered < maxConsidered || l.kind == fuzzyLeaf && considered < 10*maxConsidered
	})
	if err != nil {
		return err
	}
	slices.SortFunc(fit, func(a, b candidate) int {
		if a.off != b.off {
			return a.off - b.off
		}
		if a.n != b.n {
			return int(b.n>>1) - int(a.n>>1)
		}
		return strings.Compare(a.term, b.term)
	})
	for _, c := range fit[:min(len(fit), maxExpansion)] {
		// Powers of two, whose sums are the same in any order.
		weight := math.Ldexp(1, -c.off)
		if err := s.add(snap, fieldWord, c.term, weight); err != nil {
			return err
		}
		if weight < 1 {
			s.documents += c.n
		}
	}
	return nil
}

// first is true of the first character only.
func first() func(rune) bool {
	n := 0
	return func(rune) bool { n++; return n == 1 }
}

// speller compares words with one. It keeps its memory, since there are many.
type speller struct {
	word               []rune
	most               int
	other              []rune
	before, last, next []int
}

func newSpeller(word string, most int) *speller { return &speller{word: []rune(word), most: most} }

// distance gives how many edits (an insertion, a removal, a replacement, or an
// exchange of neighbours) make b of the word, or any number beyond most (Damerau
// and Levenshtein, restricted).
func (s *speller) distance(b string) int {
	if d := len(s.word) - utf8.RuneCountInString(b); d > s.most || -d > s.most {
		return s.most + 1
	}
	s.other = append(s.other[:0], []rune(b)...)
	x, y := s.word, s.other
	s.before, s.last, s.next = room(s.before, len(y)), room(s.last, len(y)), room(s.next, len(y))
	before, last, next := s.before, s.last, s.next
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(x); i++ {
		next[0] = i
		least := i
		for j := 1; j <= len(y); j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			next[j] = min(last[j]+1, next[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				next[j] = min(next[j], before[j-2]+1)
			}
			least = min(least, next[j])
		}
		if least > s.most {
			return s.most + 1
		}
		before, last, next = last, next, before
	}
	return last[len(y)]
}

// room gives a row for n characters.
func room(row []int, n int) []int {
	if cap(row) <= n {
		return make([]int, n+1)
	}
	return row[:n+1]
}
