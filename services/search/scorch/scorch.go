// Package scorch keeps a text index on disk, in bleve's scorch. It uses scorch's
// postings and none of bleve's analysis, queries or scores: those of package text
// must give the same on every node.
package scorch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"sync"

	"github.com/blevesearch/bleve/v2/index/scorch"
	index "github.com/blevesearch/bleve_index_api"

	"grapevine/services/search/text"
)

// Index is a text.Engine in a directory of its own.
type Index struct {
	dir   string
	log   *slog.Logger
	queue *index.AnalysisQueue

	mu    sync.RWMutex // held to read by who uses inner
	inner index.Index  // nil while it cannot be opened
}

// Open opens the index in dir, which is made when it is missing. What is there and
// cannot be opened is removed: an index is rebuilt from what it was made of.
func Open(dir string, log *slog.Logger) (*Index, error) {
	x := &Index{dir: dir, log: log, queue: index.NewAnalysisQueue(runtime.GOMAXPROCS(0))}
	if err := x.open(); err != nil {
		log.Warn("the search index cannot be opened and is made anew", "dir", dir, "error", err)
		if err := x.Empty(); err != nil {
			x.queue.Close()
			return nil, err
		}
	}
	return x, nil
}

func (x *Index) open() (err error) {
	defer guard(&err)
	inner, err := scorch.NewScorch("grapevine", map[string]any{"path": x.dir, "bolt_timeout": "1s"}, x.queue)
	if err == nil {
		err = inner.Open()
	}
	if err != nil {
		return fmt.Errorf("opening the search index in %s: %w", x.dir, err)
	}
	x.inner = inner
	return nil
}

// guard turns a panic about what is on disk, a fault of a mapped file included,
// into an error.
func guard(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("%w: %v", text.ErrDamaged, p)
	}
}

// Empty implements text.Engine.
func (x *Index) Empty() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.inner != nil {
		if err := x.closeInner(); err != nil {
			x.log.Warn("the search index was not closed well", "error", err)
		}
	}
	if err := os.RemoveAll(x.dir); err != nil {
		return fmt.Errorf("removing the search index: %w", err)
	}
	return x.open()
}

func (x *Index) closeInner() (err error) {
	defer guard(&err)
	inner := x.inner
	x.inner = nil
	return inner.Close()
}

// Close implements text.Engine.
func (x *Index) Close() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.queue == nil {
		return nil
	}
	x.queue.Close()
	x.queue = nil
	if x.inner == nil {
		return nil
	}
	return x.closeInner()
}

var errClosed = errors.New("scorch: the index is closed")

// Apply implements text.Engine.
func (x *Index) Apply(b text.Batch) (err error) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	if x.inner == nil {
		return errClosed
	}
	defer guard(&err)
	batch := index.NewBatch()
	for _, id := range b.Remove {
		batch.Delete(id)
	}
	for _, d := range b.Put {
		batch.Update(newDocument(d))
	}
	for name, value := range b.Notes {
		batch.SetInternal([]byte(name), value)
	}
	return x.inner.Batch(batch)
}

// View implements text.Engine.
func (x *Index) View(read func(text.Snapshot) error) (err error) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	if x.inner == nil {
		return errClosed
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer guard(&err)
	r, err := x.inner.Reader()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	return read(snapshot{r})
}

type snapshot struct{ index.IndexReader }

// Postings reads positions only of fields that have them: it takes longer.
func (s snapshot) Postings(field, term string) (text.Postings, error) {
	r, err := s.TermFieldReader(context.Background(), []byte(term), field, true, true, text.HasPositions(field))
	return &postings{r: r}, err
}

func (s snapshot) Terms(field, prefix string, visit func(string, uint64) bool) error {
	dict, err := s.FieldDictPrefix(field, []byte(prefix))
	if err != nil {
		return err
	}
	defer dict.Close()
	for {
		e, err := dict.Next()
		if err != nil || e == nil || !visit(e.Term, e.Count) {
			return err
		}
	}
}

func (s snapshot) ID(number uint64) (string, error) {
	return s.ExternalID(index.NewIndexInternalID(nil, number))
}

func (s snapshot) Documents() (uint64, error)       { return s.DocCount() }
func (s snapshot) Note(name string) ([]byte, error) { return s.GetInternal([]byte(name)) }

type postings struct {
	r    index.TermFieldReader
	doc  index.TermFieldDoc
	id   index.IndexInternalID
	read bool
	now  text.Posting
}

func (p *postings) Count() uint64 { return p.r.Count() }
func (p *postings) Close() error  { return p.r.Close() }

func (p *postings) Seek(number uint64) (*text.Posting, bool, error) {
	if p.read && p.now.Document >= number {
		return &p.now, true, nil
	}
	var doc *index.TermFieldDoc
	var err error
	if next := p.now.Document + 1; number == 0 && !p.read || p.read && number == next {
		doc, err = p.r.Next(p.doc.Reset())
	} else {
		p.id = index.NewIndexInternalID(p.id, number)
		doc, err = p.r.Advance(p.id, p.doc.Reset())
	}
	if err != nil || doc == nil {
		return nil, false, err
	}
	p.read = true
	p.now = text.Posting{
		Document: doc.ID.Value(), Count: int(doc.Freq),
		Length: math.Round(1 / (doc.Norm * doc.Norm)), At: p.now.At[:0],
	}
	for _, v := range doc.Vectors {
		p.now.At = append(p.now.At, uint32(v.Pos-1))
	}
	return &p.now, true, nil
}
