package text_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"grapevine/services/search/text"
	"grapevine/services/social"
)

// corpus is an index of posts, named by their number.
type corpus struct {
	text.Memory
	ids []string
}

func newCorpus(t testing.TB, texts ...string) *corpus {
	t.Helper()
	c := &corpus{}
	var b text.Batch
	for i, s := range texts {
		id := social.NewID(1, time.UnixMilli(int64(i+1)))
		c.ids = append(c.ids, id)
		b.Put = append(b.Put, text.Post{ID: id, Author: fmt.Sprint("author", i%2), Text: s, Tags: social.Tags(s), Public: true, Partition: uint16(i % 3)}.Document())
	}
	if err := c.Apply(b); err != nil {
		t.Fatal(err)
	}
	return c
}

// find gives the numbers of the posts that a query finds, in their order.
func (c *corpus) find(t testing.TB, query string, f text.Filter, cut text.Cut) []int {
	t.Helper()
	q, err := text.ParsePosts(query, f)
	if err != nil {
		t.Fatalf("%q: %v", query, err)
	}
	if cut.Limit == 0 {
		cut.Limit = 100
	}
	if cut.Wanted == nil {
		cut.Wanted = func(string) bool { return true }
	}
	found := []int{}
	err = c.View(func(s text.Snapshot) error {
		stats, err := q.Statistics(s)
		if err != nil {
			return err
		}
		hits, err := q.Search(t.Context(), s, stats, cut)
		for _, h := range hits {
			found = append(found, slices.Index(c.ids, h.ID))
		}
		return err
	})
	if err != nil {
		t.Fatalf("%q: %v", query, err)
	}
	return found
}

// finds checks what a query finds, in any order.
func (c *corpus) finds(t *testing.T, query string, want ...int) {
	t.Helper()
	got := c.find(t, query, text.Filter{}, text.Cut{})
	slices.Sort(got)
	if !slices.Equal(got, want) && len(got)+len(want) > 0 {
		t.Errorf("%q finds %v, want %v", query, got, want)
	}
}

func TestWordsAreFoundInAnyForm(t *testing.T) {
	t.Parallel()
	c := newCorpus(t,
		"the databases are replicated",   // 0
		"eine Datenbank und ihre Häuser", // 1
		"nous aimons les chevaux",        // 2
		"Базы данных и репликация",       // 3
		"CAFÉ au lait, très bon",         // 4
		"ｆｕｌｌ ｗｉｄｔｈ",                     // 5
		"rock'n'roll isn't dead",         // 6
		"Straße",                         // 7
	)
	c.finds(t, "database", 0)
	c.finds(t, "replicating", 0)
	c.finds(t, "Haus", 1)
	c.finds(t, "HÄUSER", 1)
	c.finds(t, "репликации", 3)
	c.finds(t, "cafe", 4)
	c.finds(t, "Café", 4)
	c.finds(t, "full width", 5)
	c.finds(t, "isnt", 6)
	c.finds(t, "strasse", 7)
	c.finds(t, "nothing")
}

func TestLanguagesWithoutSpacesAreFoundByAnyPartOfTwoCharactersAndByOne(t *testing.T) {
	t.Parallel()
	c := newCorpus(t,
		"東京都に住んでいます", // 0
		"京都は美しい",     // 1
		"我喜欢分布式数据库",  // 2
		"สวัสดีครับ ยินดีต้อนรับ", // 3
		"안녕하세요 세계", // 4
		"one 猫",    // 5
	)
	c.finds(t, "京都", 0, 1)
	c.finds(t, "東京都", 0)
	c.finds(t, "数据库", 2)
	c.finds(t, "库", 2)
	c.finds(t, "猫", 5)
	c.finds(t, "ยินดี", 3)
	c.finds(t, "세계", 4)
	c.finds(t, "据数")
	c.finds(t, `"分布式数据库"`, 2)
}

func TestTheGrammarOfQueries(t *testing.T) {
	t.Parallel()
	c := newCorpus(t,
		"quick brown fox",           // 0
		"brown quick fox",           // 1
		"a quick bear",              // 2
		"slow foxes sleep #Animals", // 3
		"well-known facts",          // 4
		"known well",                // 5
		"rhubarb and custard",       // 6
	)
	c.finds(t, "quick fox", 0, 1)
	c.finds(t, `"quick brown"`, 0)
	c.finds(t, "“quick brown”", 0)
	c.finds(t, "quick OR slow", 0, 1, 2, 3)
	c.finds(t, "quick AND fox", 0, 1)
	c.finds(t, "quick -fox", 2)
	c.finds(t, "quick NOT fox", 2)
	c.finds(t, "fox -(brown OR slow)")
	c.finds(t, "(bear OR slow) -sleep", 2)
	c.finds(t, "qui*", 0, 1, 2)
	c.finds(t, "qiuck~", 0, 1, 2)
	c.finds(t, "rubarb~1", 6)
	c.finds(t, "rhubarbe~", 6)
	c.finds(t, "#animals", 3)
	c.finds(t, "#anima")
	c.finds(t, "animals", 3)
	c.finds(t, "well-known", 4)
	c.finds(t, "slow OR quick bear", 2, 3)
	c.finds(t, "+fox -quick", 3)
	c.finds(t, "rock OR rhubarb AND custard", 6)
	c.finds(t, "fox ... !?", 0, 1, 3)
	// Of many words not all need be there.
	c.finds(t, "where does the quick brown fox jump over", 0, 1)
}

func TestMalformedQueriesNameQ(t *testing.T) {
	t.Parallel()
	for _, q := range []string{
		"", " ", "...", "-a", "NOT a", `"open`, "(open", "close)", "a OR", "OR a", "a OR OR b", "AND a", "a AND", "a AND AND b", "NOT",
		"\xff", strings.Repeat("x", text.MaxQuery+1), strings.Repeat("(", 20) + "a", strings.Repeat("a ", 100),
		strings.Repeat("a* ", 20), "()", "a (-b)",
	} {
		if _, err := text.ParsePosts(q, text.Filter{}); social.KindOf(err) != social.Invalid || !strings.HasPrefix(err.Error(), "q: ") {
			t.Errorf("%.40q: %v", q, err)
		}
	}
}

func TestAFilterMayStandAlone(t *testing.T) {
	t.Parallel()
	c := newCorpus(t, "the one #x", "the two", "the three #x", "das vierte ist nicht da")
	for _, x := range []struct {
		f    text.Filter
		want []int
	}{
		{text.Filter{Author: "author0"}, []int{2, 0}},
		{text.Filter{Tag: "#X"}, []int{2, 0}},
		{text.Filter{Author: "author1", Language: "de"}, []int{3}},
		{text.Filter{Author: "nobody"}, []int{}},
	} {
		if got := c.find(t, "", x.f, text.Cut{}); !slices.Equal(got, x.want) {
			t.Errorf("%+v finds %v, want %v", x.f, got, x.want)
		}
	}
}

func TestTheMostRelevantComesFirst(t *testing.T) {
	t.Parallel()
	c := newCorpus(t,
		"the grape is a fruit among many other fruits of this beautiful world",
		"grape grape grape",
		"a fruit",
		"the vine",
	)
	if got := c.find(t, "grape", text.Filter{}, text.Cut{}); !slices.Equal(got, []int{1, 0}) {
		t.Errorf("grape: %v", got)
	}
	if got := c.find(t, "fruit OR vine OR grape", text.Filter{}, text.Cut{Newest: true}); !slices.Equal(got, []int{3, 2, 1, 0}) {
		t.Errorf("newest: %v", got)
	}
}

func TestPagesFollowOneAnotherWhateverIsIndexedBetween(t *testing.T) {
	t.Parallel()
	texts := make([]string, 200)
	for i := range texts {
		texts[i] = strings.Repeat("grape ", i%4+1) + strings.Repeat("vine ", i%7)
	}
	c := newCorpus(t, texts...)
	q, err := text.ParsePosts("grape", text.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	var stats text.Statistics
	view := func(read func(text.Snapshot) error) {
		t.Helper()
		if err := c.View(read); err != nil {
			t.Fatal(err)
		}
	}
	view(func(s text.Snapshot) error { stats, err = q.Statistics(s); return err })
	search := func(cut text.Cut) (hits []text.Hit) {
		cut.Wanted = func(id string) bool { return slices.Contains(c.ids, id) }
		view(func(s text.Snapshot) error { hits, err = q.Search(t.Context(), s, stats, cut); return err })
		return hits
	}
	want := search(text.Cut{Limit: 1000})
	var got []text.Hit
	for cut := (text.Cut{Limit: 7}); ; cut.After = &got[len(got)-1] {
		hits := search(cut)
		if len(hits) == 0 {
			break
		}
		got = append(got, hits...)
		other := text.Post{ID: social.NewID(2, time.Now()), Text: "grape", Public: true}
		if err := c.Apply(text.Batch{Put: []text.Document{other.Document()}}); err != nil {
			t.Fatal(err)
		}
	}
	if len(want) != 200 || !slices.Equal(got, want) {
		t.Errorf("by 7: %d hits, at once: %d", len(got), len(want))
	}
}

func TestHighlightsMarkWhatMatchedAndNothingPassesForMarkup(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ query, text, want string }{
		{"fox", "The quick foxes", "The quick <mark>foxes</mark>"},
		{"fox", "<b>fox</b> & <mark>", "&lt;b&gt;<mark>fox</mark>&lt;/b&gt; &amp; &lt;mark&gt;"},
		{"script", "<script>alert('x')</script>", "&lt;<mark>script</mark>&gt;alert(&#39;x&#39;)&lt;/<mark>script</mark>&gt;"},
		{`"quick fox"`, "a quick fox, quick", "a <mark>quick fox</mark>, quick"},
		{"京都", "東京都です", "東<mark>京都</mark>です"},
		{"cafe*", "CAFÉS", "<mark>CAFÉS</mark>"},
		{"foxe~", "fox food", "<mark>fox</mark> food"},
		{"#tag", "a tag and a #Tag", "a tag and a <mark>#Tag</mark>"},
		{"a -b", "a b", "<mark>a</mark> b"},
	} {
		q, err := text.ParsePosts(c.query, text.Filter{})
		if err != nil {
			t.Fatal(err)
		}
		if got := q.Highlight(c.text); got != c.want {
			t.Errorf("%q in %q: %s, want %s", c.query, c.text, got, c.want)
		}
	}
}

func TestALongTextIsShownAroundTheFirstMatch(t *testing.T) {
	t.Parallel()
	q, err := text.ParsePosts("needle", text.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("hay ", 500) + "needle " + strings.Repeat("straw ", 500)
	got := q.Highlight(long)
	if !strings.Contains(got, "<mark>needle</mark>") || len(got) > 300 || !strings.HasPrefix(got, "…hay") || !strings.HasSuffix(got, "straw…") {
		t.Errorf("%q", got)
	}
}

func TestLanguagesAreToldWhereThatIsCertain(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]string{
		"this is what I have been looking for":   "en",
		"ich bin nicht der, den du suchst":       "de",
		"je ne suis pas dans la maison":          "fr",
		"no sé por qué está el coche en la casa": "es",
		"non so perché è così":                   "it",
		"não sei o que você quer":                "pt",
		"ik weet niet wat het is":                "nl",
		"jag vet inte vad det är":                "sv",
		"привет как дела":                        "ru",
		"привіт їжаче":                           "uk",
		"これは日本語です":                               "ja",
		"我喜欢猫":                                   "zh",
		"안녕하세요":                                  "ko",
		"καλημέρα":                               "el",
		"مرحبا":                                  "ar",
		"lorem ipsum dolor":                      "und",
		"":                                       "und",
		"12345 !!!":                              "und",
	} {
		if got := text.Language(s); got != want {
			t.Errorf("%q is %s, want %s", s, got, want)
		}
	}
}

func TestUsersAreFoundAsTheirNamesAreTyped(t *testing.T) {
	t.Parallel()
	var m text.Memory
	names := [][2]string{{"ada", "Ada Lovelace"}, {"adam", "Adam Smith"}, {"grace_hopper", "Grace"}, {"x", "Zoë Ada-Maria Müller"}, {"y", "山田太郎"}}
	var ids []string
	var b text.Batch
	for i, n := range names {
		ids = append(ids, social.NewID(3, time.UnixMilli(int64(i+1))))
		b.Put = append(b.Put, text.User{ID: ids[i], Name: n[0], DisplayName: n[1]}.Document())
	}
	if err := m.Apply(b); err != nil {
		t.Fatal(err)
	}
	for typed, want := range map[string][]int{
		"ad": {1, 0, 3}, "@ada": {0, 1, 3}, "ADA": {0, 1, 3}, "ada love": {0}, "grace_h": {2}, "hop": {2},
		"zoe mul": {3}, "muell": {}, "太郎": {4}, "山": {4}, "smith adam": {1}, "love": {0}, "qqq": {},
	} {
		q, err := text.ParseUsers(typed)
		if err != nil {
			t.Fatal(err)
		}
		got := []int{}
		err = m.View(func(s text.Snapshot) error {
			hits, err := q.Search(t.Context(), s, text.Statistics{}, text.Cut{Limit: 10, Wanted: func(string) bool { return true }})
			for _, h := range hits {
				got = append(got, slices.Index(ids, h.ID))
			}
			return err
		})
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%q finds %v, %v; want %v", typed, got, err, want)
		}
	}
}

// Any query is read, or refused as the client's fault; what is read can be
// searched and highlighted, and the highlight has no markup but its own.
func FuzzQuery(f *testing.F) {
	for _, q := range []string{"a", `"a b" OR (c AND d*) -e~1 #f`, "東京*", "((a)", "NOT", "“x”", "a’b", "~", "*", "#", "+-a"} {
		f.Add(q, "a <b> c 東京都 #f it’s")
	}
	c := newCorpus(f, "a b c", "東京都 #f", "d e f")
	f.Fuzz(func(t *testing.T, query, s string) {
		q, err := text.ParsePosts(query, text.Filter{})
		if err != nil {
			if social.KindOf(err) != social.Invalid {
				t.Errorf("%q: %v", query, err)
			}
			return
		}
		c.find(t, query, text.Filter{}, text.Cut{})
		plain := strings.NewReplacer("<mark>", "", "</mark>", "").Replace(q.Highlight(s))
		if strings.ContainsAny(plain, "<>\"'") {
			t.Errorf("%q in %q: %q", query, s, plain)
		}
	})
}

// The longest text and the longest query are marked in bounded time: a page has a
// hundred.
func BenchmarkHighlight(b *testing.B) {
	q, err := text.ParsePosts(strings.Repeat("running ", 55), text.Filter{})
	if err != nil {
		b.Fatal(err)
	}
	s := strings.Repeat("the foxes ran ", social.MaxText/14)
	for b.Loop() {
		q.Highlight(s)
	}
}
