package trends_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"grapevine/services/schema"
	"grapevine/services/servicetest"
	"grapevine/services/social"
	"grapevine/services/trends"
	"grapevine/store"
)

// world is two nodes that own one half of the partitions each, but for what a test
// moves, and that answer for the trends together.
type world struct {
	*trends.Service
	t     *testing.T
	nodes [2]*machine

	mu    sync.Mutex
	owner func(store.Partition) int
	down  int           // a node that does not answer, -1 for none
	ahead time.Duration // of the clock that ticks
}

type machine struct {
	*trends.Counter
	rows *servicetest.Store
}

func simulate(t *testing.T, maxPosts int, test func(*testing.T, *world)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, down: -1, owner: func(p store.Partition) int { return int(p) % 2 }}
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		for i := range w.nodes {
			m := &machine{rows: servicetest.New(nil)}
			m.Counter = trends.NewCounter(trends.CounterConfig{
				Log: m.rows, Rows: m.rows, Posts: m.posts, PartitionOf: servicetest.PartitionOf, Now: w.now, MaxPosts: maxPosts,
				Partitions: func() int { return servicetest.Partitions },
				Serves: func(p store.Partition) bool {
					w.mu.Lock()
					defer w.mu.Unlock()
					return w.owner(p) == i
				},
			})
			w.nodes[i] = m
			running.Go(func() { m.Run(ctx) })
		}
		w.Service = trends.New(w)
		defer func() { cancel(); running.Wait() }()
		test(t, w)
	})
}

// posts gives posts of some partitions as the index of a node does.
func (m *machine) posts(wanted []store.Partition, before string, limit int) ([]store.Entry, error) {
	all, _, err := m.rows.ScanIndex(context.Background(), store.IndexRange{Family: schema.FamilyPost, After: before, Reverse: true, Limit: 1 << 20})
	all = slices.DeleteFunc(all, func(e store.Entry) bool { return !slices.Contains(wanted, servicetest.PartitionOf(e.Key.Slot)) })
	return all[:min(len(all), limit)], err
}

// Partitions implements trends.Nodes.
func (w *world) Partitions() int { return servicetest.Partitions }

// Deal implements trends.Nodes: it tries the other node too.
func (w *world) Deal(ps []store.Partition, tried func(string, store.Partition) bool) map[string][]store.Partition {
	w.mu.Lock()
	defer w.mu.Unlock()
	deal := map[string][]store.Partition{}
	for _, p := range ps {
		for _, i := range []int{w.owner(p), 1 - w.owner(p)} {
			if name := fmt.Sprint(i); !tried(name, p) {
				deal[name] = append(deal[name], p)
				break
			}
		}
	}
	return deal
}

// Ask implements trends.Nodes.
func (w *world) Ask(ctx context.Context, node string, request []byte) ([]byte, error) {
	i := int(node[0] - '0')
	w.mu.Lock()
	down := w.down
	w.mu.Unlock()
	if i == down {
		<-ctx.Done() // it hangs
		return nil, ctx.Err()
	}
	return w.nodes[i].Answer(ctx, request)
}

func (w *world) set(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Now().Add(w.ahead)
}

// author is the nth account. Neighbours lie in different partitions.
func author(n int) string {
	return social.DerivedID(uint16(n%servicetest.Partitions)<<12, time.Unix(0, 0), fmt.Sprint(n))
}

// post has an author post some time ago. Both nodes hold it, as after a move.
func (w *world) post(n int, ago time.Duration, text string) store.Key {
	w.t.Helper()
	slot, _ := social.SlotOf(author(n))
	id := social.NewID(slot, w.now().Add(-ago))
	w.write(store.Mutation{Key: schema.Post(id), Op: store.Put, Value: schema.EncodePost(social.Post{Author: author(n), Text: text, Visibility: social.Public})})
	return schema.Post(id)
}

func (w *world) write(ms ...store.Mutation) {
	w.t.Helper()
	for _, m := range w.nodes {
		if _, err := m.rows.Write(w.t.Context(), store.Write{Mutations: ms}); err != nil {
			w.t.Fatal(err)
		}
	}
}

// trending gives the trends as "tag posts authors usual", once all is counted.
func (w *world) trending(answered int) string {
	w.t.Helper()
	time.Sleep(5 * time.Second) // virtual: longer than the counter rests
	tags, coverage, err := w.Tags(w.t.Context(), 0)
	if err != nil || coverage != (store.Coverage{Asked: servicetest.Partitions, Answered: answered}) {
		w.t.Fatalf("coverage %+v: %v", coverage, err)
	}
	var out []string
	for _, t := range tags {
		out = append(out, fmt.Sprintf("%s %d %d %.1f", t.Tag, t.Posts, t.Authors, t.Usual))
	}
	return strings.Join(out, ", ")
}

func (w *world) shows(want string) {
	w.t.Helper()
	if got := w.trending(servicetest.Partitions); got != want {
		w.t.Errorf("trending %q, want %q", got, want)
	}
}

const day = 24 * time.Hour

func TestWhatManyUseNowAndDidNotBeforeTrendsMost(t *testing.T) {
	simulate(t, 0, func(t *testing.T, w *world) {
		for n := range 5 {
			w.post(n, time.Hour, "#new")
			for d := range 7 {
				w.post(n, time.Duration(d)*day+time.Hour, "#usual")
			}
		}
		for range 50 {
			w.post(9, time.Minute, "#loud")
		}
		for n := range 3 {
			w.post(n, time.Minute, "#rising")
		}
		for d := range 6 {
			w.post(1, time.Duration(d+1)*day, "#rising")
		}
		// Five authors a day are what is usual of #usual, but for the prior: it scores
		// next to nothing.
		w.shows("new 5 5 0.0, rising 3 3 1.0, loud 50 1 0.0, usual 5 5 5.0")
	})
}

func TestATagStopsToTrendWhenTheWindowHasPassed(t *testing.T) {
	simulate(t, 0, func(t *testing.T, w *world) {
		w.post(1, 0, "#old")
		w.post(2, 0, "#old")
		w.shows("old 2 2 0.0")
		w.set(func() { w.ahead += 25 * time.Hour })
		w.shows("")
		w.post(1, 0, "#old")
		w.post(2, 0, "#old")
		w.post(3, 0, "#old")
		w.shows("old 3 3 0.3")
		w.set(func() { w.ahead += 6 * day })
		w.post(3, 0, "#old")
		w.post(4, 0, "#old")
		w.shows("old 2 2 0.5")
	})
}

func TestAnEditAndARemovalLeaveTheCountThatAFreshOneHas(t *testing.T) {
	simulate(t, 0, func(t *testing.T, w *world) {
		edited, removed := w.post(1, 0, "#a"), w.post(2, 0, "#a #b")
		w.post(2, 0, "#b")
		w.shows("a 2 2 0.0, b 2 1 0.0")
		w.write(store.Mutation{Key: edited, Op: store.Update, Fields: []store.FieldValue{{ID: schema.FieldEdit, Value: schema.EncodeEdit(time.Now(), "#c")}}})
		w.write(store.Mutation{Key: removed, Op: store.Remove})
		w.shows("b 1 1 0.0, c 1 1 0.0")
	})
}

func TestAPostIsCountedOnceWhileItsPartitionMoves(t *testing.T) {
	simulate(t, 0, func(t *testing.T, w *world) {
		for n := range 16 {
			w.post(n, 0, "#grape")
		}
		w.shows("grape 16 16 0.0")
		w.set(func() { w.owner = func(p store.Partition) int { return 1 - int(p)%2 } })
		if tags, coverage, err := w.Tags(t.Context(), 0); err == nil {
			t.Errorf("nobody has counted what it owns yet, and %v of %+v trend", tags, coverage)
		}
		w.shows("grape 16 16 0.0")
		w.post(3, 0, "#grape")
		w.shows("grape 17 16 0.0")
	})
}

func TestTrendsSayHowMuchOfTheClusterTheyAreOf(t *testing.T) {
	simulate(t, 0, func(t *testing.T, w *world) {
		for n := range 16 {
			w.post(n, 0, "#grape")
		}
		w.shows("grape 16 16 0.0")
		w.set(func() { w.down = 1 })
		if got := w.trending(servicetest.Partitions / 2); got != "grape 8 8 0.0" {
			t.Errorf("trending %q", got)
		}
	})
}

// hashtags gives n hashtags of an author's own.
func hashtags(author, from, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "#t%dx%d ", author, from+i)
	}
	return b.String()
}

func TestTagsBeyondWhatOneAnswerHoldsAreStillCountedWhole(t *testing.T) {
	simulate(t, 0, func(t *testing.T, w *world) {
		for n := range 8 { // each node has more tags than it answers with
			for i := range 5 {
				w.post(n, 0, hashtags(n, 32*i, 32))
			}
		}
		for _, n := range []int{0, 2, 4, 1} { // three on one node, and one on the other
			w.post(n, 0, "#zebra")
		}
		tags := w.trending(servicetest.Partitions)
		if !strings.HasPrefix(tags, "zebra 4 4 0.0, ") {
			t.Errorf("trending %.200q", tags)
		}
	})
}

func TestTheOldestPostsGoWhenThereAreTooMany(t *testing.T) {
	simulate(t, 20, func(t *testing.T, w *world) {
		for d := range 7 {
			for n := range 6 + d/3 { // more were there earlier
				w.post(2*n, time.Duration(d)*day+2*time.Hour, "#grape") // all on one node
			}
		}
		w.post(0, 0, "#fresh")
		// What is left of the baseline is two days, and still says what is usual.
		w.post(14, 0, "#grape")
		w.shows("fresh 1 1 0.0, grape 7 7 6.0")
	})
}

func TestARequestThatIsNoneIsRefused(t *testing.T) {
	simulate(t, 0, func(t *testing.T, w *world) {
		for _, request := range []string{"", "x", "\xa1\x01\x9f", strings.Repeat("\x81", 100)} {
			if _, err := w.nodes[0].Answer(t.Context(), []byte(request)); err == nil {
				t.Errorf("%q was answered", request)
			}
		}
		for _, limit := range []int{-1, social.MaxPage + 1} {
			if _, _, err := w.Tags(t.Context(), limit); social.KindOf(err) != social.Invalid {
				t.Errorf("limit %d: %v", limit, err)
			}
		}
	})
}
