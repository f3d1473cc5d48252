package live

import (
	"context"
	"time"

	"grapevine/crdt/causal"
)

// resume gives a tail what came to its list since seen, until it joined.
func (h *hub) resume(ctx context.Context, t *tail) error {
	from, err := h.known(ctx, t.feed)
	if err != nil {
		return err
	}
	for {
		rows, now, err := h.cfg.Store.News(ctx, t.feed.list.newest(keep), t.seen)
		if err != nil {
			return err
		}
		if now.Covers(from) { // else who answered lacks what the feed was told of before
			h.mu.Lock()
			defer h.mu.Unlock()
			t.backlog, t.behind, t.missed, t.held = entriesOf(rows), now, len(rows) == keep, false
			t.wake()
			return nil
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
}

// known gives what a feed has seen, once it has.
func (h *hub) known(ctx context.Context, f *feed) (*causal.Vector, error) {
	h.mu.Lock()
	now := f.now
	if now == nil && f.known == nil {
		f.known = make(chan struct{})
	}
	known := f.known
	h.mu.Unlock()
	if now != nil {
		return now, nil
	}
	select {
	case <-known:
		return h.known(ctx, f)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
