package node_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"grapevine/node"
	"grapevine/node/config"
	"grapevine/p2p"
	"grapevine/p2p/simnet"
	"grapevine/services/users"
	"grapevine/store/memdb"
	"grapevine/store/replica"
)

// A ward is five nodes, of which the last falls sick, with clients of the other four.
type ward struct {
	tb     testing.TB
	net    *simnet.Network
	nodes  []*node.Node
	ids    []p2p.NodeID
	disks  []*memdb.DB
	people []*account
	posts  []string
}

const patient = 4 // the node that falls sick

// A sickness befalls the last node, and lasts until the returned function is called.
type sickness struct {
	name  string
	begin func(*ward) (end func())
}

var sicknesses = []sickness{
	{"pauses", func(w *ward) func() {
		return w.every(3*time.Second, func() { w.net.Pause(w.ids[patient]) }, func() { w.net.Resume(w.ids[patient]) })
	}},
	{"slow-disk", func(w *ward) func() {
		w.disks[patient].Slow(300 * time.Millisecond)
		return func() { w.disks[patient].Slow(0) }
	}},
	{"far-away", func(w *ward) func() {
		w.link(simnet.Conditions{MinDelay: 200 * time.Millisecond, MaxDelay: 210 * time.Millisecond})
		return func() { w.link(quick.Conditions()) }
	}},
}

var quick = simnet.Options{Seed: 7, MinDelay: 200 * time.Microsecond, MaxDelay: time.Millisecond}

// every makes the patient worse and better by turns.
func (w *ward) every(turn time.Duration, worse, better func()) (end func()) {
	over, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		defer better()
		for i := 0; ; i++ {
			[]func(){worse, better}[i%2]()
			select {
			case <-time.After(turn):
			case <-over:
				return
			}
		}
	}()
	return func() { close(over); <-ended }
}

func (w *ward) link(c simnet.Conditions) {
	for _, other := range w.ids[:patient] {
		w.net.SetLink(other, w.ids[patient], c)
		w.net.SetLink(w.ids[patient], other, c)
	}
}

// byPlace asks this node, then the reachable ones in the ring's order: what there is
// without regard to health.
type byPlace struct {
	self  p2p.NodeID
	alive func(p2p.NodeID) bool
}

func (r byPlace) Order(_ replica.Op, candidates []replica.Candidate) (order []p2p.NodeID) {
	for _, c := range candidates {
		order = append(order, c.Node)
	}
	slices.SortStableFunc(order, func(a, b p2p.NodeID) int { return r.place(a) - r.place(b) })
	return order
}

func (r byPlace) place(id p2p.NodeID) int {
	switch {
	case id == r.self:
		return 0
	case r.alive(id):
		return 1
	default:
		return 2
	}
}

func (byPlace) Begin(replica.Op, p2p.NodeID) func(replica.Outcome) { return func(replica.Outcome) {} }
func (byPlace) HedgeAfter(replica.Op) time.Duration                { return time.Hour }
func (byPlace) Heard(p2p.NodeID) bool                              { return true }
func (byPlace) Again() bool                                        { return true }

// open starts a ward with people who have posted. It must be closed.
func openWard(tb testing.TB, byHealth bool) *ward {
	w := &ward{tb: tb, net: simnet.New(quick)}
	for i := range patient + 1 {
		w.join(i, byHealth)
	}
	for _, n := range w.nodes {
		for deadline := time.Now().Add(time.Minute); !n.Active(); time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				tb.Fatal("a node does not get active")
			}
		}
	}
	for i := range 40 {
		ada := &account{}
		w.do(i%patient, ada, "POST", "/v1/users", map[string]string{"username": fmt.Sprint("user", i), "password": "a long password"}, ada)
		w.people = append(w.people, ada)
		w.posts = append(w.posts, w.post(i%patient, ada, "before"))
	}
	return w
}

func (w *ward) join(i int, byHealth bool) {
	id := p2p.NodeID(fmt.Sprintf("node-%c", 'a'+i))
	cfg := config.Default("unused")
	cfg.PartitionBits = 5
	if i > 0 {
		cfg.Join = []string{"node-a:7402"}
	}
	disk := memdb.NewDisk(memdb.Options{SyncTime: time.Millisecond})
	net := w.net.Join(id, p2p.Addrs{HTTP: string(id) + ":7400"})
	deps := node.Deps{
		Engine: disk, Transport: net.Transport(), Broadcaster: net.Broadcaster(), Members: net.Members(),
		Secret: config.Secret{1}, HashCost: users.Cost{Memory: 8, Time: 1, Threads: 1},
	}
	if !byHealth {
		deps.Router = byPlace{self: id, alive: net.Members().Alive}
	}
	n, err := node.Assemble(cfg, deps, slog.New(slog.DiscardHandler))
	if err != nil {
		w.tb.Fatal(err)
	}
	w.nodes, w.ids, w.disks = append(w.nodes, n), append(w.ids, id), append(w.disks, disk)
}

func (w *ward) close() {
	for _, n := range w.nodes {
		if err := n.Close(); err != nil {
			w.tb.Error(err)
		}
	}
	w.net.Close()
}

// do sends a request to a node and decodes a good reply into out.
func (w *ward) do(i int, who *account, method, path string, body, out any) (status int) {
	var b bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&b).Encode(body); err != nil {
			w.tb.Error(err)
		}
	}
	r := httptest.NewRequest(method, path, &b)
	r.Header.Set("Content-Type", "application/json")
	if who.Session.Token != "" {
		r.Header.Set("Authorization", "Bearer "+who.Session.Token)
	}
	rec := httptest.NewRecorder()
	w.nodes[i].Handler().ServeHTTP(rec, r)
	if rec.Code < 300 && out != nil {
		if err := json.Unmarshal(rec.Body.Bytes(), out); err != nil {
			w.tb.Error(err)
		}
	}
	return rec.Code
}

func (w *ward) post(i int, who *account, text string) string {
	var post struct {
		ID string `json:"id"`
	}
	if status := w.do(i, who, "POST", "/v1/posts", map[string]string{"text": text}, &post); status != http.StatusCreated {
		w.tb.Fatalf("a post is answered %d", status)
	}
	return post.ID
}

// took is what requests of one kind took.
type took struct {
	mu     sync.Mutex
	times  []time.Duration
	failed int
}

func (t *took) note(d time.Duration, status int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.times = append(t.times, d)
	if status >= 500 {
		t.failed++
	}
}

func (t *took) percentile(p float64) time.Duration {
	slices.Sort(t.times)
	return t.times[min(int(float64(len(t.times))*p/100), len(t.times)-1)]
}

// experience is what clients see.
type experience struct{ reads, lists, writes *took }

// load has clients of the healthy nodes read and write at a steady pace, however
// long the answers take.
func (w *ward) load(during time.Duration) experience {
	seen := experience{&took{}, &took{}, &took{}}
	rng := rand.New(rand.NewPCG(1, 2))
	var clients sync.WaitGroup
	for n := range int(during / loadPause) {
		at, who, post := n%patient, rng.IntN(len(w.people)), w.posts[rng.IntN(len(w.posts))]
		clients.Go(func() {
			began := time.Now()
			switch turn := n / patient % 10; {
			case turn < 4:
				status := w.do(at, w.people[who], "POST", "/v1/posts", map[string]string{"text": "in sickness and in health"}, nil)
				seen.writes.note(time.Since(began), status)
			case turn < 5:
				status := w.do(at, &account{}, "GET", "/v1/users?limit=5", nil, nil)
				seen.lists.note(time.Since(began), status)
			default:
				status := w.do(at, &account{}, "GET", "/v1/posts/"+post, nil, nil)
				seen.reads.note(time.Since(began), status)
			}
		})
		time.Sleep(loadPause)
	}
	clients.Wait()
	return seen
}

const loadPause = 2 * time.Millisecond

// suffer measures what the clients of the healthy nodes see of the sick one.
func suffer(tb testing.TB, s sickness, byHealth bool, during time.Duration) experience {
	w := openWard(tb, byHealth)
	defer w.close()
	w.load(time.Second)
	defer s.begin(w)()
	return w.load(during)
}

func TestASickNodeDoesNotMakeTheOthersSlow(t *testing.T) {
	for _, s := range sicknesses {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				blind, seen := suffer(t, s, false, 8*time.Second), suffer(t, s, true, 8*time.Second)
				for _, what := range []struct {
					name        string
					seen, blind *took
				}{{"reads", seen.reads, blind.reads}, {"lists", seen.lists, blind.lists}, {"writes", seen.writes, blind.writes}} {
					t.Logf("%s: %s; blindly %s", what.name, what.seen, what.blind)
					if p99 := what.seen.percentile(99); p99 > 15*time.Millisecond {
						t.Errorf("the 99th percentile of %s is %s", what.name, p99)
					}
					if what.seen.failed > 0 && what.name != "writes" {
						t.Errorf("%d %s failed", what.seen.failed, what.name)
					}
				}
			})
		})
	}
}

func (t *took) String() string {
	return fmt.Sprintf("p50 %s, p99 %s, p99.9 %s, most %s, %d of %d failed",
		t.percentile(50), t.percentile(99), t.percentile(99.9), t.percentile(100), t.failed, len(t.times))
}

// BenchmarkSick compares, for each sickness of one node of five, what clients of the
// other four see with and without routing by health. The unit x is the ratio of the
// 99th percentiles.
func BenchmarkSick(b *testing.B) {
	for _, s := range sicknesses {
		b.Run(s.name, func(b *testing.B) {
			for b.Loop() {
				blind, seen := suffer(b, s, false, 7*time.Second), suffer(b, s, true, 7*time.Second)
				report(b, "read", blind.reads, seen.reads)
				report(b, "list", blind.lists, seen.lists)
				report(b, "write", blind.writes, seen.writes)
			}
			b.ReportMetric(0, "ns/op") // the load decides how long it takes
		})
	}
}

func report(b *testing.B, what string, blind, healthy *took) {
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	for _, p := range []float64{50, 99} {
		b.ReportMetric(ms(blind.percentile(p)), fmt.Sprintf("%s-p%.0f-blind-ms", what, p))
		b.ReportMetric(ms(healthy.percentile(p)), fmt.Sprintf("%s-p%.0f-ms", what, p))
	}
	b.ReportMetric(ms(blind.percentile(99))/ms(healthy.percentile(99)), what+"-p99-x")
}
