// Package search finds posts, users and hashtags. Each node indexes the partitions
// that it serves, from its change log (Indexer); a query asks one node for each
// partition and merges what they find (Service). DESIGN.md, beside this file, says
// what that guarantees.
package search

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"

	"github.com/fxamacker/cbor/v2"
	"github.com/oklog/ulid/v2"

	"grapevine/services/search/text"
	"grapevine/services/social"
)

// what is a search as it travels to the nodes that answer it. An author is an id
// here, and the words were read once already without fault.
type what struct {
	Query    string            `cbor:"1,keyasint"`
	Type     social.SearchType `cbor:"2,keyasint"`
	Newest   bool              `cbor:"3,keyasint,omitempty"`
	Author   string            `cbor:"4,keyasint,omitempty"`
	Tag      string            `cbor:"5,keyasint,omitempty"`
	Language string            `cbor:"6,keyasint,omitempty"`
	Since    int64             `cbor:"7,keyasint,omitempty"` // Unix milliseconds, 0 for any
	Until    int64             `cbor:"8,keyasint,omitempty"`
}

// parse reads the words of a search for posts or users.
func (w what) parse() (*text.Query, error) {
	if w.Type == social.SearchUsers {
		return text.ParseUsers(w.Query)
	}
	return text.ParsePosts(w.Query, text.Filter{Author: w.Author, Tag: w.Tag, Language: w.Language})
}

// made says whether an id is of the time that is searched.
func (w what) made(id string) bool {
	if w.Since == 0 && w.Until == 0 {
		return true
	}
	u, err := ulid.ParseStrict(id)
	if err != nil {
		return false
	}
	at := int64(u.Time())
	return (w.Since == 0 || at >= w.Since) && (w.Until == 0 || at < w.Until)
}

// read checks what a client asks for and gives it as it travels, but for the author.
func read(in social.Search) (what, error) {
	w := what{Query: in.Query, Type: in.Type, Newest: in.Order == social.NewestFirst, Tag: in.Tag}
	switch in.Type {
	case social.SearchPosts, social.SearchUsers, social.SearchTags:
	case "":
		w.Type = social.SearchPosts
	default:
		return w, social.InvalidField("type", "must be posts, users or tags")
	}
	switch in.Order {
	case "", social.ByRelevance, social.NewestFirst:
	default:
		return w, social.InvalidField("sort", "must be relevance or newest")
	}
	w.Language = strings.ToLower(in.Language)
	if n := len(w.Language); n != 0 && n != 2 && n != 3 || strings.ContainsFunc(w.Language, notLower) {
		return w, social.InvalidField("lang", "must be the two letters of a language, as in en, or und")
	}
	if !in.Since.IsZero() {
		w.Since = max(1, in.Since.UnixMilli())
	}
	if !in.Until.IsZero() {
		w.Until = max(1, in.Until.UnixMilli())
	}
	if w.Since != 0 && w.Until != 0 && w.Since >= w.Until {
		return w, social.InvalidField("until", "must be later than since")
	}
	return w, w.plainFilters(in)
}

// plainFilters refuses filters of posts in a search for something else.
func (w what) plainFilters(in social.Search) error {
	if w.Type == social.SearchPosts {
		return nil
	}
	for _, f := range []struct {
		field string
		set   bool
	}{
		{"author", in.Author != ""}, {"tag", in.Tag != ""}, {"lang", in.Language != ""},
		{"since", !in.Since.IsZero()}, {"until", !in.Until.IsZero()},
	} {
		if f.set {
			return social.InvalidField(f.field, "narrows a search for posts only")
		}
	}
	if w.Type == social.SearchTags && w.Newest {
		return social.InvalidField("sort", "must be relevance when tags are searched")
	}
	return nil
}

func notLower(r rune) bool { return r < 'a' || r > 'z' }

// place is where a page ended: the last hit that was looked at, and what the
// ranking depends on, so that all pages of a search rank alike whichever nodes
// answer and whatever is written in between.
type place struct {
	_     struct{} `cbor:",toarray"`
	Score float64
	ID    string // of a hit, or the tag
	Stats text.Statistics
}

func (p place) String() string {
	b, err := cbor.Marshal(p)
	if err != nil {
		panic(err) // a struct of numbers and strings
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// maxCursor bounds a cursor, in characters.
const maxCursor = 1024

// parsePlace reads a cursor of a search of so many leafs; nil is none.
func parsePlace(cursor string, kind social.SearchType, leafs int) (*place, error) {
	if cursor == "" {
		return nil, nil
	}
	bad := social.InvalidField("cursor", "is not one that a page of this search gave as next")
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || len(cursor) > maxCursor {
		return nil, bad
	}
	p := new(place)
	if err := bounded.NewDecoder(bytes.NewReader(b)).Decode(p); err != nil {
		return nil, bad
	}
	_, isID := social.SlotOf(p.ID)
	isTag := p.ID != "" && utf8.ValidString(p.ID)
	if math.IsNaN(p.Score) || math.IsInf(p.Score, 0) || len(p.Stats.Found) != leafs || kind == social.SearchTags && !isTag || kind != social.SearchTags && !isID {
		return nil, bad
	}
	return p, nil
}

// bounded decodes what others sent.
var bounded = func() cbor.DecMode {
	mode, err := cbor.DecOptions{MaxArrayElements: 1 << 16, MaxMapPairs: 32, MaxNestedLevels: 6}.DecMode()
	if err != nil {
		panic(fmt.Sprint("search: ", err)) // the options are constants
	}
	return mode
}()
