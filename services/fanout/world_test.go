package fanout_test

import (
	"context"
	"encoding/json"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"grapevine/services/fanout"
	"grapevine/services/graph"
	"grapevine/services/posts"
	"grapevine/services/schema"
	"grapevine/services/servicetest"
	"grapevine/services/social"
	"grapevine/services/timeline"
	"grapevine/services/users"
	"grapevine/store"
)

// world is the services over one store, for use in a synctest bubble.
type world struct {
	t         *testing.T
	rows      *servicetest.Store
	users     *users.Service
	graph     *graph.Service
	posts     *posts.Service
	timelines *timeline.Service
}

func newWorld(t *testing.T) *world {
	t.Helper()
	rows := servicetest.New(nil)
	accounts, err := users.New(users.Config{Rows: rows, HashCost: users.Cost{Memory: 8, Time: 1, Threads: 1}})
	if err != nil {
		t.Fatal(err)
	}
	relations, err := graph.New(graph.Config{Rows: rows, Users: accounts})
	if err != nil {
		t.Fatal(err)
	}
	texts, err := posts.New(posts.Config{Rows: rows, Users: accounts, Relations: relations, Current: rows.Current})
	if err != nil {
		t.Fatal(err)
	}
	timelines, err := timeline.New(timeline.Config{Rows: rows, Posts: texts, Current: rows.Current})
	if err != nil {
		t.Fatal(err)
	}
	rows.OnChange(texts.Invalidate)
	rows.OnChange(timelines.Invalidate)
	return &world{t, rows, accounts, relations, texts, timelines}
}

// must fails the test on an error.
func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) signUp(name string) social.Identity {
	w.t.Helper()
	session, err := w.users.Create(w.t.Context(), social.NewUser{Username: name, Password: "correct horse"})
	w.must(err)
	return social.Identity{User: session.User.ID, TokenID: "token"}
}

func (w *world) follow(who, whom social.Identity) {
	w.t.Helper()
	w.must(w.graph.Follow(w.t.Context(), who, who.User, whom.User))
}

func (w *world) unfollow(who, whom social.Identity) {
	w.t.Helper()
	w.must(w.graph.Unfollow(w.t.Context(), who, who.User, whom.User))
}

// post posts, a millisecond after the last post so that ids are in order.
func (w *world) post(who social.Identity, n social.NewPost) string {
	w.t.Helper()
	time.Sleep(time.Millisecond)
	p, err := w.posts.Create(w.t.Context(), who, n)
	w.must(err)
	return p.ID
}

// home gives the ids of the rows of a home timeline, shown or not, oldest first.
func (w *world) home(who social.Identity) []string { return w.rowsOf(schema.FamilyHome, who) }

func (w *world) rowsOf(f store.Family, who social.Identity) []string {
	var ids []string
	for _, k := range w.rows.Keys(f) {
		if owner, other, _ := schema.Split(k); owner == who.User {
			ids = append(ids, other)
		}
	}
	return ids
}

// shown gives the ids on the first page of a home timeline, newest first.
func (w *world) shown(who social.Identity) []string {
	w.t.Helper()
	page, err := w.timelines.Home(w.t.Context(), who, social.PostFilter{}, social.Cut{})
	w.must(err)
	var ids []string
	for _, raw := range page.Items {
		var p social.Post
		w.must(json.Unmarshal(raw, &p))
		ids = append(ids, p.ID)
	}
	return ids
}

// log is a node's own cursors over the shared change log.
type log struct {
	*servicetest.Store
	mu      sync.Mutex
	cursors map[string]uint64 // by consumer
	reads   int
	held    bool // shows nothing
}

func (l *log) hold(held bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held = held
}

func (l *log) Changes(ctx context.Context, after uint64, limit int) ([]store.Change, error) {
	l.mu.Lock()
	l.reads++
	held := l.held
	l.mu.Unlock()
	if held {
		return nil, nil
	}
	return l.Store.Changes(ctx, after, limit)
}

func (l *log) Cursor(_ context.Context, consumer string) (uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cursors[consumer], nil
}

func (l *log) SaveCursor(_ context.Context, consumer string, seq uint64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cursors[consumer] = seq
	return nil
}

func (l *log) saved() uint64 { seq, _ := l.Cursor(context.Background(), "fanout"); return seq }

// node is a worker that runs.
type node struct {
	*fanout.Worker
	log   *log
	leads atomic.Bool
	told  chan []store.Seen // what it announced
	stop  func()
}

func newLog(w *world) *log { return &log{Store: w.rows, cursors: map[string]uint64{}} }

// start runs a worker that leads every partition, or none, until the test ends or
// stop is called.
func (w *world) start(l *log, leads bool, change func(*fanout.Config)) *node {
	n := &node{log: l, told: make(chan []store.Seen, 1000)}
	n.leads.Store(leads)
	cfg := fanout.Config{
		Log: l, Rows: w.rows, PartitionOf: servicetest.PartitionOf,
		Leads:    func(store.Partition) bool { return n.leads.Load() },
		Announce: func(done []store.Seen) { n.told <- done },
	}
	if change != nil {
		change(&cfg)
	}
	n.Worker = fanout.New(cfg)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }()
	n.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			w.t.Errorf("Run: %v", err)
		}
	})
	w.t.Cleanup(n.stop)
	return n
}

// inBubble runs a test on virtual time. The bubble ends only when all goroutines
// have.
func inBubble(t *testing.T, test func(w *world)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { test(newWorld(t)) })
}
