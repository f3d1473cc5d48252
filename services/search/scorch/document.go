package scorch

import (
	"github.com/blevesearch/bleve/v2/document"
	index "github.com/blevesearch/bleve_index_api"

	"grapevine/services/search/text"
)

// newDocument makes a document of scorch's whose fields are cut into terms already.
func newDocument(d text.Document) *document.Document {
	out := document.NewDocument(d.ID)
	for _, f := range d.Fields {
		if len(f.Terms) > 0 {
			out.AddField(newField(f, d.Length))
		}
	}
	return out
}

// field is an index.Field of given terms.
type field struct {
	name    string
	options index.FieldIndexingOptions
	length  int
	freqs   index.TokenFrequencies
}

func newField(f text.Field, length int) *field {
	out := &field{name: f.Name, options: index.IndexField, length: max(1, length), freqs: make(index.TokenFrequencies, len(f.Terms))}
	if f.Positions {
		out.options |= index.IncludeTermVectors
	}
	for _, t := range f.Terms {
		freq := &index.TokenFreq{Term: []byte(t.Text)}
		freq.SetFrequency(len(t.At))
		if f.Positions {
			freq.Locations = make([]*index.TokenLocation, len(t.At))
			for i, at := range t.At {
				freq.Locations[i] = &index.TokenLocation{Position: int(at) + 1}
			}
		}
		out.freqs[t.Text] = freq
	}
	return out
}

func (f *field) Name() string                                     { return f.name }
func (f *field) Value() []byte                                    { return nil }
func (f *field) ArrayPositions() []uint64                         { return nil }
func (f *field) EncodedFieldType() byte                           { return 't' }
func (f *field) Analyze()                                         {}
func (f *field) Options() index.FieldIndexingOptions              { return f.options }
func (f *field) AnalyzedLength() int                              { return f.length }
func (f *field) AnalyzedTokenFrequencies() index.TokenFrequencies { return f.freqs }
func (f *field) NumPlainTextBytes() uint64                        { return 0 }
func (f *field) Size() int                                        { return 64 * len(f.freqs) }
