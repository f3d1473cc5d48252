package text

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// maxWord bounds a word, in characters; what follows is not looked at.
const maxWord = 64

// word is a word of a text, or a character of a script that is written without
// spaces and, except at the end of a run of them, the next.
type word struct {
	folded     string // in which words are compared
	lower      string // composed and in lower case, for stemming; empty of a pair
	start, end int    // bytes of the text
	at         uint32 // position
	run        bool   // part of a run of a script without spaces
	last       bool   // the last character of a run, alone
}

// words cuts a text into words, in their order. Any text will do.
func words(s string) []word {
	var out []word
	at := uint32(0)
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case unspaced(r):
			end := i + span(s[i:], func(r rune) bool { return unspaced(r) || unicode.Is(unicode.M, r) })
			out, at = appendRun(out, s, i, end, at)
			i = end
		case letter(r):
			end := wordEnd(s, i)
			out, at = append(out, spaced(s, i, end, at)), at+1
			i = end
		default:
			i += size
		}
	}
	return out
}

// span gives the bytes at the start of s whose characters are in a set.
func span(s string, in func(rune) bool) int {
	for i, r := range s {
		if !in(r) {
			return i
		}
	}
	return len(s)
}

// wordEnd gives where a word that begins at i ends. An apostrophe between letters
// belongs to it.
func wordEnd(s string, i int) int {
	within := func(r rune) bool { return (letter(r) || unicode.Is(unicode.M, r)) && !unspaced(r) }
	for {
		i += span(s[i:], within)
		r, size := utf8.DecodeRuneInString(s[i:])
		if r != '\'' && r != '’' {
			return i
		}
		if next, _ := utf8.DecodeRuneInString(s[i+size:]); !unicode.IsLetter(next) || unspaced(next) {
			return i
		}
		i += size
	}
}

func letter(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) || r == '_' }

// scripts that are written without spaces, and Hangul, whose words are made of
// parts without spaces.
var withoutSpaces = []*unicode.RangeTable{
	unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul, unicode.Bopomofo,
	unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar, unicode.Tibetan,
}

func unspaced(r rune) bool {
	if r < 0x0E00 { // the first of Thai
		return false
	}
	return r == 'ー' || unicode.IsLetter(r) && unicode.In(r, withoutSpaces...)
}

func spaced(s string, start, end int, at uint32) word {
	lower := strings.ToLower(norm.NFKC.String(cut(s[start:end])))
	lower = strings.ReplaceAll(lower, "’", "'")
	return word{folded: unaccented(lower), lower: lower, start: start, end: end, at: at}
}

// cut bounds a word.
func cut(s string) string {
	n := 0
	for i := range s {
		if n++; n > maxWord {
			return s[:i]
		}
	}
	return s
}

// appendRun cuts a run of a script without spaces into overlapping pairs of
// characters, each at the position of its first, and the last character alone:
// every text of two characters or more is then a phrase of pairs, and every single
// character the beginning of a pair or the last.
func appendRun(out []word, s string, start, end int, at uint32) ([]word, uint32) {
	var bounds []int // of characters with the marks on them
	for i, r := range s[start:end] {
		if i == 0 || !unicode.Is(unicode.M, r) {
			bounds = append(bounds, start+i)
		}
	}
	bounds = append(bounds, end)
	for i := range len(bounds) - 1 {
		to, last := end, i == len(bounds)-2
		if !last {
			to = bounds[i+2]
		}
		out = append(out, word{
			folded: strings.ToLower(norm.NFKC.String(s[bounds[i]:to])),
			start:  bounds[i], end: to, at: at, run: true, last: last,
		})
		at++
	}
	return out, at
}

// special letters have no accent that could be taken off, but are often written
// otherwise.
var special = strings.NewReplacer("ß", "ss", "ς", "σ", "æ", "ae", "œ", "oe", "ø", "o", "đ", "d", "ł", "l", "ı", "i", "'", "")

// unaccented takes the accents off a text in lower case.
func unaccented(s string) string {
	if ascii(s) {
		return strings.ReplaceAll(s, "'", "")
	}
	var b strings.Builder
	for _, r := range norm.NFD.String(special.Replace(s)) {
		if !unicode.Is(unicode.Mn, r) {
			b.WriteRune(r)
		}
	}
	return norm.NFC.String(b.String())
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// Fold gives the form in which words, tags and names are compared: without
// differences of case, width and accents.
func Fold(s string) string { return unaccented(strings.ToLower(norm.NFKC.String(s))) }
