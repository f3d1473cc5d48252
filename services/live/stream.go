package live

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"grapevine/services/schema"
	"grapevine/services/social"
	"grapevine/store"
)

// Kind is what an event tells.
type Kind string

// The kinds of event. Open is a stream's first. Gap says that items of a channel were
// left out before the next. Closed is the last event of a stream that the node ends.
const (
	KindOpen         Kind = "open"
	KindPost         Kind = "post"
	KindNotification Kind = "notification"
	KindMessage      Kind = "message"
	KindGap          Kind = "gap"
	KindClosed       Kind = "closed"
)

// Event is one thing that a stream tells. ID, when not empty, is where the stream is
// behind it: a stream opened with it, on any node, goes on from there. Data is JSON:
// the item, or an object that says more.
type Event struct {
	ID      string
	Kind    Kind
	Channel string
	Data    json.RawMessage
}

// ErrDraining ends the streams of a node that is being stopped.
var ErrDraining = errors.New("live: the node is being stopped")

const (
	openTime  = 5 * time.Second // for the lists of a stream to be read
	batch     = 50              // items that Next renders at once
	retryWait = time.Second     // before items that cannot be read are tried again
)

// Stream is what one client follows. It is for one goroutine.
type Stream struct {
	s        *Service
	w        *waiter
	who      social.Identity
	channels []channel
	mains    []*tail          // of channels, in their order
	at       time.Time        // of the last of home, for merged authors
	given    *given           // of public
	authors  map[string]*tail // whose posts home merges in
	pending  []Event          // the first
	home     int              // index of home in channels, -1 without
}

// Open begins a stream for who of the channels: home, notifications, public,
// tag:NAME, channel:NAME, 1 to MaxChannels of them. After, when not empty, is the id
// of the last event that the client had, of a stream on any node; what came since
// comes first, in channels that were in that stream. It fails with Invalid for
// channels, with Unauthenticated for those that need an account, with ErrCursor, and
// with Overloaded and Unavailable.
func (s *Service) Open(ctx context.Context, who social.Identity, channels []string, after string) (*Stream, error) {
	all, err := parseChannels(who, channels)
	if err != nil {
		return nil, err
	}
	from := cursor{}
	if after != "" {
		if from, err = parseCursor(after); err != nil {
			return nil, err
		}
	}
	if err := s.hub.admit(who, s.cfg); err != nil {
		return nil, err
	}
	st := &Stream{s: s, w: newWaiter(), who: who, channels: all, at: s.cfg.Now(), given: newGiven(s.cfg.Now()), home: -1}
	ctx, cancel := context.WithTimeout(ctx, openTime)
	defer cancel()
	if err := st.begin(ctx, from); err != nil {
		st.Close()
		if errors.Is(err, context.DeadlineExceeded) {
			err = store.ErrUnavailable
		}
		return nil, err
	}
	return st, nil
}

// admit counts a stream in.
func (h *hub) admit(who social.Identity, cfg Config) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.draining:
		return social.Errorf(social.Unavailable, "the node is being stopped; ask another")
	case h.cfg.Nodes.Partitions() == 0:
		return social.Errorf(social.Unavailable, "the node has not joined its cluster yet; ask another")
	case h.streams >= cfg.MaxStreams:
		return social.Errorf(social.Overloaded, "the node has as many streams as it can; ask another")
	case !who.Anonymous() && h.accounts[who.User] >= cfg.MaxPerAccount:
		return social.Errorf(social.Overloaded, "your account has %d streams on this node; close one", cfg.MaxPerAccount)
	}
	h.streams++
	if !who.Anonymous() {
		h.accounts[who.User]++
	}
	h.metrics.streams.Set(float64(h.streams))
	return nil
}

// Close ends the stream.
func (st *Stream) Close() {
	for _, t := range st.mains {
		st.s.hub.leave(t)
	}
	for _, t := range st.authors {
		st.s.hub.leave(t)
	}
	st.mains, st.authors = nil, nil
	h := st.s.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	h.streams--
	if u := st.who.User; u != "" {
		if h.accounts[u]--; h.accounts[u] == 0 {
			delete(h.accounts, u)
		}
	}
	h.metrics.streams.Set(float64(h.streams))
}

// begin joins the lists of all channels.
func (st *Stream) begin(ctx context.Context, from cursor) error {
	h := st.s.hub
	var resumed []*tail
	for i, c := range st.channels {
		m := from[c.key()]
		t, resume := h.join(c.list, st.w, uint64(i), m.seen)
		st.mains = append(st.mains, t)
		if resume {
			resumed = append(resumed, t)
		}
		var err error
		switch {
		case c.list == public && m.given != nil:
			st.given = m.given
			err = st.resumePublic(ctx, t)
		case c.name == "home":
			if st.home = i; !m.at.IsZero() {
				st.at = m.at
			}
			err = st.mergeAuthors(ctx, m.at)
		}
		if err != nil {
			return err
		}
	}
	for _, t := range resumed {
		if err := h.resume(ctx, t); err != nil {
			return err
		}
	}
	for _, t := range st.mains {
		if t.feed.list == public {
			continue
		}
		if _, err := h.known(ctx, t.feed); err != nil {
			return err
		}
	}
	return st.greet()
}

// greet makes the first event.
func (st *Stream) greet() error {
	names := make([]string, len(st.channels))
	for i, c := range st.channels {
		names[i] = c.name
	}
	data, err := json.Marshal(map[string]any{"channels": names})
	st.pending = []Event{{ID: st.cursor(), Kind: KindOpen, Data: data}}
	return err
}

// resumePublic gives the tail of public what was posted since the stream was here.
func (st *Stream) resumePublic(ctx context.Context, t *tail) error {
	found, full, err := st.s.hub.newestPosts(ctx, st.given.since())
	if err != nil {
		return err
	}
	st.s.hub.before(t, found, full && st.given.lacks(found[0].ID))
	return nil
}

// before gives a tail entries that came before it joined.
func (h *hub) before(t *tail, found []entry, missed bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	t.backlog, t.missed = found, missed
	t.wake()
}

// cursor gives where the stream is.
func (st *Stream) cursor() string {
	h := st.s.hub
	c := cursor{}
	h.mu.Lock()
	for i, t := range st.mains {
		m := mark{seen: t.seen}
		switch {
		case i == st.home:
			m.at = st.at
		case st.channels[i].list == public:
			m.given = st.given
		}
		c[st.channels[i].key()] = m
	}
	h.mu.Unlock()
	return c.String()
}

// Next waits for events and gives them. An event may come again, with the same item,
// above all when a stream was resumed. It fails with ErrDraining when the node is
// stopped, and with ctx's error when that ends first; the stream can go on after.
func (st *Stream) Next(ctx context.Context) ([]Event, error) {
	if first := st.pending; first != nil {
		st.pending = nil
		return first, nil
	}
	h := st.s.hub
	for {
		select {
		case <-h.drained:
			return nil, ErrDraining
		default:
		}
		if t, c := h.next(st.w, batch); t != nil {
			events, err := st.take(ctx, t, c)
			if err != nil || len(events) > 0 {
				return events, err
			}
			continue
		}
		select {
		case <-st.w.woken:
		case <-h.drained:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// take makes events of what came to a tail. What cannot be read now is put off.
func (st *Stream) take(ctx context.Context, t *tail, c cut) ([]Event, error) {
	h := st.s.hub
	if t.feed.list.Family == schema.FamilyMerged {
		if err := st.mergeAuthors(ctx, st.at); err != nil {
			return nil, st.putOff(ctx, t, err)
		}
		h.moveOn(t, c)
		return nil, nil
	}
	ch := st.channels[t.tag]
	entries := c.entries
	if ch.list == public {
		entries = slices.DeleteFunc(slices.Clone(entries), func(e entry) bool { return !st.given.lacks(e.ID) })
	}
	if t.feed.list.Family == schema.FamilyAuthorPost {
		merged, err := st.merges(ctx, t)
		if err != nil {
			return nil, st.putOff(ctx, t, err)
		}
		if !merged {
			return nil, nil
		}
	}
	items, err := st.render(ctx, ch, entries)
	if err != nil {
		return nil, st.putOff(ctx, t, err)
	}
	h.moveOn(t, c)
	return st.events(ch, int(t.tag), entries, items, c.gap), nil
}

func (st *Stream) putOff(ctx context.Context, t *tail, err error) error {
	st.s.cfg.Logger.Debug("a stream cannot read what came; it will try again", "list", t.feed.list, "error", err)
	st.s.hub.wakeAgain(t)
	return pause(ctx, retryWait)
}

// events gives what is shown of entries.
func (st *Stream) events(ch channel, at int, entries []entry, items []json.RawMessage, gap bool) []Event {
	var events []Event
	now := st.s.cfg.Now()
	for i, item := range items {
		if id := entries[i].ID; item != nil {
			events = append(events, Event{Kind: ch.kind, Channel: ch.name, Data: item})
			st.s.metrics.gave(ch.kind, id, now)
			if ch.list == public {
				st.given.add(id)
			}
		}
	}
	if gap {
		st.s.metrics.gaps.Inc()
		events = slices.Insert(events, 0, gapEvent(ch, entries))
	}
	if len(events) > 0 {
		if at == st.home {
			st.at = now
		}
		events[len(events)-1].ID = st.cursor()
	}
	return events
}

func gapEvent(ch channel, entries []entry) Event {
	said := struct {
		Before string `json:"before,omitempty"`
		Detail string `json:"detail"`
	}{Detail: "items were left out; the pages of the list have them"}
	if len(entries) > 0 {
		said.Before = entries[0].ID
	}
	data, err := json.Marshal(said)
	if err != nil {
		panic(err) // a struct of strings
	}
	return Event{Kind: KindGap, Channel: ch.name, Data: data}
}
