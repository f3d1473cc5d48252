package badgerdb

import (
	"bytes"

	"github.com/dgraph-io/badger/v4"
)

type snapshot struct {
	db  *DB
	txn *badger.Txn
}

// Get reads through an iterator, which can be asked for what it could not read;
// Badger's own Get gives an older version then, or none.
func (s snapshot) Get(key []byte) (value []byte, ok bool, err error) {
	defer s.db.recovered(new(bool), &err)
	k := stored(key)
	it := s.txn.NewKeyIterator(k, badger.IteratorOptions{})
	defer it.Close()
	it.Seek(k)
	if err := unread(it); err != nil {
		return nil, false, s.db.damage(err)
	}
	// The prefix is the whole key, but not the end of every key that has it.
	if !it.Valid() || !bytes.Equal(it.Item().Key(), k) || it.Item().IsDeletedOrExpired() {
		return nil, false, nil
	}
	if value, err = it.Item().ValueCopy(nil); err != nil {
		return nil, false, s.db.damage(err)
	}
	return value, true, nil
}

func (s snapshot) Scan(prefix, from []byte, reverse bool, fn func(key, value []byte) bool) (err error) {
	calling := false
	defer s.db.recovered(&calling, &err)
	p := stored(prefix)
	it := s.seek(p, from, reverse)
	defer it.Close()
	for more := true; more && it.ValidForPrefix(p); {
		item := it.Item()
		err := item.Value(func(value []byte) error {
			calling = true
			more = fn(item.Key()[1:], value)
			calling = false
			return nil
		})
		if err != nil {
			return s.db.damage(err)
		}
		if more {
			it.Next()
		}
	}
	// Also where fn has had enough: rows may be missing among those it was given.
	if err := unread(it); err != nil {
		return s.db.damage(err)
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
