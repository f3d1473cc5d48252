package live

import (
	"cmp"
	"encoding/binary"
	"slices"
	"time"

	"github.com/zeebo/xxh3"

	"grapevine/services/social"
)

// clockSlack is how far the clock of a node that takes a post may be behind that of
// one at which a stream begins.
const clockSlack = 2 * time.Second

// given is what a stream has given of public, as far as it would be given again when
// the stream is resumed: the newest keep of the posts that are at most overlap older
// than the last.
type given struct {
	from  int64 // Unix milliseconds: what was made before is not given
	at    int64 // Unix milliseconds: the time of the newest
	posts []givenPost
}

// givenPost is a post by its time and a part of its id's hash. Only posts of the same
// millisecond can be taken for one another.
type givenPost struct {
	ms  int64
	sum uint16
}

func (p givenPost) compare(o givenPost) int {
	return cmp.Or(cmp.Compare(o.ms, p.ms), cmp.Compare(p.sum, o.sum)) // newest first
}

func postGiven(id string) givenPost {
	return givenPost{social.TimeOf(id).UnixMilli(), uint16(xxh3.HashString(id))}
}

// newGiven is that of a stream that begins at a time.
func newGiven(now time.Time) *given {
	return &given{from: now.Add(-clockSlack).UnixMilli(), at: now.UnixMilli()}
}

// since is the time of the oldest posts that a stream which comes back is to look for.
func (g *given) since() time.Time {
	return time.UnixMilli(max(g.from, g.at-overlap.Milliseconds()))
}

// lacks says whether a post is still to be given.
func (g *given) lacks(id string) bool {
	p := postGiven(id)
	_, has := slices.BinarySearchFunc(g.posts, p, givenPost.compare)
	return p.ms >= g.from && !has
}

// add notes that a post is given, and forgets what is not asked for any more.
func (g *given) add(id string) {
	p := postGiven(id)
	i, has := slices.BinarySearchFunc(g.posts, p, givenPost.compare)
	if !has {
		g.posts = slices.Insert(g.posts, i, p)
	}
	g.at = max(g.at, p.ms)
	oldest := g.since().UnixMilli()
	g.posts = slices.DeleteFunc(g.posts, func(p givenPost) bool { return p.ms < oldest })
	g.posts = g.posts[:min(len(g.posts), keep)]
}

// append adds the encoding of g, with the newest n of its posts, to b.
func (g *given) append(b []byte, n int) []byte {
	posts := g.posts[:min(n, len(g.posts))]
	b = binary.AppendVarint(b, g.from)
	b = binary.AppendUvarint(b, uint64(len(posts)))
	last := g.at
	for _, p := range posts {
		b = binary.AppendUvarint(b, uint64(last-p.ms))
		b = binary.BigEndian.AppendUint16(b, p.sum)
		last = p.ms
	}
	return b
}

// consumeGiven reads what was given until a time from the front of b, and returns the
// rest.
func consumeGiven(at int64, b []byte) (*given, []byte, error) {
	from, size := binary.Varint(b)
	if size <= 0 || from > maxMillis || from < -clockSlack.Milliseconds() {
		return nil, nil, ErrCursor
	}
	b = b[size:]
	n, size := binary.Uvarint(b)
	if size <= 0 || n > keep {
		return nil, nil, ErrCursor
	}
	b = b[size:]
	g := &given{from: from, at: at}
	for last := at; n > 0; n-- {
		ago, size := binary.Uvarint(b)
		if size <= 0 || ago > maxMillis || len(b) < size+2 {
			return nil, nil, ErrCursor
		}
		last -= int64(ago)
		g.posts = append(g.posts, givenPost{last, binary.BigEndian.Uint16(b[size:])})
		b = b[size+2:]
	}
	if !slices.IsSortedFunc(g.posts, givenPost.compare) {
		return nil, nil, ErrCursor
	}
	return g, b, nil
}
