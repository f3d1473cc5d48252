package search_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"grapevine/services/posts"
	"grapevine/services/schema"
	"grapevine/services/search"
	"grapevine/services/search/text"
	"grapevine/services/servicetest"
	"grapevine/services/social"
	"grapevine/store"
)

// world is a cluster of nodes that keep what they own each, a partition on two of
// them, and answer searches together. Posts are read from all.
type world struct {
	*search.Service
	t             *testing.T
	nodes         []*machine
	all           *servicetest.Store
	texts         *posts.Service
	names         map[string]string
	asked         int // requests to nodes
	barred, muted map[string]bool

	mu sync.Mutex
}

// machine is one node of the world.
type machine struct {
	*search.Indexer
	rows   *servicetest.Store
	engine *text.Memory
	cfg    search.IndexerConfig
	stop   func()

	mu    sync.Mutex
	down  bool
	lags  bool
	owned func(store.Partition) bool
}

// simulate runs a test on n nodes in virtual time.
func simulate(t *testing.T, n int, test func(*testing.T, *world)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, names: map[string]string{}, all: servicetest.New(nil)}
		var err error
		if w.texts, err = posts.New(posts.Config{Rows: w.all, Users: w, Relations: w}); err != nil {
			t.Fatal(err)
		}
		w.Service = search.New(search.ServiceConfig{Posts: w.texts, Users: w, Relations: w, Nodes: w})
		for i := range n {
			m := &machine{rows: servicetest.New(nil), engine: new(text.Memory)}
			m.owned = func(p store.Partition) bool { return int(p)%n == i || (int(p)+1)%n == i }
			w.nodes = append(w.nodes, m)
			m.start()
		}
		defer func() {
			for _, m := range w.nodes {
				m.stop()
			}
		}()
		synctest.Wait()
		test(t, w)
	})
}

func (m *machine) start() {
	m.cfg = search.IndexerConfig{
		Engine: m.engine, Log: m.rows, Rows: m.rows, Scan: m.scan,
		Partitions:  func() int { return servicetest.Partitions },
		PartitionOf: servicetest.PartitionOf,
		Owns:        m.owns,
		Serves:      func(p store.Partition) bool { return m.owns(p) && !m.lagging() },
	}
	m.Indexer = search.NewIndexer(m.cfg)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		m.Run(ctx)
	}()
	m.stop = func() { cancel(); <-done }
}

func (m *machine) owns(p store.Partition) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.owned(p)
}

func (m *machine) lagging() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.lags
}

func (m *machine) set(change func(*machine)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change(m)
}

func (m *machine) scan(ctx context.Context, p store.Partition, visit func(store.Entry) error) error {
	for _, f := range []store.Family{schema.FamilyUser, schema.FamilyPost, schema.FamilyHome} {
		for _, k := range m.rows.Keys(f) {
			if servicetest.PartitionOf(k.Slot) != p {
				continue
			}
			row, err := m.rows.Get(ctx, k)
			if err == nil {
				err = visit(store.Entry{Key: k, Row: row})
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// Partitions implements search.Nodes.
func (w *world) Partitions() int { return servicetest.Partitions }

// Deal implements search.Nodes.
func (w *world) Deal(ps []store.Partition, tried func(string, store.Partition) bool) map[string][]store.Partition {
	deal := map[string][]store.Partition{}
	for _, p := range ps {
		for i, m := range w.nodes {
			if name := fmt.Sprint(i); m.owns(p) && !tried(name, p) {
				deal[name] = append(deal[name], p)
				break
			}
		}
	}
	return deal
}

// Ask implements search.Nodes.
func (w *world) Ask(ctx context.Context, node string, request []byte) ([]byte, error) {
	var i int
	if _, err := fmt.Sscan(node, &i); err != nil {
		return nil, err
	}
	w.mu.Lock()
	w.asked++
	w.mu.Unlock()
	m := w.nodes[i]
	m.mu.Lock()
	down := m.down
	m.mu.Unlock()
	if down {
		<-ctx.Done() // it hangs
		return nil, ctx.Err()
	}
	return m.Answer(ctx, request)
}

// Resolve implements search.Users.
func (w *world) Resolve(_ context.Context, ref string) (string, error) {
	if id, ok := w.names[strings.TrimPrefix(ref, "@")]; ok {
		return id, nil
	}
	return "", social.Errorf(social.NotFound, "no %s", ref)
}

// IDs implements posts.Directory.
func (w *world) IDs(_ context.Context, names []string) ([]string, error) {
	ids := make([]string, len(names))
	for i, name := range names {
		ids[i] = w.names[name]
	}
	return ids, nil
}

// GetMany implements search.Users.
func (w *world) GetMany(ctx context.Context, ids []string) (found []social.User, err error) {
	for _, id := range ids {
		row, err := w.all.Get(ctx, schema.User(id))
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		u, err := schema.DecodeUser(id, row)
		if err != nil {
			return nil, err
		}
		found = append(found, u)
	}
	return found, nil
}

// Barred implements search.Relations.
func (w *world) Barred(_ context.Context, reader string, _ []string) (map[string]bool, error) {
	return w.barred, nil
}

// Muted implements posts.Relations.
func (w *world) Muted(_ context.Context, reader string, _ []string) (map[string]bool, error) {
	return w.muted, nil
}

// Follows implements posts.Relations.
func (w *world) Follows(context.Context, string, []string) (map[string]bool, error) {
	return nil, nil
}

// write writes to every node that owns the partition.
func (w *world) write(ms ...store.Mutation) {
	w.t.Helper()
	stores := []*servicetest.Store{w.all}
	for _, m := range w.nodes {
		if m.owns(servicetest.PartitionOf(ms[0].Key.Slot)) {
			stores = append(stores, m.rows)
		}
	}
	for _, s := range stores {
		if _, err := s.Write(w.t.Context(), store.Write{Mutations: ms}); err != nil {
			w.t.Fatal(err)
		}
	}
}

func (w *world) signUp(name, shown string) social.Identity {
	id := social.NewID(uint16(len(w.names)*9973), time.Now())
	w.names[name] = id
	w.write(store.Mutation{Key: schema.User(id), Op: store.Put, Value: schema.EncodeUser(social.User{Username: name, DisplayName: shown})})
	return social.Identity{User: id}
}

func (w *world) post(who social.Identity, text string, v social.Visibility) string {
	time.Sleep(time.Millisecond) // ids are in order to the millisecond
	slot, _ := social.SlotOf(who.User)
	id := social.NewID(slot, time.Now())
	w.write(store.Mutation{Key: schema.Post(id), Op: store.Put, Value: schema.EncodePost(social.Post{Author: who.User, Text: text, Visibility: v})})
	return id
}

// settle waits until all is indexed.
func (w *world) settle() {
	time.Sleep(3 * time.Second)
	synctest.Wait()
}

// finds gives the texts that a search for posts shows.
func (w *world) finds(who social.Identity, in social.Search) []string {
	w.t.Helper()
	out := []string{}
	for cut := (social.Cut{Limit: 3}); ; {
		page, shards, err := w.Posts(w.t.Context(), who, in, cut)
		if err != nil {
			w.t.Fatalf("search %+v: %v", in, err)
		}
		if shards != (store.Coverage{Asked: servicetest.Partitions, Answered: servicetest.Partitions}) {
			w.t.Errorf("shards %+v", shards)
		}
		for _, f := range page.Items {
			var p social.Post
			if err := json.Unmarshal(f.Post, &p); err != nil {
				w.t.Fatal(err)
			}
			out = append(out, p.Text)
		}
		if cut.Cursor = page.Next; page.Next == "" {
			return out
		}
	}
}

func (w *world) wants(who social.Identity, query string, want ...string) {
	w.t.Helper()
	if got := w.finds(who, social.Search{Query: query, Order: social.NewestFirst}); !slices.Equal(got, want) && len(got)+len(want) > 0 {
		w.t.Errorf("%q finds %q, want %q", query, got, want)
	}
}

var anyone social.Identity

func TestPostsAreFoundOnAllNodesOnceEach(t *testing.T) {
	simulate(t, 5, func(t *testing.T, w *world) {
		var want []string
		for i := range 20 {
			who := w.signUp(fmt.Sprint("user", i), "")
			text := fmt.Sprint("grape number ", i)
			w.post(who, text, social.Public)
			want = append([]string{text}, want...)
		}
		w.settle()
		w.wants(anyone, "grapes", want...)
		ranked := w.finds(anyone, social.Search{Query: "grapes"})
		slices.Sort(ranked)
		slices.Sort(want)
		if !slices.Equal(ranked, want) {
			t.Errorf("by relevance: %q", ranked)
		}
	})
}

func TestAPostIsShownOnlyToThoseWhoMaySeeIt(t *testing.T) {
	simulate(t, 2, func(t *testing.T, w *world) {
		ada, bob, eve := w.signUp("ada", ""), w.signUp("bob", ""), w.signUp("eve", "")
		w.write(store.Mutation{Key: schema.Following(bob.User, ada.User), Op: store.Put})
		w.post(ada, "secret to @bob", social.Direct)
		w.post(ada, "secret to followers", social.Followers)
		w.post(ada, "no secret", social.Public)
		w.settle()
		w.wants(ada, "secret", "no secret", "secret to followers")
		w.wants(bob, "secret", "no secret", "secret to followers")
		w.wants(eve, "secret", "no secret")
		w.wants(anyone, "secret", "no secret")
	})
}

func TestADeletedPostIsGoneAtOnceAndAnEditIsFoundByItsNewWords(t *testing.T) {
	simulate(t, 2, func(t *testing.T, w *world) {
		ada := w.signUp("ada", "")
		gone, edited := w.post(ada, "grape one", social.Public), w.post(ada, "grape two", social.Public)
		w.settle()
		w.wants(anyone, "grape", "grape two", "grape one")
		w.write(store.Mutation{Key: schema.Post(gone), Op: store.Remove})
		w.wants(anyone, "grape", "grape two") // though the index has not heard of it
		w.write(store.Mutation{Key: schema.Post(edited), Op: store.Update, Fields: []store.FieldValue{{ID: schema.FieldEdit, Value: schema.EncodeEdit(time.Now(), "raisin")}}})
		w.settle()
		w.wants(anyone, "grape")
		w.wants(anyone, "raisins", "raisin")
	})
}

func TestFiltersNarrowASearch(t *testing.T) {
	simulate(t, 3, func(t *testing.T, w *world) {
		ada, bob := w.signUp("ada", ""), w.signUp("bob", "")
		w.post(ada, "das ist ein Test #Wein", social.Public)
		w.post(bob, "this is a test #wein", social.Public)
		time.Sleep(time.Hour)
		later := time.Now()
		w.post(ada, "this is another test", social.Public)
		w.settle()
		for _, c := range []struct {
			in   social.Search
			want []string
		}{
			{social.Search{Query: "test", Author: "@ada"}, []string{"this is another test", "das ist ein Test #Wein"}},
			{social.Search{Query: "test", Tag: "WEIN"}, []string{"this is a test #wein", "das ist ein Test #Wein"}},
			{social.Search{Query: "test", Language: "de"}, []string{"das ist ein Test #Wein"}},
			{social.Search{Query: "test", Since: later}, []string{"this is another test"}},
			{social.Search{Query: "test", Until: later, Author: "@bob"}, []string{"this is a test #wein"}},
			{social.Search{Author: "@bob"}, []string{"this is a test #wein"}},
		} {
			c.in.Order = social.NewestFirst
			if got := w.finds(anyone, c.in); !slices.Equal(got, c.want) {
				t.Errorf("%+v finds %q, want %q", c.in, got, c.want)
			}
		}
	})
}

func TestUsersAndTagsAreFoundAsTheyAreTyped(t *testing.T) {
	simulate(t, 3, func(t *testing.T, w *world) {
		ada := w.signUp("ada", "Ada Lovelace")
		w.signUp("adam", "")
		gone := w.signUp("adele", "")
		for i := range 7 {
			w.post(ada, fmt.Sprint("about #vine ", i), social.Public)
			w.post(w.signUp(fmt.Sprint("x", i), ""), "about #Vine and #vinegar", social.Public)
		}
		w.post(ada, "of no concern to you #vintage", social.Followers)
		w.settle()
		w.write(store.Mutation{Key: schema.User(gone.User), Op: store.Remove})
		page, _, err := w.Users(t.Context(), anyone, social.Search{Query: "ad"}, social.Cut{})
		if err != nil || len(page.Items) != 2 || page.Items[0].Username != "adam" || page.Items[1].Username != "ada" {
			t.Errorf("users %+v, %v", page, err)
		}
		var tags []social.TagFinding
		for cut := (social.Cut{Limit: 1}); ; {
			page, shards, err := w.Tags(t.Context(), social.Search{Query: "#vin"}, cut)
			if err != nil || shards.Answered != shards.Asked {
				t.Fatalf("%+v, %v", shards, err)
			}
			tags = append(tags, page.Items...)
			if cut.Cursor = page.Next; page.Next == "" {
				break
			}
		}
		if want := []social.TagFinding{{Tag: "vine", Posts: 14}, {Tag: "vinegar", Posts: 7}}; !slices.Equal(tags, want) {
			t.Errorf("tags %+v, want %+v", tags, want)
		}
	})
}

func TestBlocksAndMutesHoldInSearches(t *testing.T) {
	simulate(t, 2, func(t *testing.T, w *world) {
		ada, bob := w.signUp("ada", ""), w.signUp("bob", "")
		w.post(ada, "grape", social.Public)
		w.post(bob, "grape too", social.Public)
		w.settle()
		w.muted = map[string]bool{ada.User: true}
		w.wants(bob, "grape", "grape too")
		w.wants(anyone, "grape", "grape too", "grape")
		if got := w.finds(bob, social.Search{Query: "grape", Author: "@ada"}); len(got) != 1 {
			t.Errorf("asked for by name, a muted author has %q", got)
		}
		w.muted, w.barred = nil, map[string]bool{ada.User: true}
		w.wants(bob, "grape", "grape too")
		if got := w.finds(bob, social.Search{Query: "grape", Author: "@ada"}); len(got) != 0 {
			t.Errorf("asked for by name, an author behind a block has %q", got)
		}
		for who, want := range map[social.Identity]int{bob: 0, anyone: 1} {
			page, _, err := w.Users(t.Context(), who, social.Search{Query: "ada"}, social.Cut{})
			if err != nil || len(page.Items) != want {
				t.Errorf("%+v, %v; want %d", page, err, want)
			}
		}
	})
}

func TestASearchSaysWhatNobodyAnswersFor(t *testing.T) {
	simulate(t, 4, func(t *testing.T, w *world) {
		for i := range 16 {
			w.post(w.signUp(fmt.Sprint("user", i), ""), "grape", social.Public)
		}
		w.settle()
		w.nodes[1].set(func(m *machine) { m.down = true })
		if got := w.finds(anyone, social.Search{Query: "grape"}); len(got) != 16 {
			t.Errorf("%d posts are found without a node, of 16", len(got))
		}
		w.nodes[2].set(func(m *machine) { m.down = true })
		page, shards, err := w.Posts(t.Context(), anyone, social.Search{Query: "grape"}, social.Cut{})
		if err != nil || shards.Asked != 16 || shards.Answered != 12 || len(page.Items) >= 16 || len(page.Items) == 0 {
			t.Errorf("without two nodes: %d posts, shards %+v, %v", len(page.Items), shards, err)
		}
		for _, m := range w.nodes {
			m.set(func(m *machine) { m.down = true })
		}
		if _, _, err := w.Posts(t.Context(), anyone, social.Search{Query: "grape"}, social.Cut{}); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("without any: %v", err)
		}
	})
}

func TestANodeThatHasEverythingIsAskedAlone(t *testing.T) {
	simulate(t, 1, func(t *testing.T, w *world) {
		w.post(w.signUp("ada", ""), "grape", social.Public)
		w.settle()
		w.asked = 0
		w.wants(anyone, "grape", "grape")
		if w.asked != 1 {
			t.Errorf("%d requests for the newest", w.asked)
		}
	})
}

func TestAnIndexThatIsLostIsMadeAnewFromTheRows(t *testing.T) {
	simulate(t, 1, func(t *testing.T, w *world) {
		ada := w.signUp("ada", "")
		w.post(ada, "grape one", social.Public)
		w.settle()
		m := w.nodes[0]
		for _, lose := range []func(){
			func() { m.engine = new(text.Memory) },
			func() { _ = m.engine.Apply(text.Batch{Notes: map[string][]byte{"version": []byte("0")}}) },
			func() { _ = m.engine.Apply(text.Batch{Notes: map[string][]byte{"cursor": make([]byte, 8)}}) },
			func() {},
		} {
			m.stop()
			lose()
			m.start()
			w.settle()
			w.wants(anyone, "grape", "grape one")
		}
	})
}

func TestAPartitionIsAnsweredForWhileItIsServedAndIndexed(t *testing.T) {
	simulate(t, 2, func(t *testing.T, w *world) {
		ada := w.signUp("ada", "")
		w.settle()
		first := w.nodes[0]
		first.set(func(m *machine) { m.lags = true })
		w.post(ada, "while one catches up", social.Public)
		w.settle()
		w.wants(anyone, "while", "while one catches up") // from the other
		first.set(func(m *machine) { m.lags = false })
		w.nodes[1].set(func(m *machine) { m.down = true })
		w.settle()
		w.wants(anyone, "while", "while one catches up") // what was held is indexed now
		// What moves away is forgotten, and what comes back is indexed as it is then.
		first.set(func(m *machine) { m.owned = func(store.Partition) bool { return false } })
		w.settle()
		if err := first.engine.View(func(s text.Snapshot) error {
			if n, err := s.Documents(); n != 0 || err != nil {
				t.Errorf("%d documents are left, %v", n, err)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		first.set(func(m *machine) { m.owned = func(store.Partition) bool { return true } })
		w.settle()
		w.wants(anyone, "while", "while one catches up")
	})
}

func TestTheIndexKeepsTheLogFromWhatItHasNotSeen(t *testing.T) {
	simulate(t, 1, func(t *testing.T, w *world) {
		ada := w.signUp("ada", "")
		w.settle()
		m := w.nodes[0]
		m.set(func(m *machine) { m.lags = true })
		before, err := m.rows.Cursor(t.Context(), "search")
		if err != nil || before == 0 {
			t.Fatalf("cursor %d, %v", before, err)
		}
		w.post(ada, "held", social.Public)
		w.settle()
		if at, _ := m.rows.Cursor(t.Context(), "search"); at != before {
			t.Errorf("the cursor moved to %d past what is not indexed, from %d", at, before)
		}
		m.stop() // before it is indexed
		m.set(func(m *machine) { m.lags = false })
		m.start()
		w.settle()
		w.wants(anyone, "held", "held")
	})
}

func TestMalformedSearchesNameTheField(t *testing.T) {
	simulate(t, 1, func(t *testing.T, w *world) {
		w.signUp("ada", "")
		w.settle()
		for _, c := range []struct {
			field string
			in    social.Search
			cut   social.Cut
		}{
			{"q", social.Search{}, social.Cut{}},
			{"q", social.Search{Query: "(a"}, social.Cut{}},
			{"sort", social.Search{Query: "a", Order: "best"}, social.Cut{}},
			{"lang", social.Search{Query: "a", Language: "english"}, social.Cut{}},
			{"tag", social.Search{Query: "a", Tag: "a b"}, social.Cut{}},
			{"author", social.Search{Query: "a", Author: "@nobody"}, social.Cut{}},
			{"until", social.Search{Query: "a", Since: time.Now(), Until: time.Now().Add(-time.Hour)}, social.Cut{}},
			{"limit", social.Search{Query: "a"}, social.Cut{Limit: 101}},
			{"cursor", social.Search{Query: "a"}, social.Cut{Cursor: "x"}},
			{"cursor", social.Search{Query: "a"}, social.Cut{Cursor: "g_k8AGCA"}},
		} {
			_, _, err := w.Posts(t.Context(), anyone, c.in, c.cut)
			var e *social.Error
			if !errors.As(err, &e) || e.Kind != social.Invalid || e.Field != c.field {
				t.Errorf("%+v %+v: %v, want field %s", c.in, c.cut, err, c.field)
			}
		}
		for _, q := range []string{"", "...", strings.Repeat("a ", 70)} {
			if _, _, err := w.Users(t.Context(), anyone, social.Search{Query: q}, social.Cut{}); social.KindOf(err) != social.Invalid {
				t.Errorf("users %q: %v", q, err)
			}
			if _, _, err := w.Tags(t.Context(), social.Search{Query: q}, social.Cut{}); social.KindOf(err) != social.Invalid {
				t.Errorf("tags %q: %v", q, err)
			}
		}
		if _, _, err := w.Users(t.Context(), anyone, social.Search{Query: "a", Author: "x"}, social.Cut{}); social.KindOf(err) != social.Invalid {
			t.Errorf("users with an author: %v", err)
		}
	})
}

// No message of another node makes a node panic or answer more than was asked for.
func FuzzAnswer(f *testing.F) {
	x := search.NewIndexer(search.IndexerConfig{
		Engine: new(text.Memory), Log: servicetest.New(nil), Rows: servicetest.New(nil),
		Partitions: func() int { return 16 }, PartitionOf: servicetest.PartitionOf,
		Owns: func(store.Partition) bool { return true }, Serves: func(store.Partition) bool { return true },
	})
	f.Add([]byte{0xa0})
	f.Fuzz(func(t *testing.T, request []byte) {
		if reply, err := x.Answer(t.Context(), request); err == nil && len(reply) == 0 {
			t.Error("an empty reply")
		}
	})
}
