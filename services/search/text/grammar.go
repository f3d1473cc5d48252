package text

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"grapevine/services/social"
)

// Bounds of a query.
const (
	MaxQuery = 500 // characters
	maxLeafs = 64  // words, phrases and the like,
	maxWide  = 8   // of which so many may stand for many words
	maxDepth = 8   // of parentheses
	allOf    = 4   // up to so many words side by side must all be found
)

type kind uint8

const (
	wordLeaf   kind = iota // a word, in any of its forms
	phraseLeaf             // words one after another, as written
	prefixLeaf             // any word that begins so
	fuzzyLeaf              // any word that is spelled nearly so
	tagLeaf                // a hashtag
)

// leaf is a part of a query that documents are looked up by.
type leaf struct {
	kind  kind
	words []word   // one, but of a phrase
	stems []string // of a word, in the languages that count
	tag   string
	edits int // of a fuzzy word
}

// node is a query, or part of one: a leaf, or at least min of kids, and none of
// not.
type node struct {
	leaf *leaf
	min  int
	kids []*node
	not  []*node
}

func malformed(format string, args ...any) error {
	return social.InvalidField("q", format, args...)
}

// parser reads
//
//	query  = all { "OR" all }
//	all    = { [ "AND" | "+" | "NOT" | "-" ] clause }
//	clause = "(" query ")" | '"' words '"' | word [ "*" | "~" [ "1" | "2" ] ] | "#" tag
type parser struct {
	rest  string
	leafs []*leaf // in the order of the query
	wide  int
	depth int
}

// parse reads a query; nil is one without a word. Its errors are Invalid and name
// q.
func parse(q string) (*node, []*leaf, error) {
	if !utf8.ValidString(q) {
		return nil, nil, malformed("is not valid UTF-8")
	}
	if n := utf8.RuneCountInString(q); n > MaxQuery {
		return nil, nil, malformed("has %d characters, more than %d", n, MaxQuery)
	}
	p := &parser{rest: q}
	n, err := p.query()
	if err != nil {
		return nil, nil, err
	}
	if p.peek() == ')' {
		return nil, nil, malformed("closes a parenthesis that was not opened; put what is meant as such in double quotes")
	}
	return n, p.leafs, nil
}

// peek gives the next character that is not a space, 0 at the end.
func (p *parser) peek() rune {
	p.rest = strings.TrimLeftFunc(p.rest, unicode.IsSpace)
	if p.rest == "" {
		return 0
	}
	r, _ := utf8.DecodeRuneInString(p.rest)
	return r
}

// keyword takes an operator that stands as a word of its own.
func (p *parser) keyword(word string) bool {
	p.peek()
	after, ok := strings.CutPrefix(p.rest, word)
	if r, _ := utf8.DecodeRuneInString(after); !ok || after != "" && !unicode.IsSpace(r) && r != '(' && r != ')' && r != '"' {
		return false
	}
	p.rest = after
	return true
}

func (p *parser) sign(c byte) bool {
	p.peek()
	if len(p.rest) < 2 || p.rest[0] != c || unicode.IsSpace(rune(p.rest[1])) {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

func (p *parser) query() (*node, error) {
	var kids []*node
	for {
		n, empty, err := p.all()
		if err != nil {
			return nil, err
		}
		if n != nil {
			kids = append(kids, n)
		}
		if !p.keyword("OR") {
			break
		}
		if r := p.peek(); empty || r == 0 || r == ')' || strings.HasPrefix(p.rest, "OR ") {
			return nil, malformed("has an OR without something on both sides")
		}
	}
	switch len(kids) {
	case 0:
		return nil, nil
	case 1:
		return kids[0], nil
	}
	return &node{min: 1, kids: kids}, nil
}

// group is the clauses that stand side by side.
type group struct{ must, may, not []*node }

// all reads clauses up to an OR, a closing parenthesis or the end. Empty says that
// there was not even one without words.
func (p *parser) all() (n *node, empty bool, err error) {
	var g group
	empty = true
	joined := false // the clause before and the next are joined by AND
	for {
		if r := p.peek(); r == 0 || r == ')' || p.atOr() {
			if joined {
				return nil, empty, malformed("has an AND without something on both sides")
			}
			n, err := g.node()
			return n, empty, err
		}
		if p.keyword("AND") {
			if joined || empty {
				return nil, empty, malformed("has an AND without something on both sides")
			}
			joined = true
			g.demand()
			continue
		}
		if err := p.clauseInto(&g, joined); err != nil {
			return nil, empty, err
		}
		joined, empty = false, false
	}
}

func (p *parser) atOr() bool {
	saved := p.rest
	found := p.keyword("OR")
	p.rest = saved
	return found
}

// demand makes the last optional clause a necessary one.
func (g *group) demand() {
	if n := len(g.may); n > 0 {
		g.must, g.may = append(g.must, g.may[n-1]), g.may[:n-1]
	}
}

func (p *parser) clauseInto(g *group, joined bool) error {
	negated := p.keyword("NOT") || p.sign('-')
	necessary := !negated && p.sign('+') || joined
	if r := p.peek(); negated && (r == 0 || r == ')') {
		return malformed("has a NOT with nothing after it")
	}
	n, err := p.clause()
	switch {
	case err != nil || n == nil:
		return err
	case negated:
		g.not = append(g.not, n)
	case necessary:
		g.must = append(g.must, n)
	default:
		g.may = append(g.may, n)
	}
	return nil
}

// node joins the clauses: all that must be, and of those that may be all when they
// are few, a third when they are many, as in whole sentences.
func (g *group) node() (*node, error) {
	if len(g.must)+len(g.may) == 0 {
		if len(g.not) > 0 {
			return nil, malformed("says only what is not to be found; add a word that is")
		}
		return nil, nil
	}
	min := len(g.may)
	if min > allOf {
		min = (min + 2) / 3
	}
	may := &node{min: min, kids: g.may}
	switch {
	case len(g.must) == 0 && len(g.not) == 0 && len(g.may) == 1:
		return g.may[0], nil
	case len(g.must) == 0:
		may.not = g.not
		return may, nil
	case len(g.may) > 0:
		g.must = append(g.must, may)
	}
	return &node{min: len(g.must), kids: g.must, not: g.not}, nil
}

func (p *parser) clause() (*node, error) {
	switch p.peek() {
	case '(':
		return p.parenthesis()
	case '"', '“', '”', '„':
		return p.phrase()
	}
	end := strings.IndexFunc(p.rest, func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune(`()"“”„`, r) })
	if end < 0 {
		end = len(p.rest)
	}
	chunk := p.rest[:end]
	p.rest = p.rest[end:]
	return p.chunk(chunk)
}

func (p *parser) parenthesis() (*node, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, malformed("has parentheses within parentheses more than %d deep", maxDepth)
	}
	p.rest = p.rest[1:]
	n, err := p.query()
	if err != nil {
		return nil, err
	}
	if p.peek() != ')' {
		return nil, malformed("opens a parenthesis that is not closed")
	}
	p.rest = p.rest[1:]
	p.depth--
	return n, nil
}

func (p *parser) phrase() (*node, error) {
	_, size := utf8.DecodeRuneInString(p.rest)
	p.rest = p.rest[size:]
	end := strings.IndexAny(p.rest, `"“”`)
	if end < 0 {
		return nil, malformed("opens a phrase with a double quote that is not closed")
	}
	inner := p.rest[:end]
	_, size = utf8.DecodeRuneInString(p.rest[end:])
	p.rest = p.rest[end+size:]
	return p.leaf(asPhrase(words(inner)))
}

// chunk reads what stands between spaces: a word with what follows it, a tag, or
// several words in one, such as well-known, which are a phrase.
func (p *parser) chunk(s string) (*node, error) {
	if tag, ok := strings.CutPrefix(s, "#"); ok {
		if name := social.FoldTag(strings.TrimRight(tag, ".,;:!?")); name != "" {
			return p.leaf(&leaf{kind: tagLeaf, tag: name})
		}
	}
	ws := words(s)
	if len(ws) == 0 {
		return nil, nil
	}
	if base, ok := strings.CutSuffix(s, "*"); ok && len(ws) == 1 && strings.HasSuffix(base, s[ws[0].start:ws[0].end]) {
		return p.leaf(&leaf{kind: prefixLeaf, words: ws})
	}
	base, edits, ok := fuzzySuffix(s)
	if l := words(base); ok && len(l) == 1 && !l[0].run && l[0].end == len(base) {
		return p.leaf(&leaf{kind: fuzzyLeaf, words: l, edits: min(edits, patience(l[0].folded))})
	}
	return p.leaf(asPhrase(ws))
}

// fuzzySuffix parts word~, word~1 or word~2.
func fuzzySuffix(s string) (base string, edits int, ok bool) {
	base, number, ok := strings.Cut(s, "~")
	switch number {
	case "":
		return base, 2, ok
	case "1", "2":
		return base, int(number[0] - '0'), ok
	}
	return s, 0, false
}

// patience is how many edits a word can bear and still be told from others.
func patience(folded string) int {
	switch n := utf8.RuneCountInString(folded); {
	case n < 3:
		return 0
	case n < 6:
		return 1
	}
	return 2
}

// asPhrase gives what stands for words side by side: the word when there is one.
// A single character of a script without spaces is the beginning of any pair.
func asPhrase(ws []word) *leaf {
	if len(ws) == 0 {
		return nil
	}
	if len(ws) == 1 {
		if ws[0].run {
			return &leaf{kind: prefixLeaf, words: ws}
		}
		return &leaf{kind: wordLeaf, words: ws}
	}
	// The last character of a run is in the pair before it, where there is one.
	var out []word
	for i, w := range ws {
		if !w.last || i == 0 || !ws[i-1].run || ws[i-1].end != w.end {
			out = append(out, w)
		}
	}
	return &leaf{kind: phraseLeaf, words: out}
}

func (p *parser) leaf(l *leaf) (*node, error) {
	if l == nil {
		return nil, nil
	}
	p.leafs = append(p.leafs, l)
	if len(p.leafs) > maxLeafs {
		return nil, malformed("has more than %d words and phrases", maxLeafs)
	}
	if l.kind == prefixLeaf || l.kind == fuzzyLeaf {
		if p.wide++; p.wide > maxWide {
			return nil, malformed("has more than %d words with * or ~", maxWide)
		}
	}
	return &node{leaf: l}, nil
}
