package live

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/fxamacker/cbor/v2"

	"grapevine/crdt/causal"
	"grapevine/services/schema"
)

const (
	pollTime = 20 * time.Second // that a host waits for something to tell
	askTime  = 10 * time.Second // for a host to answer, beyond that
	// joinChunk bounds the lists joined, and left, by one request.
	joinChunk = 1000
	// retryTime is between a session that failed and the next.
	retryTime = 500 * time.Millisecond
)

// request is what a node asks of one that hosts lists for it: to begin a session, if
// First, to follow lists in it and to leave some, or else, if Poll, for what came to
// them.
type request struct {
	Session uint64   `cbor:"1,keyasint"`
	First   bool     `cbor:"2,keyasint,omitempty"`
	Poll    bool     `cbor:"3,keyasint,omitempty"`
	Add     []wanted `cbor:"4,keyasint,omitempty"`
	Drop    []uint64 `cbor:"5,keyasint,omitempty"`
}

// wanted is a list, by an id that answers use, with what was seen of it.
type wanted struct {
	ID   uint64 `cbor:"1,keyasint"`
	List list   `cbor:"2,keyasint"`
	Seen []byte `cbor:"3,keyasint,omitempty"`
}

// answer is what came to lists. Unknown says that there is no such session.
type answer struct {
	Unknown bool   `cbor:"1,keyasint,omitempty"`
	News    []news `cbor:"2,keyasint,omitempty"`
}

// news is what came to a list, and what has been seen with it. Gap says that there was
// more.
type news struct {
	ID      uint64  `cbor:"1,keyasint"`
	Entries []entry `cbor:"2,keyasint,omitempty"`
	Now     []byte  `cbor:"3,keyasint,omitempty"`
	Gap     bool    `cbor:"4,keyasint,omitempty"`
}

var bounded = func() cbor.DecMode {
	mode, err := cbor.DecOptions{MaxArrayElements: 131072, MaxNestedLevels: 8}.DecMode()
	if err != nil {
		panic(err) // the options are constants
	}
	return mode
}()

var errUnknown = errors.New("live: the host has no such session")

// runPeer follows lists at another node, session after session.
func (h *hub) runPeer(ctx context.Context, p *peer) {
	for ctx.Err() == nil {
		h.begin(p)
		err := h.followPeer(ctx, p)
		if ctx.Err() != nil {
			return
		}
		h.cfg.Logger.Debug("another node tells no more of lists; it will be asked again", "node", p.node, "error", err)
		if !errors.Is(err, errUnknown) {
			h.mu.Lock()
			h.avoid[p.node] = h.cfg.Now()
			h.mu.Unlock()
		}
		if pause(ctx, retryTime) != nil {
			return
		}
	}
}

// followPeer is one session.
func (h *hub) followPeer(ctx context.Context, p *peer) error {
	if err := h.joinPending(ctx, p, true); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	polls := make(chan struct{})
	go func() {
		defer close(polls)
		cancel(h.poll(ctx, p))
	}()
	defer func() {
		cancel(nil)
		<-polls
	}()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-p.changed:
		}
		if err := h.joinPending(ctx, p, false); err != nil {
			return err
		}
	}
}

// joinPending joins and leaves what is to be joined and left.
func (h *hub) joinPending(ctx context.Context, p *peer, first bool) error {
	for {
		h.mu.Lock()
		r := request{Session: p.session, First: first}
		n := min(len(p.pending), joinChunk)
		for _, f := range p.pending[:n] {
			if p.feeds[f.id] == f {
				r.Add = append(r.Add, wanted{ID: f.id, List: f.list, Seen: encodeVector(f.now)})
			}
		}
		p.pending = p.pending[n:]
		n = min(len(p.dropped), joinChunk)
		r.Drop, p.dropped = p.dropped[:n:n], p.dropped[n:]
		h.mu.Unlock()
		if !first && len(r.Add)+len(r.Drop) == 0 {
			return nil
		}
		if _, err := h.ask(ctx, p.node, r); err != nil {
			return err
		}
		if first = false; slices.ContainsFunc(r.Add, func(w wanted) bool { return w.List.isPosts() }) {
			h.mu.Lock()
			h.rescan = true // what came before the host was asked
			h.mu.Unlock()
			tell(h.work)
		}
	}
}

func encodeVector(v *causal.Vector) []byte {
	if v == nil {
		return nil
	}
	return v.Append(nil)
}

// poll takes what the host tells, until it tells no more.
func (h *hub) poll(ctx context.Context, p *peer) error {
	for {
		a, err := h.ask(ctx, p.node, request{Session: p.session, Poll: true})
		if err != nil {
			return err
		}
		h.mu.Lock()
		for _, n := range a.News {
			if f := p.feeds[n.ID]; f != nil && err == nil {
				err = h.take(f, n)
			}
		}
		h.mu.Unlock()
		if err != nil {
			return err
		}
	}
}

// take adds what a host told to a feed. The caller holds h.mu.
func (h *hub) take(f *feed, n news) error {
	if f.list.Family == schema.FamilyPost {
		h.takePosts(f, n.Entries, n.Gap)
		return nil
	}
	var fresh []entry
	for _, e := range n.Entries {
		if f.now == nil || !f.now.Contains(e.Dot) {
			fresh = append(fresh, e)
		}
	}
	if len(fresh) > 0 || n.Gap {
		f.append(fresh, n.Gap)
	}
	if n.Now == nil {
		return nil
	}
	now, _, err := causal.ConsumeVector(n.Now)
	if err == nil {
		f.settle(union(f.now, now))
	}
	return err
}

func (h *hub) ask(ctx context.Context, node string, r request) (a answer, err error) {
	ctx, cancel := context.WithTimeout(ctx, pollTime+askTime)
	defer cancel()
	encoded, err := cbor.Marshal(r)
	if err != nil {
		return a, err
	}
	reply, err := h.cfg.Nodes.Ask(ctx, node, encoded)
	if err == nil {
		err = bounded.Unmarshal(reply, &a)
	}
	if err == nil && a.Unknown {
		err = errUnknown
	}
	return a, err
}
