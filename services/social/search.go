package social

import (
	"encoding/json"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// SearchType is what a search looks for.
type SearchType string

// The things that can be searched for.
const (
	SearchPosts SearchType = "posts"
	SearchUsers SearchType = "users"
	SearchTags  SearchType = "tags"
)

// SearchOrder is the order of what a search finds.
type SearchOrder string

// The orders of hits.
const (
	ByRelevance SearchOrder = "relevance"
	NewestFirst SearchOrder = "newest"
)

// Search is what a search asks for. The filters are of posts; the zero value of
// each asks for nothing.
type Search struct {
	Query    string
	Type     SearchType  // SearchPosts when empty
	Order    SearchOrder // ByRelevance when empty
	Author   string      // a user id or @name
	Tag      string
	Language string    // an ISO 639-1 code, or und
	Since    time.Time // made at this time or later
	Until    time.Time // made before this time
}

// Finding is a post that was found. Post is the JSON of a Post. Highlight is a
// part of its text as HTML: what matched is in <mark> and all else is escaped.
type Finding struct {
	Post      json.RawMessage `json:"post"`
	Highlight string          `json:"highlight"`
}

// TagFinding is a hashtag that was found.
type TagFinding struct {
	Tag   string `json:"tag" doc:"Without the #, in the form in which tags are compared."`
	Posts int    `json:"posts" doc:"Public posts that have it."`
}

// MaxTag bounds a hashtag, in characters, and MaxTags those of a post that count.
const (
	MaxTag  = 64
	MaxTags = 32
)

// FoldTag gives the form in which hashtags are compared, without the #, or "" for
// what is none: letters, digits and underscores of any script, not digits alone.
func FoldTag(tag string) string {
	folded := strings.ToLower(norm.NFKC.String(strings.TrimPrefix(tag, "#")))
	lettered := false
	for _, r := range folded {
		if !tagRune(r) {
			return ""
		}
		lettered = lettered || unicode.IsLetter(r)
	}
	if !lettered || utf8.RuneCountInString(folded) > MaxTag {
		return ""
	}
	return folded
}

// Tags gives the hashtags of a text, folded, each once, in their order. A # within
// a word begins none.
func Tags(text string) []string {
	var tags []string
	seen := map[string]bool{}
	before := ' '
	for i, r := range text {
		begins := (r == '#' || r == '＃') && !tagRune(before) && before != '&' && before != '/'
		before = r
		if !begins || len(tags) == MaxTags {
			continue
		}
		rest := text[i+utf8.RuneLen(r):]
		end := strings.IndexFunc(rest, func(r rune) bool { return !tagRune(r) })
		if end < 0 {
			end = len(rest)
		}
		if tag := FoldTag(rest[:end]); tag != "" && !seen[tag] {
			seen[tag] = true
			tags = append(tags, tag)
		}
	}
	return tags
}

func tagRune(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.Is(unicode.M, r) || r == '_'
}
