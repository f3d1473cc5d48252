// Package bench measures a cluster beside floors: what the same machine does
// with the same clients when only the unavoidable is left. Measurements and
// floors alternate in one run, since only their ratio travels between machines.
package bench

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"grapevine/testnet/internal/api"
)

// Node is a node to measure. Addr is its HOST:PORT.
type Node struct {
	Index int
	ID    string
	Addr  string
	PID   int
}

// Config is what a bench takes.
type Config struct {
	Nodes    []Node
	Clients  int
	Rounds   int
	Duration time.Duration // of each measurement in each round
	Dir      string        // for the engines of the floors; what is made there is removed
	Floor    []string      // arguments that make this program Serve
	// Kill ends the node of an index as a crash would. Revive, which may be nil,
	// starts it again at the end.
	Kill   func(index int) error
	Revive func(ctx context.Context, index int) error
	Say    func(string) // told what is being measured
}

// Goals of the product, for a three-node cluster on one machine of two cores.
const (
	goalPosts   = 4000 // a second
	goalReads   = 0.6  // of a bare handler
	goalHomes   = 0.5  // of a handler that encodes the page
	goalCopies  = 2
	goalNotice  = 1500 * time.Millisecond
	goalIdleCPU = 2.0 // percent of a core
	goalMemory  = 120 // MiB
	idlePeriod  = 10 * time.Second
	lagSamples  = 300
	page        = 40
	textLength  = 140
	password    = "testnet-bench-password"
)

// person is an account of one client, with posts of its own.
type person struct {
	api.Account
	posts []string
}

// bench is a run.
type bench struct {
	Config
	people []person
	floors []*floorProcess // as many as nodes, so that they get an equal share of the cores
	report Report

	fewest atomic.Int64 // copies of any measured post
}

func newBench(cfg Config) *bench {
	b := &bench{Config: cfg}
	b.fewest.Store(math.MaxInt64)
	return b
}

// Run measures everything. Nodes must be three for failover to be measured.
func Run(ctx context.Context, cfg Config) (report Report, err error) {
	b := newBench(cfg)
	for range cfg.Nodes {
		f, startErr := startFloor(cfg.Floor)
		if startErr != nil {
			return report, startErr
		}
		defer func() { err = errors.Join(err, f.close()) }()
		b.floors = append(b.floors, f)
	}
	for _, part := range []func(context.Context) error{b.prepare, b.rates, b.lag, b.social, b.idle, b.failover} {
		if err := part(ctx); err != nil {
			return b.report, err
		}
	}
	return b.report, nil
}

// prepare makes an account for each client and a page of posts by each, and
// gives the floor a post and a page of the same bytes.
func (b *bench) prepare(ctx context.Context) error {
	b.Say(fmt.Sprintf("sign up %d clients, %d posts each", b.Clients, page))
	urls := make([]string, len(b.Nodes))
	for i, n := range b.Nodes {
		urls[i] = "http://" + n.Addr
	}
	pool := api.NewPool(urls, b.Clients)
	defer pool.Close()
	b.people = make([]person, b.Clients)
	run := strings.ToLower(rand.Text()[:8])
	group, groupCtx := errgroup.WithContext(ctx)
	for i := range b.people {
		group.Go(func() error {
			p, err := settle(groupCtx, pool, i, fmt.Sprintf("bench_%s_%d", run, i))
			b.people[i] = p
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return fmt.Errorf("bench: prepare: %w", err)
	}
	return b.fillFloor()
}

func settle(ctx context.Context, pool *api.Pool, node int, name string) (person, error) {
	account, err := pool.SignUp(ctx, node, api.SignUp{Username: name, Password: password})
	p := person{Account: account}
	for n := 0; n < page && err == nil; n++ {
		var posted api.Posted
		posted, err = pool.Post(ctx, node, account, api.Draft{Text: text(n)})
		p.posts = append(p.posts, posted.ID)
	}
	return p, err
}

// text gives a text of a post.
func text(n int) string {
	s := "Heard it through the grapevine, number " + strconv.Itoa(n) + ". "
	return (s + strings.Repeat("The news walks round the village, door by door. ", 3))[:textLength]
}

// fillFloor gives the floor the first client's post and page as a node serves
// them.
func (b *bench) fillFloor() error {
	c := &conn{addr: b.Nodes[0].Addr}
	defer c.close()
	post, err := c.call(b.readPost(0, 0))
	if err == nil {
		err = wantStatus(http.StatusOK)(post)
	}
	if err == nil {
		err = b.putFloors("/stored", post.body)
	}
	if err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	home, err := c.call(b.readHome(0, 0))
	if err == nil {
		err = wantPage(home)
	}
	if err == nil {
		err = b.putFloors("/page", home.body)
	}
	if err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	return nil
}

// wantPage accepts a page of the full length.
func wantPage(r reply) error {
	var p struct{ Items []json.RawMessage }
	if err := wantStatus(http.StatusOK)(r); err != nil {
		return err
	}
	if err := json.Unmarshal(r.body, &p); err != nil {
		return err
	}
	if len(p.Items) != page {
		return fmt.Errorf("a page of %d posts instead of %d", len(p.Items), page)
	}
	return nil
}

func (b *bench) writePost(client, n int) []byte {
	body := []byte(`{"text":"` + text(n) + `"}`)
	return render("POST", "/v1/posts", b.people[client].Token, body)
}

func (b *bench) readPost(client, n int) []byte {
	posts := b.people[client].posts
	return render("GET", "/v1/posts/"+posts[n%len(posts)], "", nil)
}

func (b *bench) readHome(client, _ int) []byte {
	return render("GET", "/v1/timelines/home?limit="+strconv.Itoa(page), b.people[client].Token, nil)
}

// copied accepts a post and notes its copies.
func (b *bench) copied(r reply) error {
	if err := wantStatus(http.StatusCreated)(r); err != nil {
		return err
	}
	for {
		fewest := b.fewest.Load()
		if fewest <= int64(r.copies) || b.fewest.CompareAndSwap(fewest, int64(r.copies)) {
			return nil
		}
	}
}

func (b *bench) addrs() []string {
	out := make([]string, len(b.Nodes))
	for i, n := range b.Nodes {
		out[i] = n.Addr
	}
	return out
}

func (b *bench) floorAddrs() []string {
	out := make([]string, len(b.floors))
	for i, f := range b.floors {
		out[i] = f.addr
	}
	return out
}

func (b *bench) putFloors(path string, body []byte) error {
	for _, f := range b.floors {
		if err := f.put(path, body); err != nil {
			return err
		}
	}
	return nil
}

// rates measures posts, reads of a post, and reads of home, each beside its
// floors.
func (b *bench) rates(ctx context.Context) error {
	http := func(name string, addrs []string, request func(client, n int) []byte, check func(reply) error) *series {
		return &series{name: name, run: func(ctx context.Context, d time.Duration) (outcome, error) {
			return drive(ctx, d, load{clients: b.Clients, addrs: addrs, request: request, check: check})
		}}
	}
	fixed := func(path string) func(int, int) []byte {
		request := render("GET", path, "", nil)
		return func(int, int) []byte { return request }
	}
	ok := wantStatus(200)
	posts := http("posts", b.addrs(), b.writePost, b.copied)
	group := b.engine("Badger, one group-committed post a commit", grouped)
	single := b.engine("Badger, one synced transaction a post", bare)
	reads := http("reads of a post", b.addrs(), b.readPost, ok)
	stored := http("bare handler, stored body", b.floorAddrs(), fixed("/stored"), ok)
	homes := http("reads of home, 40 posts", b.addrs(), b.readHome, ok)
	encoded := http("bare handler, encodes the page", b.floorAddrs(), fixed("/page"), ok)
	all := []*series{posts, group, single, reads, stored, homes, encoded}
	if err := interleave(ctx, b.Rounds, b.Duration, all, b.Say); err != nil {
		return err
	}
	b.report.rates("1/s", goalPosts, 0, posts, group, single)
	fewest := float64(b.fewest.Load())
	b.report.add(Line{What: "durable copies, fewest", Value: fewest, Unit: "copies",
		Goal: fmt.Sprintf(">= %d", goalCopies), Met: fewest >= goalCopies})
	b.report.rates("1/s", 0, goalReads, reads, stored)
	b.report.rates("1/s", 0, goalHomes, homes, encoded)
	return nil
}

// engine makes a series of a storage floor, each round in an empty directory.
func (b *bench) engine(name string, run func(context.Context, string, time.Duration, int) (outcome, error)) *series {
	return &series{name: name, run: func(ctx context.Context, d time.Duration) (outcome, error) {
		dir, err := os.MkdirTemp(b.Dir, "floor-")
		if err != nil {
			return outcome{}, err
		}
		defer os.RemoveAll(dir)
		return run(ctx, filepath.Join(dir, "db"), d, b.Clients)
	}}
}
