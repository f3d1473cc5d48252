// Package text is the text index of one node: how texts are cut into words, what
// a query may say, which documents match it, and how they rank. The postings lie
// in an Engine: Memory, for simulations, or services/search/scorch, on disk.
//
// DESIGN.md in services/search says how ranking is made the same on all nodes.
package text

import "errors"

// ErrDamaged is wrapped by an engine's error after which nothing in it is to be
// trusted: it is to be emptied and filled anew.
var ErrDamaged = errors.New("text: the index is damaged")

// Engine keeps documents by their words. It is safe for concurrent use.
type Engine interface {
	// Apply makes a batch visible, all of it at once, and durable.
	Apply(Batch) error
	// View calls read with the index as of one moment.
	View(read func(Snapshot) error) error
	// Empty removes everything, also from an engine that is damaged.
	Empty() error
	Close() error
}

// Batch is changes to an index. A document replaces that of the same id.
type Batch struct {
	Put    []Document
	Remove []string          // ids
	Notes  map[string][]byte // by name; what the index is told to remember
}

// Document is what is known of a text. Length, in words, is what ranking takes
// for the length of each of its fields.
type Document struct {
	ID     string
	Length int
	Fields []Field
}

// Field is the terms of one aspect of a document, each once. A field with
// positions has them in all documents.
type Field struct {
	Name      string
	Positions bool
	Terms     []Term
}

// Term is a term of a document: how often it is in it and, in a field with
// positions, where, ascending.
type Term struct {
	Text string
	At   []uint32 // its length is the number of occurrences
}

// Snapshot is an index as of one moment. Documents are numbered; a number is the
// same document within one snapshot.
type Snapshot interface {
	// Postings gives the documents that have a term.
	Postings(field, term string) (Postings, error)
	// Terms visits the terms of a field that begin with prefix, ascending, with
	// about how many documents have each, until visit says false.
	Terms(field, prefix string, visit func(term string, documents uint64) bool) error
	// ID gives the id of a document.
	ID(number uint64) (string, error)
	// Documents is the number of documents.
	Documents() (uint64, error)
	// Note gives what was noted by a name, nil for nothing.
	Note(name string) ([]byte, error)
}

// Postings is the documents that have a term, by ascending number.
type Postings interface {
	// Count is the number of documents.
	Count() uint64
	// Seek gives the first posting of a document at or beyond number, which never
	// is less than that of a call before, and false at the end. The posting is valid
	// until the next call.
	Seek(number uint64) (*Posting, bool, error)
	Close() error
}

// Posting is a term in a document.
type Posting struct {
	Document uint64
	Count    int      // occurrences
	Length   float64  // of the document, about, in words
	At       []uint32 // positions, in a field that has them
}
