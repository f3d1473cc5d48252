package live

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"slices"
	"time"

	"github.com/zeebo/xxh3"

	"grapevine/crdt/causal"
)

// ErrCursor is returned for an event id that no node gave.
var ErrCursor = errors.New("live: not the id of an event")

const (
	cursorVersion = 1
	// maxCursor bounds the bytes of a cursor before its encoding, which makes it a
	// third longer.
	maxCursor = 3000
	// MaxEventID bounds the bytes of an event's id.
	MaxEventID = 4 << 10
)

// mark is where a stream is in one channel: what has been seen of the channel's
// list, with the time of the last item, or, of public, which has no vector, what was
// given.
type mark struct {
	seen  *causal.Vector // nil when unknown
	at    time.Time      // to the millisecond; zero when unknown
	given *given         // of public alone; at is its own
}

// What follows on the time of a mark.
const (
	markTime byte = iota // nothing
	markSeen
	markGiven
)

// cursor is where a stream is, by the keys of its channels.
type cursor map[uint64]mark

// String gives the cursor as the id of an event. What is too much of vectors for the
// bound is left out, and will be given again.
func (c cursor) String() string {
	var b []byte
	for _, ranges := range []int{8, 2, 1, 0} {
		if b = c.encode(ranges); len(b) <= maxCursor {
			break
		}
	}
	b = binary.BigEndian.AppendUint32(b, uint32(xxh3.Hash(b)))
	return base64.RawURLEncoding.EncodeToString(b)
}

func (c cursor) encode(ranges int) []byte {
	b := binary.AppendUvarint([]byte{cursorVersion}, uint64(len(c)))
	keys := make([]uint64, 0, len(c))
	for key := range c {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		m := c[key]
		b = binary.BigEndian.AppendUint64(b, key)
		b = m.append(b, ranges)
	}
	return b
}

func (m mark) append(b []byte, ranges int) []byte {
	ms := int64(0)
	switch {
	case m.given != nil:
		ms = m.given.at
	case !m.at.IsZero():
		ms = m.at.UnixMilli()
	}
	b = binary.AppendVarint(b, ms)
	switch {
	case m.given != nil:
		return m.given.append(append(b, markGiven), ranges*keep/8)
	case m.seen != nil:
		return abridged(m.seen, ranges).Append(append(b, markSeen))
	}
	return append(b, markTime)
}

// abridged gives what is in the longest ranges of each replica. All of a vector but a
// few dots is in the first: what it lacks is mostly on its way.
func abridged(v *causal.Vector, ranges int) *causal.Vector {
	short := causal.NewVector()
	for _, replica := range v.Replicas() {
		rs := slices.Clone(v.Ranges(replica))
		slices.SortFunc(rs, func(a, b causal.Range) int {
			if a.Last-a.First > b.Last-b.First {
				return -1
			}
			return 1
		})
		for _, r := range rs[:min(len(rs), ranges)] {
			short.AddRange(replica, r)
		}
	}
	return short
}

// parseCursor reads an event's id.
func parseCursor(id string) (cursor, error) {
	if len(id) > MaxEventID {
		return nil, ErrCursor
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(id)
	if err != nil || len(b) < 6 || b[0] != cursorVersion {
		return nil, ErrCursor
	}
	b, sum := b[:len(b)-4], binary.BigEndian.Uint32(b[len(b)-4:])
	if uint32(xxh3.Hash(b)) != sum {
		return nil, ErrCursor
	}
	n, size := binary.Uvarint(b[1:])
	if size <= 0 || n > MaxChannels {
		return nil, ErrCursor
	}
	c := cursor{}
	for b = b[1+size:]; n > 0; n-- {
		if b, err = c.consume(b); err != nil {
			return nil, ErrCursor
		}
	}
	if len(b) > 0 {
		return nil, ErrCursor
	}
	return c, nil
}

// consume reads a channel's mark from the front of b and returns the rest.
func (c cursor) consume(b []byte) ([]byte, error) {
	if len(b) < 8 {
		return nil, ErrCursor
	}
	key := binary.BigEndian.Uint64(b)
	ms, size := binary.Varint(b[8:])
	if size <= 0 || ms < 0 || ms > maxMillis || len(b) <= 8+size {
		return nil, ErrCursor
	}
	var m mark
	if ms > 0 {
		m.at = time.UnixMilli(ms)
	}
	rest, err := b[8+size+1:], error(nil)
	switch b[8+size] {
	case markTime:
	case markSeen:
		m.seen, rest, err = causal.ConsumeVector(rest)
	case markGiven:
		m.given, rest, err = consumeGiven(ms, rest)
	default:
		err = ErrCursor
	}
	c[key] = m
	return rest, err
}

// maxMillis is the last time of a ULID.
const maxMillis = 1<<48 - 1
