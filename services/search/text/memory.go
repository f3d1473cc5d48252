package text

import (
	"maps"
	"slices"
	"strings"
	"sync"
)

// Memory is an Engine without a disk: for simulations, and nodes that have none.
// The zero Memory is empty and ready.
type Memory struct {
	mu    sync.RWMutex
	next  uint64
	ids   map[uint64]string
	docs  map[string]stored
	terms map[termKey][]Posting // ascending
	notes map[string][]byte
}

type termKey struct{ field, term string }

// stored is what is needed to remove a document.
type stored struct {
	number uint64
	terms  []termKey
}

// Apply implements Engine.
func (m *Memory) Apply(b Batch) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.docs == nil {
		m.reset()
	}
	for _, id := range b.Remove {
		m.remove(id)
	}
	for _, d := range b.Put {
		m.remove(d.ID)
		m.add(d)
	}
	maps.Copy(m.notes, b.Notes)
	return nil
}

func (m *Memory) reset() {
	m.ids, m.docs = map[uint64]string{}, map[string]stored{}
	m.terms, m.notes = map[termKey][]Posting{}, map[string][]byte{}
}

func (m *Memory) add(d Document) {
	m.next++
	s := stored{number: m.next}
	for _, f := range d.Fields {
		for _, t := range f.Terms {
			k := termKey{f.Name, t.Text}
			p := Posting{Document: s.number, Count: len(t.At), Length: float64(d.Length)}
			if f.Positions {
				p.At = t.At
			}
			m.terms[k] = append(m.terms[k], p)
			s.terms = append(s.terms, k)
		}
	}
	m.ids[s.number], m.docs[d.ID] = d.ID, s
}

func (m *Memory) remove(id string) {
	s, ok := m.docs[id]
	if !ok {
		return
	}
	delete(m.docs, id)
	delete(m.ids, s.number)
	for _, k := range s.terms {
		list := m.terms[k]
		if at, ok := find(list, s.number); ok {
			list = slices.Delete(list, at, at+1)
		}
		if m.terms[k] = list; len(list) == 0 {
			delete(m.terms, k)
		}
	}
}

func find(list []Posting, number uint64) (int, bool) {
	return slices.BinarySearchFunc(list, number, func(p Posting, n uint64) int {
		if p.Document < n {
			return -1
		}
		if p.Document > n {
			return 1
		}
		return 0
	})
}

// View implements Engine. A batch waits until read returns.
func (m *Memory) View(read func(Snapshot) error) error {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return read((*memorySnapshot)(m))
}

// Empty implements Engine.
func (m *Memory) Empty() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reset()
	return nil
}

// Close implements Engine.
func (m *Memory) Close() error { return nil }

type memorySnapshot Memory

func (m *memorySnapshot) Postings(field, term string) (Postings, error) {
	return &memoryPostings{list: m.terms[termKey{field, term}]}, nil
}

func (m *memorySnapshot) Terms(field, prefix string, visit func(string, uint64) bool) error {
	var found []string
	for k := range m.terms {
		if k.field == field && strings.HasPrefix(k.term, prefix) {
			found = append(found, k.term)
		}
	}
	slices.Sort(found)
	for _, term := range found {
		if !visit(term, uint64(len(m.terms[termKey{field, term}]))) {
			break
		}
	}
	return nil
}

func (m *memorySnapshot) ID(number uint64) (string, error) { return m.ids[number], nil }
func (m *memorySnapshot) Documents() (uint64, error)       { return uint64(len(m.docs)), nil }
func (m *memorySnapshot) Note(name string) ([]byte, error) { return m.notes[name], nil }

type memoryPostings struct {
	list []Posting
	at   int
}

func (p *memoryPostings) Count() uint64 { return uint64(len(p.list)) }
func (p *memoryPostings) Close() error  { return nil }

func (p *memoryPostings) Seek(number uint64) (*Posting, bool, error) {
	after, _ := find(p.list[p.at:], number)
	if p.at += after; p.at == len(p.list) {
		return nil, false, nil
	}
	return &p.list[p.at], true, nil
}
