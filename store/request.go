package store

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"slices"
	"sync"

	"grapevine/crdt/causal"
)

// Consistency is how many owners a read asks.
type Consistency uint8

const (
	One    Consistency = iota // the healthiest caught-up owner
	Quorum                    // a majority of owners, merged
)

// Default and All are special values of Request.Durability.
const (
	Default = 0  // two copies, or as many as there are reachable owners
	All     = -1 // every owner
)

// Request carries what a client asked of the store for one API call, and
// collects what the call must report back. It travels in the context. A context
// without one means a Request of zero fields. It is safe for concurrent use.
type Request struct {
	Consistency Consistency
	// Durability is the number of durable copies a write must have for the call
	// to succeed, or Default or All. A default write succeeds with fewer.
	Durability int

	mu      sync.Mutex
	session []Seen
	copies  int
	wrote   bool
}

// Seen is one write that a session has made and must therefore see.
type Seen struct {
	Partition Partition
	Dot       causal.Dot
}

// maxSession bounds the writes that a session token names: the newest.
const maxSession = 16

// ErrSession is returned for a session token that no node issued.
var ErrSession = errors.New("store: malformed session token")

type requestKey struct{}

// WithRequest returns a context that carries r.
func WithRequest(ctx context.Context, r *Request) context.Context {
	return context.WithValue(ctx, requestKey{}, r)
}

// RequestOf gives the context's Request, or nil.
func RequestOf(ctx context.Context) *Request {
	r, _ := ctx.Value(requestKey{}).(*Request)
	return r
}

// Record notes a write of the call. Later reads in the call, and of the session,
// see it.
func (r *Request) Record(receipt Receipt) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if receipt.Copies > 0 && (!r.wrote || receipt.Copies < r.copies) {
		r.copies, r.wrote = receipt.Copies, true
	}
	if !receipt.Dot.IsZero() {
		r.see(Seen{receipt.Partition, receipt.Dot})
	}
}

func (r *Request) see(s Seen) {
	// A coordinator's later dot of the partition implies no earlier one, but a
	// replica that has the later nearly always has both: the newest is kept.
	r.session = slices.DeleteFunc(r.session, func(o Seen) bool {
		same := o.Partition == s.Partition && o.Dot.Replica == s.Dot.Replica
		if same {
			s.Dot.Seq = max(s.Dot.Seq, o.Dot.Seq)
		}
		return same
	})
	r.session = append(r.session, s)
	if extra := len(r.session) - maxSession; extra > 0 {
		r.session = slices.Delete(r.session, 0, extra)
	}
}

// Copies gives the fewest durable copies that any write of the call had, and
// whether it wrote at all.
func (r *Request) Copies() (int, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.copies, r.wrote
}

// Needs gives the dots of a partition that the session has written.
func (r *Request) Needs(p Partition) []causal.Dot {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	var dots []causal.Dot
	for _, s := range r.session {
		if s.Partition == p {
			dots = append(dots, s.Dot)
		}
	}
	return dots
}

// Token gives the session token to hand to the client.
func (r *Request) Token() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	b := []byte{1} // version
	for _, s := range r.session {
		b = binary.BigEndian.AppendUint16(b, uint16(s.Partition))
		b = causal.AppendDot(b, s.Dot)
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// Resume takes up the session of a token. Callers do so before the first read
// or write.
func (r *Request) Resume(token string) error {
	if len(token) > 1024 {
		return ErrSession
	}
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(b) == 0 || b[0] != 1 {
		return ErrSession
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for b = b[1:]; len(b) > 0; {
		if len(b) < 2 {
			return ErrSession
		}
		p := Partition(binary.BigEndian.Uint16(b))
		dot, rest, err := causal.ConsumeDot(b[2:])
		if err != nil || dot.IsZero() {
			return ErrSession
		}
		r.see(Seen{p, dot})
		b = rest
	}
	return nil
}
