package replica

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"grapevine/crdt"
	"grapevine/store"
)

// reindex completes the index for the families that no earlier build has indexed here,
// from the rows, before anything is served. It reads all keys once, when the build that
// indexes more starts for the first time. On a disk that takes no writes it is left to
// the next start.
func (s *Store) reindex() error {
	indexed := s.indexedFamilies()
	var known []byte
	err := s.engine.View(func(snapshot store.Snapshot) (err error) {
		known, _, err = snapshot.Get(metaKey(metaIndexed))
		return err
	})
	if err != nil || bytes.Equal(known, indexed) {
		return wrapped("reading what is indexed", err)
	}
	missing := func(f store.Family) bool { return s.cfg.Indexed(f) && bytes.IndexByte(known, byte(f)) < 0 }
	for from := []byte(nil); ; {
		var b store.Batch
		if from, err = s.unindexed(&b, from, missing); err != nil {
			return wrapped("indexing", err)
		}
		if from == nil {
			b.Put(metaKey(metaIndexed), indexed)
		}
		err := s.engine.Commit(s.ctx, &b)
		if errors.Is(err, store.ErrNoSpace) {
			s.log.Warn("the index lacks what earlier builds did not index, for want of space; it is completed at the next start")
			return nil
		}
		if err != nil || from == nil {
			return wrapped("indexing", err)
		}
	}
}

// unindexed adds index entries of rows from a key on to a batch, as many as fit, and
// gives the key to go on with, nil at the end.
func (s *Store) unindexed(b *store.Batch, from []byte, missing func(store.Family) bool) (next []byte, err error) {
	var bad error
	err = s.engine.View(func(snapshot store.Snapshot) error {
		return snapshot.Scan([]byte{spaceData}, from, false, func(key, value []byte) bool {
			if b.Size() > s.engine.MaxBatch()/2 {
				next = bytes.Clone(key)
				return false
			}
			var k store.Key
			if k, bad = parseDataKey(key); bad == nil && missing(k.Family) {
				var exists bool
				if exists, bad = crdt.EncodedExists(value); exists {
					b.Put(indexKey(k.Family, k.Sort), binary.BigEndian.AppendUint16(nil, uint16(k.Slot)))
				}
			}
			return bad == nil
		})
	})
	return next, errors.Join(err, bad)
}

// indexedFamilies gives the numbers of the families that this build indexes, ascending.
func (s *Store) indexedFamilies() []byte {
	families := []byte{}
	for f := range math.MaxUint8 + 1 {
		if s.cfg.Indexed(store.Family(f)) {
			families = append(families, byte(f))
		}
	}
	return families
}

func wrapped(doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("replica: %s: %w", doing, err)
}
