package live_test

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zeebo/xxh3"
	"go.uber.org/goleak"

	"grapevine/crdt/causal"
	"grapevine/services/live"
	"grapevine/services/schema"
	"grapevine/services/servicetest"
	"grapevine/services/social"
	"grapevine/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a few nodes over one store, of which the first hosts all partitions that
// it is not said to have lost.
type world struct {
	*servicetest.Store
	t     testing.TB
	nodes []*live.Service
	stop  context.CancelFunc
	ended sync.WaitGroup

	mu   sync.Mutex
	host int // index of the node that owns all, and is asked
	news int // calls of News
}

// Fresh shows every post as its id.
func (w *world) Fresh(_ context.Context, _ social.Identity, ids []string, _ social.PostFilter) ([]json.RawMessage, []bool, error) {
	return shown(ids), make([]bool, len(ids)), nil
}

func shown(ids []string) []json.RawMessage {
	all := make([]json.RawMessage, len(ids))
	for i, id := range ids {
		all[i] = json.RawMessage(`{"id":"` + id + `"}`)
	}
	return all
}

func (w *world) Notifications(_ context.Context, _ social.Identity, ids []string) ([]json.RawMessage, error) {
	return shown(ids), nil
}

func (w *world) Messages(_ context.Context, _ social.Identity, _ string, ids []string) ([]json.RawMessage, error) {
	return shown(ids), nil
}

// News is made of the change log, which is that of all writes.
func (w *world) News(ctx context.Context, r store.Range, seen *causal.Vector) ([]store.Entry, *causal.Vector, error) {
	w.mu.Lock()
	w.news++
	w.mu.Unlock()
	changes, err := w.Changes(ctx, 0, 1<<20)
	if err != nil {
		return nil, nil, err
	}
	now := causal.NewVector()
	for _, c := range changes {
		now.Add(c.Dot)
	}
	rows, err := w.Scan(ctx, r)
	rows = slices.DeleteFunc(rows, func(e store.Entry) bool {
		last, _ := e.Row.Last()
		return seen.Contains(last.Dot)
	})
	now.Merge(seen)
	return rows, now, err
}

// node is one of the nodes as it sees the others.
type node struct {
	w    *world
	self int
}

func (n node) Partitions() int                             { return servicetest.Partitions }
func (n node) PartitionOf(slot store.Slot) store.Partition { return servicetest.PartitionOf(slot) }

func (n node) Hosts(store.Partition) []string {
	n.w.mu.Lock()
	defer n.w.mu.Unlock()
	switch n.w.host {
	case -1:
		return nil
	case n.self:
		return []string{""}
	}
	return []string{fmt.Sprint(n.w.host)}
}

var errDown = errors.New("the node is down")

func (n node) Ask(ctx context.Context, to string, request []byte) ([]byte, error) {
	n.w.mu.Lock()
	host := n.w.host
	n.w.mu.Unlock()
	if host < 0 || fmt.Sprint(host) != to {
		return nil, errDown
	}
	return n.w.nodes[host].Answer(ctx, fmt.Sprint(n.self), request)
}

func newWorld(t testing.TB, nodes int, change func(*live.Config)) *world {
	ctx, cancel := context.WithCancel(context.Background())
	w := &world{Store: servicetest.New(nil), t: t, stop: cancel}
	for i := range nodes {
		cfg := live.Config{Store: w, Nodes: node{w, i}, Posts: w, Inbox: w}
		if change != nil {
			change(&cfg)
		}
		s := live.New(cfg)
		w.nodes = append(w.nodes, s)
		w.ended.Go(func() { s.Run(ctx) })
	}
	return w
}

func (w *world) close() {
	w.stop()
	w.ended.Wait()
}

func (w *world) put(k store.Key) {
	w.t.Helper()
	if _, err := w.Write(context.Background(), store.Write{Mutations: []store.Mutation{{Key: k, Op: store.Put}}}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) tag(name string) (post string) {
	post = social.NewID(7, time.Now())
	w.put(schema.Tagged(name, post))
	return post
}

// open opens a stream and takes its first event.
func (w *world) open(i int, channels ...string) *live.Stream {
	w.t.Helper()
	s, err := w.nodes[i].Open(context.Background(), bob, channels, "")
	if err != nil {
		w.t.Fatal(err)
	}
	if first := next(w.t, s); first[0].Kind != live.KindOpen || first[0].ID == "" {
		w.t.Fatalf("%+v", first)
	}
	return s
}

func next(t testing.TB, s *live.Stream) []live.Event {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	events, err := s.Next(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return events
}

// tells checks that the next event is of a post and no other.
func tells(t testing.TB, s *live.Stream, post string) {
	t.Helper()
	if events := next(t, s); len(events) != 1 || string(events[0].Data) != `{"id":"`+post+`"}` {
		t.Fatalf("%+v, want post %s", events, post)
	}
}

var bob = social.Identity{User: social.NewID(3, time.UnixMilli(1))}

func TestManyStreamsOfAListCostOneReadAndIdleOnesNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, func(c *live.Config) { c.MaxPerAccount = 1000 })
		defer w.close()
		var all []*live.Stream
		for range 100 {
			all = append(all, w.open(0, "tag:t"))
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if w.news != 1 {
			t.Errorf("%d reads for a hundred idle streams of a list, want that of the first", w.news)
		}
		post := w.tag("t")
		w.tag("other")
		for _, s := range all {
			tells(t, s, post)
			s.Close()
		}
		if w.news != 2 {
			t.Errorf("%d reads for a post, want one", w.news-1)
		}
	})
}

func TestWhatCameWhileAHostWasLostIsToldByTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3, nil)
		defer w.close()
		s := w.open(2, "tag:t", "public")
		defer s.Close()
		tells(t, s, w.tag("t"))
		for i := range 20 {
			w.mu.Lock()
			w.host = -1
			w.mu.Unlock()
			tagged := w.tag("t")
			time.Sleep(time.Duration(i) * time.Second)
			w.mu.Lock()
			w.host = i % 3 // itself too
			w.mu.Unlock()
			tells(t, s, tagged)
			tells(t, s, w.tag("t"))
			post := social.NewID(9, time.Now())
			w.put(schema.Post(post))
			tells(t, s, post)
		}
	})
}

func (w *world) publish() (post string) {
	w.t.Helper()
	post = social.NewID(9, time.Now())
	w.put(schema.Post(post))
	return post
}

func TestAStreamOfPublicResumedOnAnotherNodeGivesWhatIsNewAndNothingTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2, nil)
		defer w.close()
		w.publish() // before the stream began
		time.Sleep(5 * time.Second)
		s := w.open(0, "public")
		var last string
		for range 5 {
			post := w.publish()
			events := next(t, s)
			if len(events) != 1 || string(events[0].Data) != `{"id":"`+post+`"}` {
				t.Fatalf("%+v, want post %s", events, post)
			}
			last = events[0].ID
			time.Sleep(time.Second)
		}
		s.Close()
		missed := w.publish()
		resumed, err := w.nodes[1].Open(t.Context(), bob, []string{"public"}, last)
		if err != nil {
			t.Fatal(err)
		}
		defer resumed.Close()
		if first := next(t, resumed); first[0].Kind != live.KindOpen {
			t.Fatalf("%+v", first)
		}
		tells(t, resumed, missed)
		tells(t, resumed, w.publish())
	})
}

// deaf is the store of a node that owns nothing: its log has no changes.
type deaf struct{ live.Store }

func (deaf) Changes(context.Context, uint64, int) ([]store.Change, error) { return nil, nil }

// TestAPostThatItsHostCouldNotReadIsToldAllTheSame: the change is heard once.
func TestAPostThatItsHostCouldNotReadIsToldAllTheSame(t *testing.T) {
	for i, where := range []string{"on the host", "on another node"} {
		t.Run(where, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				nodes := 0
				w := newWorld(t, 2, func(c *live.Config) {
					if nodes++; nodes == 2 {
						c.Store = deaf{c.Store}
					}
				})
				defer w.close()
				s := w.open(i, "public")
				defer s.Close()
				synctest.Wait()
				w.Fail(func(_ []store.Key, write bool) error {
					if write {
						return nil
					}
					return store.ErrUnavailable
				})
				post := social.NewID(9, time.Now())
				w.put(schema.Post(post))
				time.Sleep(10 * time.Second)
				w.Fail(nil)
				tells(t, s, post)
			})
		})
	}
}

func TestAHostForgetsWhoNoLongerAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2, nil)
		defer w.close()
		s := w.open(1, "tag:t")
		tells(t, s, w.tag("t"))
		s.Close()
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		reads := w.news
		w.tag("t")
		synctest.Wait()
		if w.news != reads {
			t.Error("a list is read that nobody follows")
		}
	})
}

// seesAll is the id of an event of a stream of one list that claims to have been given
// all that a replica ever writes.
func seesAll(channel string) string {
	seen := causal.NewVector()
	seen.AddRange(1, causal.Range{First: 1, Last: 1 << 60})
	b := binary.BigEndian.AppendUint64([]byte{1, 1}, xxh3.HashString(channel))
	b = seen.Append(append(b, 0, 1))
	return base64.RawURLEncoding.EncodeToString(binary.BigEndian.AppendUint32(b, uint32(xxh3.Hash(b))))
}

// TestWhatOneClientClaimsToHaveSeenIsTakenFromNoOther: clients hold the ids of events,
// and can make them up.
func TestWhatOneClientClaimsToHaveSeenIsTakenFromNoOther(t *testing.T) {
	for i, where := range []string{"the list's host", "another node"} {
		t.Run(where, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 2, nil)
				defer w.close()
				w.tag("t")
				liar, err := w.nodes[i].Open(t.Context(), social.Identity{}, []string{"tag:t"}, seesAll("tag:t\x00t"))
				if err != nil {
					t.Fatal(err)
				}
				defer liar.Close()
				s := w.open(i, "tag:t")
				defer s.Close()
				tells(t, s, w.tag("t"))
			})
		})
	}
}

func TestStreamsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, func(c *live.Config) { c.MaxStreams, c.MaxPerAccount = 3, 2 })
		defer w.close()
		first := w.open(0, "tag:t")
		defer w.open(0, "tag:t").Close()
		_, err := w.nodes[0].Open(t.Context(), bob, []string{"tag:t"}, "")
		if social.KindOf(err) != social.Overloaded {
			t.Errorf("a third stream of an account: %v", err)
		}
		anyone, err := w.nodes[0].Open(t.Context(), social.Identity{}, []string{"tag:t"}, "")
		if err != nil {
			t.Fatal(err)
		}
		defer anyone.Close()
		if _, err = w.nodes[0].Open(t.Context(), social.Identity{}, []string{"tag:t"}, ""); social.KindOf(err) != social.Overloaded {
			t.Errorf("a fourth stream: %v", err)
		}
		first.Close()
		w.open(0, "tag:t").Close()
	})
}

func TestChannelsThatAreNoneAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1, nil)
	defer w.close()
	many := make([]string, live.MaxChannels+1)
	for i := range many {
		many[i] = fmt.Sprint("tag:t", i)
	}
	for _, channels := range [][]string{nil, {""}, {"homes"}, {"tag:"}, {"tag:#"}, {"channel:a b"}, {"channel"}, {"public", "x"}, many} {
		_, err := w.nodes[0].Open(t.Context(), bob, channels, "")
		var said *social.Error
		if !errors.As(err, &said) || said.Kind != social.Invalid || said.Field != "channels" {
			t.Errorf("%q: %v", channels, err)
		}
	}
	for _, private := range []string{"home", "notifications", "channel:c"} {
		if _, err := w.nodes[0].Open(t.Context(), social.Identity{}, []string{private}, ""); social.KindOf(err) != social.Unauthenticated {
			t.Errorf("%s: %v", private, err)
		}
	}
}

// FuzzAnswer: whatever another node asks, the answer is one, or an error.
func FuzzAnswer(f *testing.F) {
	w := newWorld(f, 1, nil)
	f.Cleanup(w.close)
	f.Add([]byte{0xa2, 1, 1, 2, 0xf5})
	f.Fuzz(func(t *testing.T, request []byte) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := w.nodes[0].Answer(ctx, "x", request); err != nil && err.Error() == "" {
			t.Error("an error that says nothing")
		}
	})
}
