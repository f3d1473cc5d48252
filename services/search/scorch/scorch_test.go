package scorch_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"grapevine/services/search/scorch"
	"grapevine/services/search/text"
	"grapevine/services/social"
)

func makePost(i int, s string) text.Post {
	return text.Post{
		ID: fmt.Sprintf("%026d", i), Author: fmt.Sprint("author", i%3), Text: s,
		Tags: social.Tags(s), Public: i%2 == 0, Partition: uint16(i % 4),
	}
}

var vocabulary = strings.Fields("grape vine wine barrel cellar oak press harvest #autumn #wine the a of in 葡萄酒 привет running runs")

// A node on disk and one in memory give the same hits with the same scores,
// whatever was written, replaced and removed.
func TestTheDiskAndTheMemoryAnswerAlike(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	disk, memory := open(t, t.TempDir()), new(text.Memory)
	for range 40 {
		var b text.Batch
		for id := range 200 {
			switch random.IntN(20) {
			case 0:
				b.Remove = append(b.Remove, fmt.Sprintf("%026d", id))
			case 1, 2:
				words := make([]string, 1+random.IntN(12))
				for i := range words {
					words[i] = vocabulary[random.IntN(len(vocabulary))]
				}
				b.Put = append(b.Put, makePost(id, strings.Join(words, " ")).Document())
			}
		}
		for _, e := range []text.Engine{disk, memory} {
			if err := e.Apply(b); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, query := range []string{
		"grape", "grape vine", "grape OR cellar -oak", `"grape vine"`, `"the grape" OR "of wine"`, "ha*", "wime~", "#autumn",
		"葡萄", "葡萄酒 grape", "привет", "run", "(grape OR vine) AND (oak OR press)", "the of in a grape vine wine",
	} {
		a, b := hitsOf(t, disk, query), hitsOf(t, memory, query)
		if !slices.Equal(a, b) || len(a) == 0 {
			t.Errorf("%q: %v on disk, %v in memory", query, a, b)
		}
	}
	if a, b := tagsOf(t, disk, ""), tagsOf(t, memory, ""); !slices.Equal(a, b) || len(a) != 2 {
		t.Errorf("tags %v on disk, %v in memory", a, b)
	}
}

func hitsOf(t *testing.T, e text.Engine, query string) (hits []text.Hit) {
	t.Helper()
	q, err := text.ParsePosts(query, text.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	// What is counted may include what was removed; scores follow from the count.
	stats := text.Statistics{Documents: 1000, Words: 6000, Found: make([]uint64, q.Leafs())}
	view(t, e, func(s text.Snapshot) error {
		hits, err = q.Search(t.Context(), s, stats, text.Cut{Limit: 30, Wanted: func(string) bool { return true }})
		return err
	})
	return hits
}

func tagsOf(t *testing.T, e text.Engine, prefix string) (tags []text.Tag) {
	t.Helper()
	view(t, e, func(s text.Snapshot) (err error) {
		tags, err = text.Tags(s, prefix, func(p uint16) bool { return p < 3 })
		return err
	})
	return tags
}

func TestWhatWasAppliedIsThereAfterAReopening(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	x := open(t, dir)
	if err := x.Apply(text.Batch{Put: []text.Document{makePost(1, "grape").Document()}, Notes: map[string][]byte{"n": []byte("v")}}); err != nil {
		t.Fatal(err)
	}
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	x = open(t, dir)
	if hits := hitsOf(t, x, "grape"); len(hits) != 1 {
		t.Errorf("found %v", hits)
	}
	view(t, x, func(s text.Snapshot) error {
		note, err := s.Note("n")
		if !bytes.Equal(note, []byte("v")) {
			t.Errorf("noted %q", note)
		}
		return err
	})
}

func TestADamagedIndexIsMadeAnewOrSaysThatItIsDamaged(t *testing.T) {
	t.Parallel()
	for _, harm := range []func(path string, size int64) error{
		func(path string, size int64) error { return os.Truncate(path, size/2) },
		func(path string, _ int64) error { return os.WriteFile(path, []byte("not what it was"), 0o600) },
		func(path string, _ int64) error { return os.Remove(path) },
	} {
		dir := t.TempDir()
		x := open(t, dir)
		fill(t, x, 300)
		if err := x.Close(); err != nil {
			t.Fatal(err)
		}
		harmed := 0
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			info, err := d.Info()
			if err == nil {
				harmed++
				err = harm(path, info.Size())
			}
			return err
		})
		if err != nil || harmed == 0 {
			t.Fatalf("harmed %d files, %v", harmed, err)
		}
		x = open(t, dir)
		q, _ := text.ParsePosts("grape", text.Filter{})
		err = x.View(func(s text.Snapshot) error {
			_, err := q.Search(t.Context(), s, text.Statistics{}, text.Cut{Limit: 10, Wanted: func(string) bool { return true }})
			return err
		})
		if err != nil && !errors.Is(err, text.ErrDamaged) {
			t.Errorf("a search in a damaged index: %v", err)
		}
		if err := x.Empty(); err != nil {
			t.Fatal(err)
		}
		fill(t, x, 10)
		if hits := hitsOf(t, x, "grape"); len(hits) != 10 {
			t.Errorf("made anew, it finds %d", len(hits))
		}
	}
}

func fill(t testing.TB, x *scorch.Index, n int) {
	t.Helper()
	var b text.Batch
	for i := range n {
		b.Put = append(b.Put, makePost(i, fmt.Sprint("grape ", i)).Document())
	}
	if err := x.Apply(b); err != nil {
		t.Fatal(err)
	}
}

// sentence makes a text of words as they are distributed in language.
func sentence(zipf *rand.Zipf, random *rand.Rand) string {
	words := make([]string, 8+random.IntN(12))
	for i := range words {
		words[i] = fmt.Sprintf("w%x", zipf.Uint64())
	}
	return strings.Join(words, " ") + " the and of"
}

func BenchmarkIndex(b *testing.B) {
	random := rand.New(rand.NewPCG(1, 2))
	zipf := rand.NewZipf(random, 1.1, 1, 50_000)
	x := open(b, b.TempDir())
	const batch = 500
	for b.Loop() {
		var chunk text.Batch
		for range batch {
			chunk.Put = append(chunk.Put, makePost(random.IntN(1<<30), sentence(zipf, random)).Document())
		}
		if err := x.Apply(chunk); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(batch*b.N)/b.Elapsed().Seconds(), "posts/s")
}

func BenchmarkSearch(b *testing.B) {
	random := rand.New(rand.NewPCG(1, 2))
	zipf := rand.NewZipf(random, 1.1, 1, 50_000)
	x := open(b, b.TempDir())
	for i := 0; i < 100_000; i += 1000 {
		var chunk text.Batch
		for j := range 1000 {
			chunk.Put = append(chunk.Put, makePost(i+j, sentence(zipf, random)).Document())
		}
		if err := x.Apply(chunk); err != nil {
			b.Fatal(err)
		}
	}
	word := func() string { return fmt.Sprintf("w%x", zipf.Uint64()) }
	for _, c := range []struct {
		name   string
		newest bool
		query  func() string
	}{
		{"one word", false, word},
		{"three words", false, func() string { return word() + " " + word() + " " + word() }},
		{"a common word", false, func() string { return "the" }},
		{"a common word, newest first", true, func() string { return "the" }},
		{"a phrase", false, func() string { return `"` + word() + " " + word() + `"` }},
		{"a prefix", false, func() string { return "w1" + "*" }},
		{"fuzzy", false, func() string { return word() + "~" }},
		{"ten words", false, func() string {
			return strings.Repeat("w"+word()+" ", 1) + word() + " " + word() + " " + word() + " the and of " + word() + " " + word()
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			var times []time.Duration
			for b.Loop() {
				begun := time.Now()
				q, err := text.ParsePosts(c.query(), text.Filter{})
				if err != nil {
					b.Fatal(err)
				}
				view(b, x, func(s text.Snapshot) error {
					stats, err := q.Statistics(s)
					if err == nil {
						_, err = q.Search(b.Context(), s, stats, text.Cut{Limit: 41, Newest: c.newest, Wanted: func(string) bool { return true }})
					}
					return err
				})
				times = append(times, time.Since(begun))
			}
			slices.Sort(times)
			b.ReportMetric(float64(times[len(times)/2].Microseconds()), "p50-µs")
			b.ReportMetric(float64(times[len(times)*99/100].Microseconds()), "p99-µs")
		})
	}
}
