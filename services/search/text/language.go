package text

import (
	"slices"
	"strings"
	"unicode"

	"github.com/blevesearch/snowballstem"
	"github.com/blevesearch/snowballstem/dutch"
	"github.com/blevesearch/snowballstem/english"
	"github.com/blevesearch/snowballstem/french"
	"github.com/blevesearch/snowballstem/german"
	"github.com/blevesearch/snowballstem/italian"
	"github.com/blevesearch/snowballstem/portuguese"
	"github.com/blevesearch/snowballstem/russian"
	"github.com/blevesearch/snowballstem/spanish"
	"github.com/blevesearch/snowballstem/swedish"
)

// language is one whose words are stemmed.
type language struct {
	code   string
	stem   func(*snowballstem.Env) bool
	common map[string]bool // words that tell it from others in its script
}

func set(words string) map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(words) {
		m[w] = true
	}
	return m
}

// latin are the languages in Latin script that are told apart, by the words that
// make up most of any text.
var latin = []language{
	{"en", english.Stem, set("the and of to is in it that you for on with this was are be have not at but what do from they we i my your can will just so an if there when who how all would about")},
	{"de", german.Stem, set("der die das und ist nicht ich ein eine zu den mit es im von auf für sich dem auch wir wie hat sind bei aus oder wenn nur noch werden war sie als mir dass kann über")},
	{"fr", french.Stem, set("le les et est des une du en que qui dans pour pas sur je il elle nous vous au avec ce ne sont mais plus ou par tout être cette aux leur c'est j'ai très comme")},
	{"es", spanish.Stem, set("el los las y es que una por con para se del lo no más pero su al como está muy yo todo esta mi cuando hay sin sobre también porque son fue ser este")},
	{"it", italian.Stem, set("il gli e è che di per non una sono con mi ma lo ho più come della del nel ci anche questo al alla dei delle ha se cosa perché molto")},
	{"pt", portuguese.Stem, set("o os as e é que não uma um do da em para com por mais dos das no na se como mas foi ao ele ela são você muito já também isso está eu")},
	{"nl", dutch.Stem, set("de het een en van is dat niet ik te op voor met zijn er maar om aan ook naar dan wat nog wel deze bij uit kan geen je hij werd heeft door")},
	{"sv", swedish.Stem, set("och att det är en som på för med av inte den jag till har ett om vi så var men de kan man när från ska eller hur nu mycket också mig")},
}

var russianLanguage = language{code: "ru", stem: russian.Stem}

// scripts that only one of the languages is written in that most texts are in.
var scripts = []struct {
	table *unicode.RangeTable
	code  string
}{
	{unicode.Hiragana, "ja"}, {unicode.Katakana, "ja"}, {unicode.Hangul, "ko"}, {unicode.Han, "zh"},
	{unicode.Cyrillic, "ru"}, {unicode.Greek, "el"}, {unicode.Arabic, "ar"}, {unicode.Hebrew, "he"},
	{unicode.Thai, "th"}, {unicode.Devanagari, "hi"},
}

// Unknown is the code of a language that cannot be told, after ISO 639-2.
const Unknown = "und"

// Language tells a text's language, as an ISO 639-1 code, or Unknown where the
// text is too short or too mixed to be sure.
func Language(s string) string { return languageOf(s, words(s)) }

func languageOf(s string, ws []word) string {
	if code := scriptOf(s); code != "" {
		return code
	}
	var votes [len16]int
	total := 0
	for _, w := range ws {
		if w.run {
			continue
		}
		total++
		for i, l := range latin {
			if l.common[w.lower] {
				votes[i]++
			}
		}
	}
	best, second := 0, -1
	for i := 1; i < len(latin); i++ {
		if votes[i] > votes[best] {
			best, second = i, best
		} else if second < 0 || votes[i] > votes[second] {
			second = i
		}
	}
	// One common word decides a short text; a long one has many.
	if n := votes[best]; n == 0 || n == votes[second] || n*12 < total {
		return Unknown
	}
	return latin[best].code
}

// len16 bounds the languages in Latin script.
const len16 = 16

// scriptOf gives the language of the script that most letters are of, "" for
// Latin and scripts of many languages. Japanese is told by any kana.
func scriptOf(s string) string {
	if ascii(s) {
		return ""
	}
	counts := map[string]int{}
	letters, ukrainian := 0, false
	for _, r := range s {
		if !unicode.IsLetter(r) {
			continue
		}
		letters++
		for _, sc := range scripts {
			if unicode.Is(sc.table, r) {
				counts[sc.code]++
				break
			}
		}
		ukrainian = ukrainian || strings.ContainsRune("іїєґІЇЄҐ", r)
	}
	if counts["ja"] > 0 {
		counts["ja"] += counts["zh"]
	}
	for _, sc := range scripts {
		if counts[sc.code]*2 > letters {
			if sc.code == "ru" && ukrainian {
				return "uk"
			}
			return sc.code
		}
	}
	return ""
}

// stem gives the form under which a word is found in texts of a language. A text
// that could be of any language is stemmed like English where it is all ASCII.
func (w word) stem(code string) string {
	if code == Unknown && ascii(w.lower) {
		code = "en"
	}
	l := lookUp(code)
	if l == nil {
		return w.folded
	}
	env := snowballstem.NewEnv(w.lower)
	l.stem(env)
	return unaccented(env.Current())
}

func lookUp(code string) *language {
	if code == russianLanguage.code {
		return &russianLanguage
	}
	for i := range latin {
		if latin[i].code == code {
			return &latin[i]
		}
	}
	return nil
}

// stems gives the forms under which a word of a query may be found in texts of any
// language, or of one where code is not empty, each once.
func (w word) stems(code string) []string {
	if code != "" {
		return []string{w.stem(code)}
	}
	out := []string{w.folded}
	add := func(stem string) {
		if !slices.Contains(out, stem) {
			out = append(out, stem)
		}
	}
	if scriptOf(w.lower) == russianLanguage.code {
		add(w.stem(russianLanguage.code))
		return out
	}
	for _, l := range latin {
		add(w.stem(l.code))
	}
	return out
}
