package scorch_test

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/blevesearch/bleve/v2"

	"grapevine/services/search/scorch"
	"grapevine/services/search/text"
)

// cranfield is the Cranfield collection: documents, questions, and which documents
// answer which question how well.
type cranfield struct {
	docs    map[string]string
	queries []string
	gains   []map[string]float64 // by query
}

// loadCranfield skips the test where the collection is not there: it is not part
// of the product.
func loadCranfield(t *testing.T) cranfield {
	t.Helper()
	dir := filepath.Join("..", "..", "..", "..", "shared", "data", "search-cranfield")
	if _, err := os.Stat(dir); testing.Short() || errors.Is(err, fs.ErrNotExist) {
		t.Skip("the Cranfield collection is not here, or takes too long")
	}
	c := cranfield{docs: map[string]string{}}
	for i, d := range smart(t, filepath.Join(dir, "cran.all.1400")) {
		c.docs[fmt.Sprintf("%026d", i+1)] = d
	}
	c.queries = smart(t, filepath.Join(dir, "cran.qry"))
	c.gains = make([]map[string]float64, len(c.queries))
	f, err := os.Open(filepath.Join(dir, "cranqrel"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var query, doc, grade int
		if n, _ := fmt.Sscan(lines.Text(), &query, &doc, &grade); n < 3 || grade < 1 || query > len(c.queries) {
			continue
		}
		if c.gains[query-1] == nil {
			c.gains[query-1] = map[string]float64{}
		}
		c.gains[query-1][fmt.Sprintf("%026d", doc)] = float64(5 - grade)
	}
	return c
}

// smart reads the title and text of each record of a file in SMART format.
func smart(t *testing.T, path string) (records []string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	kept := false
	for line := range strings.Lines(strings.ReplaceAll(string(b), "\r", "")) {
		switch {
		case strings.HasPrefix(line, ".I "):
			records = append(records, "")
			kept = false
		case len(line) == 3 && line[0] == '.':
			kept = line[1] == 'W'
		case kept:
			records[len(records)-1] += line
		}
	}
	return records
}

// nDCG gives the mean over all queries of the normalized discounted cumulative
// gain of the first ten documents.
func (c cranfield) nDCG(search func(query string) []string) float64 {
	sum, n := 0.0, 0
	for i, q := range c.queries {
		if len(c.gains[i]) == 0 {
			continue
		}
		got, ideal := 0.0, 0.0
		for rank, id := range search(q) {
			if rank < 10 {
				got += c.gains[i][id] / math.Log2(float64(rank+2))
			}
		}
		var gains []float64
		for _, g := range c.gains[i] {
			gains = append(gains, g)
		}
		slices.Sort(gains)
		slices.Reverse(gains)
		for rank, g := range gains[:min(10, len(gains))] {
			ideal += g / math.Log2(float64(rank+2))
		}
		sum, n = sum+got/ideal, n+1
	}
	return sum / float64(n)
}

// outOfTheBox searches with bleve as it comes.
func (c cranfield) outOfTheBox(t *testing.T) func(string) []string {
	t.Helper()
	index, err := bleve.NewMemOnly(bleve.NewIndexMapping())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = index.Close() })
	batch := index.NewBatch()
	for id, d := range c.docs {
		if err := batch.Index(id, map[string]string{"text": d}); err != nil {
			t.Fatal(err)
		}
	}
	if err := index.Batch(batch); err != nil {
		t.Fatal(err)
	}
	return func(q string) (ids []string) {
		result, err := index.Search(bleve.NewSearchRequest(bleve.NewMatchQuery(q)))
		if err != nil {
			t.Fatal(err)
		}
		for _, hit := range result.Hits {
			ids = append(ids, hit.ID)
		}
		return ids
	}
}

// ours searches n nodes that hold a part of the documents each.
func (c cranfield) ours(t *testing.T, n int) func(string) []string {
	t.Helper()
	nodes := make([]*scorch.Index, n)
	batches := make([]text.Batch, n)
	for id, d := range c.docs {
		i := int(id[25]+id[24]*7) % n
		batches[i].Put = append(batches[i].Put, text.Post{ID: id, Author: "a", Text: d, Public: true}.Document())
	}
	for i := range nodes {
		nodes[i] = open(t, t.TempDir())
		if err := nodes[i].Apply(batches[i]); err != nil {
			t.Fatal(err)
		}
	}
	return func(question string) (ids []string) {
		// A question is text: its punctuation is no operator.
		q, err := text.ParsePosts(strings.Map(func(r rune) rune {
			if strings.ContainsRune(`()"+-*~#`, r) {
				return ' '
			}
			return r
		}, question), text.Filter{})
		if err != nil {
			t.Fatalf("%q: %v", question, err)
		}
		var stats text.Statistics
		for _, node := range nodes {
			view(t, node, func(s text.Snapshot) error {
				its, err := q.Statistics(s)
				stats.Add(its)
				return err
			})
		}
		var hits []text.Hit
		for _, node := range nodes {
			view(t, node, func(s text.Snapshot) error {
				found, err := q.Search(t.Context(), s, stats, text.Cut{Limit: 10, Wanted: func(string) bool { return true }})
				hits = append(hits, found...)
				return err
			})
		}
		slices.SortFunc(hits, text.Compare)
		for _, h := range hits[:min(10, len(hits))] {
			ids = append(ids, h.ID)
		}
		return ids
	}
}

func open(t testing.TB, dir string) *scorch.Index {
	t.Helper()
	x, err := scorch.Open(filepath.Join(dir, "search"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = x.Close() })
	return x
}

func view(t testing.TB, e text.Engine, read func(text.Snapshot) error) {
	t.Helper()
	if err := e.View(read); err != nil {
		t.Fatal(err)
	}
}

func TestRankingIsNotBelowWhatTheLibraryGivesOutOfTheBox(t *testing.T) {
	t.Parallel()
	c := loadCranfield(t)
	library, ours := c.nDCG(c.outOfTheBox(t)), c.nDCG(c.ours(t, 1))
	t.Logf("nDCG@10 of %d documents and %d questions: %.4f out of the box, %.4f ours", len(c.docs), len(c.queries), library, ours)
	if ours < library {
		t.Errorf("nDCG@10 is %.4f, the library's %.4f", ours, library)
	}
}

func TestRankingIsTheSameWhenTheDocumentsAreSpreadOverNodes(t *testing.T) {
	t.Parallel()
	c := loadCranfield(t)
	one, five := c.ours(t, 1), c.ours(t, 5)
	for i := 0; i < len(c.queries); i += 4 {
		q := c.queries[i]
		if a, b := one(q), five(q); !slices.Equal(a, b) {
			t.Errorf("%.40q: one node gives %v, five give %v", q, a, b)
		}
	}
}
