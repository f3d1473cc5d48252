package badgerdb

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/dgraph-io/badger/v4"
)

type snapshot struct{ txn *badger.Txn }

func (s snapshot) Get(key []byte) ([]byte, bool, error) {
	item, err := s.txn.Get(stored(key))
	if errors.Is(err, badger.ErrKeyNotFound) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("badgerdb: get: %w", err)
	}
	value, err := item.ValueCopy(nil)
	if err != nil {
		return nil, false, fmt.Errorf("badgerdb: read the value: %w", err)
	}
	return value, true, nil
}

func (s snapshot) Scan(prefix, from []byte, reverse bool, fn func(key, value []byte) bool) error {
	p := stored(prefix)
	it := s.seek(p, from, reverse)
	defer it.Close()
	for ; it.ValidForPrefix(p); it.Next() {
		item := it.Item()
		more := false
		err := item.Value(func(value []byte) error {
			more = fn(item.Key()[1:], value)
			return nil
		})
		if err != nil {
			return fmt.Errorf("badgerdb: read the value in a scan: %w", err)
		}
		if !more {
			return nil
		}
	}
	return nil
}

// seek returns an iterator at the first row of a scan of the stored prefix p.
// Values lie beside the keys, so that prefetching them would only cost a
// goroutine each.
func (s snapshot) seek(p, from []byte, reverse bool) *badger.Iterator {
	start := stored(from)
	if !reverse {
		it := s.txn.NewIterator(badger.IteratorOptions{Prefix: p})
		if bytes.Compare(start, p) < 0 {
			start = p
		}
		it.Seek(start)
		return it
	}
	// The end may itself be a key. The iterator is valid only on keys that begin
	// with its Prefix: the part that p and end share is short enough to see it.
	end := successor(p)
	it := s.txn.NewIterator(badger.IteratorOptions{Prefix: p[:len(end)-1], Reverse: true})
	if len(from) > 0 && bytes.Compare(start, end) < 0 {
		it.Seek(start)
		return it
	}
	it.Seek(end)
	if it.Valid() && bytes.Equal(it.Item().Key(), end) {
		it.Next()
	}
	return it
}

// successor returns the least key greater than every key that begins with p, a
// stored key, which therefore has a byte below 0xff.
func successor(p []byte) []byte {
	end := bytes.TrimRight(p, "\xff")
	end = bytes.Clone(end)
	end[len(end)-1]++
	return end
}
