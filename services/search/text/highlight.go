package text

import (
	"html"
	"slices"
	"strings"
	"unicode/utf8"
)

// snippet bounds the characters of a text that a highlight shows.
const snippet = 240

// Highlight gives the part of a text around the first thing that matched, as HTML:
// what matched is in <mark>, and everything else is escaped, so that no text can
// pass for markup.
func (q *Query) Highlight(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	spans := q.spans(s)
	from, to := window(s, spans)
	var b strings.Builder
	if from > 0 {
		b.WriteString("…")
	}
	at := from
	for _, sp := range spans {
		if sp.start < at || sp.end > to {
			continue
		}
		b.WriteString(html.EscapeString(s[at:sp.start]))
		b.WriteString("<mark>" + html.EscapeString(s[sp.start:sp.end]) + "</mark>")
		at = sp.end
	}
	b.WriteString(html.EscapeString(s[at:to]))
	if to < len(s) {
		b.WriteString("…")
	}
	return b.String()
}

type interval struct{ start, end int }

// spans gives what of a text the query looks for, in order, without overlaps.
func (q *Query) spans(s string) []interval {
	ws := words(s)
	language := languageOf(s, ws)
	stems := make([]string, len(ws))
	for i, w := range ws {
		if !w.run {
			stems[i] = w.stem(language)
		}
	}
	var found []interval
	for _, l := range q.sought() {
		spell := newSpeller(l.first(), l.edits)
		for i := range ws {
			if n := l.matches(ws[i:], stems[i], spell, s); n > 0 {
				start := ws[i].start
				if l.kind == tagLeaf {
					start -= precedingHash(s, start)
				}
				found = append(found, interval{start, ws[i+n-1].end})
			}
		}
	}
	slices.SortFunc(found, func(a, b interval) int { return a.start - b.start })
	var out []interval
	for _, f := range found {
		if last := len(out) - 1; last >= 0 && f.start < out[last].end {
			out[last].end = max(out[last].end, f.end)
		} else {
			out = append(out, f)
		}
	}
	return out
}

func precedingHash(s string, start int) int {
	r, size := utf8.DecodeLastRuneInString(s[:start])
	if r == '#' || r == '＃' {
		return size
	}
	return 0
}

// sought is the leafs that a document is found by, not those that it must not have.
func (q *Query) sought() []*leaf {
	var out []*leaf
	var walk func(n *node)
	walk = func(n *node) {
		if n.leaf != nil {
			out = append(out, n.leaf)
		}
		for _, kid := range n.kids {
			walk(kid)
		}
	}
	if q.root != nil {
		walk(q.root)
	}
	for _, f := range q.filters {
		if f.field == fieldTag {
			out = append(out, &leaf{kind: tagLeaf, tag: f.term})
		}
	}
	return out
}

// first is the first word of a leaf.
func (l *leaf) first() string {
	if len(l.words) == 0 {
		return ""
	}
	return l.words[0].folded
}

// matches gives how many of the first words of ws the leaf matches, 0 for none.
func (l *leaf) matches(ws []word, stem string, spell *speller, s string) int {
	w := ws[0]
	switch l.kind {
	case wordLeaf:
		if l.words[0].folded == w.folded || !w.run && slices.Contains(l.stems, stem) {
			return 1
		}
	case prefixLeaf:
		if strings.HasPrefix(w.folded, l.words[0].folded) {
			return 1
		}
	case fuzzyLeaf:
		if spell.distance(w.folded) <= l.edits {
			return 1
		}
	case tagLeaf:
		return l.matchesTag(ws, s)
	case phraseLeaf:
		return l.matchesPhrase(ws)
	}
	return 0
}

func (l *leaf) matchesTag(ws []word, s string) int {
	if precedingHash(s, ws[0].start) == 0 {
		return 0
	}
	for n := range ws {
		if Fold(s[ws[0].start:ws[n].end]) == Fold(l.tag) {
			return n + 1
		}
		if ws[n].end-ws[0].start > 4*maxWord {
			break
		}
	}
	return 0
}

// matchesPhrase compares words by their positions from the first: the characters of
// a run that ends may lie between.
func (l *leaf) matchesPhrase(ws []word) int {
	n := 0
	for _, asked := range l.words {
		at := asked.at - l.words[0].at + ws[0].at
		for n < len(ws) && ws[n].at < at {
			n++
		}
		if n == len(ws) || ws[n].at != at || ws[n].folded != asked.folded {
			return 0
		}
		n++
	}
	return n
}

// window gives the part of a text that is shown: whole words around the first
// match.
func window(s string, spans []interval) (from, to int) {
	if utf8.RuneCountInString(s) <= snippet {
		return 0, len(s)
	}
	if len(spans) > 0 {
		from = back(s, spans[0].start, snippet/4)
	}
	to = from
	for n := 0; to < len(s) && n < snippet; n++ {
		_, size := utf8.DecodeRuneInString(s[to:])
		to += size
	}
	if from > 0 {
		if space := strings.IndexByte(s[from:spans[0].start], ' '); space >= 0 {
			from += space + 1
		}
	}
	if len(spans) > 0 {
		to = max(to, min(len(s), spans[0].end))
	}
	if to < len(s) {
		if space := strings.LastIndexByte(s[from:to], ' '); space > 0 && (len(spans) == 0 || from+space >= spans[0].end) {
			to = from + space
		}
	}
	return from, to
}

// back gives where the n-th character before at begins.
func back(s string, at, n int) int {
	for ; n > 0 && at > 0; n-- {
		_, size := utf8.DecodeLastRuneInString(s[:at])
		at -= size
	}
	return at
}
