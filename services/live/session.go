package live

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/fxamacker/cbor/v2"

	"grapevine/crdt/causal"
)

const (
	// sessionTime is how long a session lasts that nobody asks of.
	sessionTime = time.Minute
	// maxLists bounds the lists of a session.
	maxLists = 1 << 17
	// maxTold bounds the entries of one answer.
	maxTold = 4000
	// resumers bounds the lists of one request that are read at once.
	resumers = 8
)

// session is the lists that another node follows here. The hub's mutex guards it.
type session struct {
	id     uint64
	w      *waiter
	tails  map[uint64]*tail
	polled time.Time
}

// answer answers another node.
func (h *hub) answer(ctx context.Context, node string, encoded []byte) ([]byte, error) {
	var r request
	if err := bounded.Unmarshal(encoded, &r); err != nil {
		return nil, fmt.Errorf("live: malformed request: %w", err)
	}
	s, err := h.session(node, r)
	if err != nil {
		return nil, err
	}
	a := answer{Unknown: s == nil}
	switch {
	case s == nil:
	case r.Poll:
		a.News, err = h.tellNews(ctx, s)
	default:
		err = h.follow(ctx, s, r)
	}
	if err != nil {
		return nil, err
	}
	return cbor.Marshal(a)
}

// session gives the session that a node means, nil when there is none.
func (h *hub) session(node string, r request) (*session, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.draining {
		return nil, ErrDraining
	}
	s := h.sessions[node]
	if r.First {
		if s != nil {
			h.end(s)
		}
		s = &session{id: r.Session, w: newWaiter(), tails: map[uint64]*tail{}}
		h.sessions[node] = s
	}
	if s == nil || s.id != r.Session {
		return nil, nil
	}
	s.polled = h.cfg.Now()
	return s, nil
}

// follow joins and leaves lists.
func (h *hub) follow(ctx context.Context, s *session, r request) error {
	h.mu.Lock()
	for _, id := range r.Drop {
		if t := s.tails[id]; t != nil {
			delete(s.tails, id)
			h.leaveLocked(t)
		}
	}
	full := len(s.tails)+len(r.Add) > maxLists
	h.mu.Unlock()
	if full {
		return fmt.Errorf("live: more than %d lists", maxLists)
	}
	slots := make(chan struct{}, resumers)
	var all sync.WaitGroup
	var mu sync.Mutex
	var failed error
	defer all.Wait()
	for _, w := range r.Add {
		t, resume, err := h.joinFor(s, w)
		if err != nil {
			return err
		}
		if !resume {
			continue
		}
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			if err := h.resume(ctx, t); err != nil {
				mu.Lock()
				defer mu.Unlock()
				failed = errors.Join(failed, err)
			}
		})
	}
	all.Wait()
	return failed
}

func (h *hub) joinFor(s *session, w wanted) (*tail, bool, error) {
	if err := w.List.verify(h.cfg.Nodes.Partitions()); err != nil {
		return nil, false, err
	}
	var seen *causal.Vector
	if len(w.Seen) > 0 && !w.List.isPosts() {
		v, _, err := causal.ConsumeVector(w.Seen)
		if err != nil {
			return nil, false, err
		}
		seen = v
	}
	t, resume := h.joinFrom(w.List, s.w, w.ID, seen)
	h.mu.Lock()
	defer h.mu.Unlock()
	if s.tails == nil { // ended meanwhile
		h.leaveLocked(t)
		return nil, false, errUnknown
	}
	if old := s.tails[w.ID]; old != nil {
		h.leaveLocked(old)
	}
	s.tails[w.ID] = t
	return t, resume, nil
}

// tellNews gives what came to a session's lists, as soon as something did.
func (h *hub) tellNews(ctx context.Context, s *session) ([]news, error) {
	timer := time.NewTimer(pollTime)
	defer timer.Stop()
	for {
		if all := h.collect(s); len(all) > 0 {
			return all, nil
		}
		select {
		case <-s.w.woken:
		case <-timer.C:
			return nil, nil
		case <-h.drained:
			return nil, ErrDraining
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// collect takes what a session's tails have, up to a bound.
func (h *hub) collect(s *session) []news {
	var all []news
	for told := 0; told < maxTold; {
		t, c := h.next(s.w, keep)
		if t == nil {
			return all
		}
		n := news{ID: t.tag, Entries: c.entries, Gap: c.gap}
		if !c.more {
			n.Now = encodeVector(c.next.seen)
		}
		all = append(all, n)
		told += 1 + len(c.entries)
		h.moveOn(t, c)
	}
	tell(s.w.woken)
	return all
}

// expire ends the sessions that nobody asks of.
func (h *hub) expire() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for node, s := range h.sessions {
		if h.cfg.Now().Sub(s.polled) > sessionTime {
			h.end(s)
			delete(h.sessions, node)
		}
	}
}

// end leaves the lists of a session. The caller holds h.mu.
func (h *hub) end(s *session) {
	for _, t := range s.tails {
		h.leaveLocked(t)
	}
	s.tails = nil
}
