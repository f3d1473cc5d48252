package memdb

import (
	"bytes"
	"strings"
)

type snapshot struct{ rows *tree }

func (s snapshot) Get(key []byte) ([]byte, bool, error) {
	value, ok := s.rows.Get(string(key))
	if !ok {
		return nil, false, nil
	}
	return bytes.Clone(value), true, nil
}

func (s snapshot) Scan(prefix, from []byte, reverse bool, fn func(key, value []byte) bool) error {
	visit := func(key string, value []byte) bool {
		return strings.HasPrefix(key, string(prefix)) && fn([]byte(key), value)
	}
	if !reverse {
		s.rows.Ascend(string(later(prefix, from)), visit)
		return nil
	}
	end, bounded := successor(prefix)
	switch {
	case len(from) > 0 && (!bounded || bytes.Compare(from, end) < 0):
		s.rows.Descend(string(from), visit)
	case bounded:
		s.descendBelow(string(end), visit)
	default:
		s.rows.Reverse(visit)
	}
	return nil
}

// descendBelow visits the keys < end in descending order.
func (s snapshot) descendBelow(end string, visit func(string, []byte) bool) {
	s.rows.Descend(end, func(key string, value []byte) bool {
		return key == end || visit(key, value)
	})
}

func later(a, b []byte) []byte {
	if bytes.Compare(a, b) < 0 {
		return b
	}
	return a
}

// successor returns the least key greater than every key that begins with
// prefix; there is none when prefix is empty or all 0xff.
func successor(prefix []byte) ([]byte, bool) {
	for i := len(prefix) - 1; i >= 0; i-- {
		if prefix[i] != 0xff {
			end := bytes.Clone(prefix[:i+1])
			end[i]++
			return end, true
		}
	}
	return nil, false
}
