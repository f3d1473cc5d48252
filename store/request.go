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
	// ID names the client's request in the logs of all nodes that take part in it: at
	// most MaxRequestID bytes, or empty. It is set before the first read or write.
	ID string

	mu      sync.Mutex
	session []written
	copies  int
	wrote   bool
}

// MaxRequestID bounds the bytes of a request's id.
const MaxRequestID = 64

// Seen is one write that a session has made and must therefore see.
type Seen struct {
	Partition Partition
	Dot       causal.Dot
}

// Need is writes of one coordinator in one partition that a session must see: from
// the first to the last of its own. Others' writes may lie between, but leaving
// them out would take a name for each.
type Need struct {
	Replica causal.Replica
	causal.Range
}

// written is what a session has written in one partition through one coordinator.
type written struct {
	partition Partition
	Need
}

// maxSession bounds the partitions and coordinators that a session token names:
// those written to last.
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

// Name gives the request's id, "" for no request.
func (r *Request) Name() string {
	if r == nil {
		return ""
	}
	return r.ID
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
		at := causal.Range{First: receipt.Dot.Seq, Last: receipt.Dot.Seq}
		r.see(written{receipt.Partition, Need{receipt.Dot.Replica, at}})
	}
}

func (r *Request) see(w written) {
	// An owner that has the later of two writes may still lack the earlier.
	r.session = slices.DeleteFunc(r.session, func(o written) bool {
		same := o.partition == w.partition && o.Replica == w.Replica
		if same {
			w.First, w.Last = min(w.First, o.First), max(w.Last, o.Last)
		}
		return same
	})
	r.session = append(r.session, w)
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

// Needs gives the writes of a partition that the session must see.
func (r *Request) Needs(p Partition) []Need {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	var needs []Need
	for _, w := range r.session {
		if w.partition == p {
			needs = append(needs, w.Need)
		}
	}
	return needs
}

// sessionVersion begins every token.
const sessionVersion = 2

// Token gives the session token to hand to the client.
func (r *Request) Token() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	b := []byte{sessionVersion}
	for _, w := range r.session {
		b = binary.BigEndian.AppendUint16(b, uint16(w.partition))
		b = causal.AppendDot(b, causal.Dot{Replica: w.Replica, Seq: w.Last})
		b = binary.AppendUvarint(b, w.Last-w.First)
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
	if err != nil || len(b) == 0 || b[0] != sessionVersion {
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
		span, n := binary.Uvarint(rest)
		if n <= 0 || span >= dot.Seq {
			return ErrSession
		}
		r.see(written{p, Need{dot.Replica, causal.Range{First: dot.Seq - span, Last: dot.Seq}}})
		b = rest[n:]
	}
	return nil
}
