package replica

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"sync"

	"grapevine/crdt/causal"
	"grapevine/store"
)

// appendChanges encodes the changes of one commit: the sequence number of the
// first, then each without its own.
func appendChanges(b []byte, changes []store.Change) []byte {
	b = binary.BigEndian.AppendUint64(b, changes[0].Seq)
	b = binary.AppendUvarint(b, uint64(len(changes)))
	for _, c := range changes {
		b = binary.BigEndian.AppendUint16(b, uint16(c.Partition))
		b = causal.AppendDot(b, c.Dot)
		b = appendKeys(b, c.Keys)
	}
	return b
}

func consumeChanges(b []byte) ([]store.Change, error) {
	if len(b) < 8 {
		return nil, errMalformed
	}
	seq := binary.BigEndian.Uint64(b)
	count, b, err := consumeCount(b[8:])
	if err != nil {
		return nil, err
	}
	var changes []store.Change
	for i := range count {
		var c store.Change
		if len(b) < 2 {
			return nil, errMalformed
		}
		c.Seq = seq + uint64(i)
		c.Partition = store.Partition(binary.BigEndian.Uint16(b))
		if c.Dot, b, err = causal.ConsumeDot(b[2:]); err != nil {
			return nil, err
		}
		if c.Keys, b, err = consumeKeys(b); err != nil {
			return nil, err
		}
		changes = append(changes, c)
	}
	return changes, nil
}

// signal tells any number of subscribers, each coalesced, that something moved.
type signal struct {
	mu   sync.Mutex
	subs map[chan struct{}]struct{}
}

func (s *signal) subscribe() (<-chan struct{}, func()) {
	ch := make(chan struct{}, 1)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.subs == nil {
		s.subs = map[chan struct{}]struct{}{}
	}
	s.subs[ch] = struct{}{}
	return ch, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.subs, ch)
	}
}

func (s *signal) raise() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for ch := range s.subs {
		select {
		case ch <- struct{}{}:
		default:
		}
	}
}

// Changes implements store.ChangeLog.
func (s *Store) Changes(_ context.Context, after uint64, limit int) ([]store.Change, error) {
	var out []store.Change
	err := s.engine.View(func(snapshot store.Snapshot) error {
		var bad error
		err := snapshot.Scan([]byte{spaceChanges}, changeKey(after+1), false, func(_, value []byte) bool {
			changes, err := consumeChanges(value)
			if err != nil {
				bad = fmt.Errorf("change log after %d: %w", after, err)
				return false
			}
			for _, c := range changes {
				if c.Seq > after && len(out) < limit {
					out = append(out, c)
				}
			}
			return len(out) < limit
		})
		if err == nil {
			err = bad
		}
		return err
	})
	return out, err
}

// Appended implements store.ChangeLog.
func (s *Store) Appended() (<-chan struct{}, func()) { return s.appended.subscribe() }

// Cursor implements store.ChangeLog.
func (s *Store) Cursor(_ context.Context, consumer string) (uint64, error) {
	var seq uint64
	err := s.engine.View(func(snapshot store.Snapshot) error {
		value, ok, err := snapshot.Get(metaKey(metaCursor + consumer))
		if ok && len(value) == 8 {
			seq = binary.BigEndian.Uint64(value)
		}
		return err
	})
	return seq, err
}

// trimChunk bounds the entries of the change log dropped in one commit.
const trimChunk = 1024

// SaveCursor implements store.ChangeLog. It also drops what all consumers with a
// cursor have passed.
func (s *Store) SaveCursor(ctx context.Context, consumer string, seq uint64) error {
	var b store.Batch
	b.Put(metaKey(metaCursor+consumer), binary.BigEndian.AppendUint64(nil, seq))
	for {
		if err := s.trim(&b, consumer, seq); err != nil {
			return fmt.Errorf("change log: %w", err)
		}
		last := b.Ops[len(b.Ops)-1]
		if err := s.engine.Commit(ctx, &b); err != nil {
			return err
		}
		if !last.Delete {
			return nil
		}
		s.trimmed.Store(binary.BigEndian.Uint64(last.Key[1:]))
		if len(b.Ops) < trimChunk {
			return nil
		}
		b = store.Batch{}
		b.Put(metaKey(metaCursor+consumer), binary.BigEndian.AppendUint64(nil, seq))
	}
}

// trim adds to a batch the removal of the oldest entries that a consumer at seq
// and all others have passed.
func (s *Store) trim(b *store.Batch, consumer string, seq uint64) error {
	return s.engine.View(func(snapshot store.Snapshot) error {
		passed := seq
		own := string(metaKey(metaCursor + consumer))
		err := snapshot.Scan(metaKey(metaCursor), nil, false, func(key, value []byte) bool {
			if string(key) != own && len(value) == 8 {
				passed = min(passed, binary.BigEndian.Uint64(value))
			}
			return true
		})
		if err != nil {
			return err
		}
		// The newest entry stays: it tells the next start where to go on. The scan
		// begins where the last one ended, not at a heap of the engine's tombstones.
		passed = min(passed, s.lastChange.Load()-1)
		return snapshot.Scan([]byte{spaceChanges}, changeKey(s.trimmed.Load()+1), false, func(key, _ []byte) bool {
			if len(key) != 9 || binary.BigEndian.Uint64(key[1:]) > passed {
				return false
			}
			b.Delete(bytes.Clone(key))
			return len(b.Ops) < trimChunk
		})
	})
}
