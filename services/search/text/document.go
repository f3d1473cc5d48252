package text

import (
	"encoding/binary"
	"strconv"
	"strings"
	"unicode/utf8"
)

// The fields of documents.
const (
	fieldWord      = "w"  // of posts: words as written, with positions
	fieldStem      = "s"  // of posts: stems
	fieldTag       = "h"  // of posts: hashtags
	fieldAuthor    = "a"  // of posts: the author's id
	fieldLanguage  = "l"  // of posts
	fieldLength    = "n"  // of posts: about how long, for the average
	fieldListed    = "g"  // of public posts: hashtags, each with the partition
	fieldPartition = "p"  // of all
	fieldName      = "ux" // of users: the name
	fieldNameBegin = "ub" // of users: beginnings of the name and of its parts
	fieldShown     = "ud" // of users: beginnings of words of the display name
)

// HasPositions says whether the terms of a field have positions.
func HasPositions(field string) bool { return field == fieldWord }

// Post is what is indexed of a post.
type Post struct {
	ID, Author, Text string
	Tags             []string // folded
	Public           bool
	Partition        uint16
}

// User is what is indexed of a user.
type User struct {
	ID, Name, DisplayName string
	Partition             uint16
}

// terms gathers the terms of a field.
type terms struct {
	index map[string]int
	list  []Term
}

func (t *terms) add(text string, at uint32) {
	if t.index == nil {
		t.index = map[string]int{}
	}
	i, ok := t.index[text]
	if !ok {
		i = len(t.list)
		t.index[text] = i
		t.list = append(t.list, Term{Text: text})
	}
	t.list[i].At = append(t.list[i].At, at)
}

func (t *terms) once(texts ...string) []Term {
	for _, s := range texts {
		if _, ok := t.index[s]; !ok {
			t.add(s, 0)
		}
	}
	return t.list
}

func once(texts ...string) []Term { return new(terms).once(texts...) }

// Document makes the document of a post.
func (p Post) Document() Document {
	ws := words(p.Text)
	language := languageOf(p.Text, ws)
	var written, stems terms
	for _, w := range ws {
		written.add(w.folded, w.at)
		if !w.run {
			stems.add(w.stem(language), w.at)
		}
	}
	d := Document{ID: p.ID, Length: len(ws), Fields: []Field{
		{Name: fieldWord, Positions: true, Terms: written.list},
		{Name: fieldStem, Terms: stems.list},
		{Name: fieldTag, Terms: once(p.Tags...)},
		{Name: fieldAuthor, Terms: once(p.Author)},
		{Name: fieldLanguage, Terms: once(language)},
		{Name: fieldLength, Terms: once(strconv.Itoa(roughly(len(ws))))},
		{Name: fieldPartition, Terms: once(partitionTerm(p.Partition))},
	}}
	if p.Public {
		var listed terms
		for _, tag := range p.Tags {
			listed.once(listedTerm(tag, p.Partition))
		}
		d.Fields = append(d.Fields, Field{Name: fieldListed, Terms: listed.list})
	}
	return d
}

// maxBegin bounds the beginnings that are indexed of a name, in characters.
const maxBegin = 20

// Document makes the document of a user.
func (u User) Document() Document {
	name := Fold(u.Name)
	var begins, shown terms
	for _, part := range append(strings.FieldsFunc(name, func(r rune) bool { return strings.ContainsRune("_.-", r) }), name) {
		begins.once(beginnings(part)...)
	}
	for _, w := range words(u.DisplayName) {
		shown.once(beginnings(w.folded)...)
	}
	return Document{ID: u.ID, Length: 1, Fields: []Field{
		{Name: fieldName, Terms: once(name)},
		{Name: fieldNameBegin, Terms: begins.list},
		{Name: fieldShown, Terms: shown.list},
		{Name: fieldPartition, Terms: once(partitionTerm(u.Partition))},
	}}
}

func beginnings(s string) []string {
	var out []string
	for i := range s {
		if i > 0 {
			out = append(out, s[:i])
		}
		if len(out) == maxBegin {
			return out
		}
	}
	if s != "" {
		out = append(out, s)
	}
	return out
}

// beginning cuts what was typed to what is indexed.
func beginning(s string) string {
	if utf8.RuneCountInString(s) <= maxBegin {
		return s
	}
	return string([]rune(s)[:maxBegin])
}

// roughly rounds a length to one of few, within a tenth.
func roughly(n int) int {
	if n < 16 {
		return n
	}
	step := 1
	for n/step >= 16 {
		step *= 2
	}
	return n / step * step
}

func partitionTerm(p uint16) string { return strconv.Itoa(int(p)) }

// listedTerm is a tag with the partition of a post that has it; no tag has a zero
// byte.
func listedTerm(tag string, p uint16) string {
	return string(binary.BigEndian.AppendUint16(append([]byte(tag), 0), p))
}

func parseListed(term string) (tag string, p uint16, ok bool) {
	n := len(term) - 3
	if n < 1 || term[n] != 0 {
		return "", 0, false
	}
	return term[:n], uint16(term[n+1])<<8 | uint16(term[n+2]), true
}
