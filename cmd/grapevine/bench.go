package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math"
	mrand "math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"grapevine/node/client"
	"grapevine/services/social"
)

type benchVerb struct {
	For      time.Duration `default:"10s" help:"How long to load the cluster. (${default})"`
	Clients  int           `default:"8" help:"Requests under way at once, at most 256. (${default})"`
	Accounts int           `default:"4" help:"Accounts that post and follow one another, at most 64. (${default})"`
	Keep     bool          `help:"Keep the accounts and their posts."`
}

// Help implements kong.HelpProvider.
func (benchVerb) Help() string {
	return `A small load on a running cluster, for an idea of what it gives and whether a change made it better:
of ten requests two are posts, four read a post, four a home timeline, spread over all nodes that can
be reached. The accounts are called bench_…; their posts are seen by followers only. They are deleted
in the end.

  grapevine bench
  grapevine bench --for 30s --clients 32 -o json`
}

// Bounds of a bench.
const (
	maxClients  = 256
	maxAccounts = 64
)

func (v *benchVerb) Run(c *console) error {
	if v.Clients < 1 || v.Clients > maxClients || v.Accounts < 1 || v.Accounts > maxAccounts || v.For <= 0 {
		return usage{fmt.Errorf("bench: --for must be more than 0, --clients 1 to %d, --accounts 1 to %d", maxClients, maxAccounts)}
	}
	b := &bench{c: c, taken: map[string][]float64{}, failed: map[string]int{}, why: map[string]int{}}
	defer b.end(v.Keep)
	if err := b.prepare(v.Accounts); err != nil {
		return c.asked(err)
	}
	began := time.Now()
	ctx, cancel := context.WithTimeout(c.ctx, v.For)
	defer cancel()
	var all sync.WaitGroup
	for range v.Clients {
		all.Go(func() { b.load(ctx) })
	}
	all.Wait()
	r := b.report(time.Since(began))
	if c.json {
		return c.encode(r)
	}
	r.print(c)
	return nil
}

// bench loads a cluster.
type bench struct {
	c        *console
	nodes    []*client.Client
	accounts []benched

	mu     sync.Mutex
	posts  []string
	taken  map[string][]float64 // milliseconds by what was done
	failed map[string]int
	why    map[string]int
}

// benched is an account of the bench.
type benched struct{ id, token, session string }

// prepare finds the nodes and makes accounts that follow one another and have a
// post each.
func (b *bench) prepare(n int) error {
	nodes, err := everyone(b.c.ctx, b.c.client, leastWait, func(ctx context.Context, c *client.Client) (client.Health, error) { return c.Health(ctx) },
		func(h client.Health) string { return h.Node })
	if err != nil {
		return err
	}
	for _, a := range nodes {
		switch {
		case a.member.Self:
			b.nodes = append(b.nodes, b.c.client)
		case a.err == nil && a.said.Readiness.Ready:
			b.nodes = append(b.nodes, b.c.client.At(client.URL(a.member.HTTP)))
		}
	}
	for range n {
		name := "bench_" + strings.ToLower(rand.Text()[:12])
		made, err := b.c.client.SignUp(b.c.ctx, client.SignUp{Username: name, Password: rand.Text()})
		if err != nil {
			return err
		}
		b.accounts = append(b.accounts, benched{id: made.ID, token: made.Session.Token})
	}
	for _, a := range b.accounts {
		as := b.c.client.With(client.WithToken(a.token))
		for _, other := range b.accounts {
			if other.id == a.id {
				continue
			}
			if err := as.Follow(b.c.ctx, a.id, other.id); err != nil {
				return err
			}
		}
		if _, err := b.post(b.c.ctx, as); err != nil {
			return err
		}
	}
	for i := range b.accounts { // so that each reads what it wrote, on any node
		b.accounts[i].session = b.c.client.Session()
	}
	return nil
}

func (b *bench) post(ctx context.Context, as *client.Client) (string, error) {
	p, err := as.Post(ctx, client.NewPost{Text: "bench " + rand.Text(), Visibility: social.Followers})
	if err == nil {
		b.mu.Lock()
		b.posts = append(b.posts, p.ID)
		b.mu.Unlock()
	}
	return p.ID, err
}

// load makes one request after another until ctx ends.
func (b *bench) load(ctx context.Context) {
	for ctx.Err() == nil {
		account := b.accounts[mrand.IntN(len(b.accounts))]
		as := b.nodes[mrand.IntN(len(b.nodes))].With(client.WithToken(account.token), client.WithSession(account.session))
		b.mu.Lock()
		post := b.posts[mrand.IntN(len(b.posts))]
		b.mu.Unlock()
		began := time.Now()
		var what string
		var err error
		switch n := mrand.IntN(10); {
		case n < 2:
			what = "post"
			_, err = b.post(ctx, as)
		case n < 6:
			what = "read a post"
			_, err = as.GetPost(ctx, post)
			if client.StatusOf(err) == 404 {
				err = nil // written a moment ago through another node, in a session that is not this one
			}
		default:
			what = "home timeline"
			_, err = as.Home(ctx, social.Cut{})
		}
		if ctx.Err() == nil {
			b.note(what, time.Since(began), err)
		}
	}
}

func (b *bench) note(what string, took time.Duration, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err != nil {
		b.failed[what]++
		if why := reason(err); len(b.why) < 5 || b.why[why] > 0 {
			b.why[why]++
		}
		return
	}
	b.taken[what] = append(b.taken[what], float64(took.Microseconds())/1000)
}

// reason is why a request failed, without its URL: failures that differ in the
// path alone are one.
func reason(err error) string {
	var failed *url.Error
	if errors.As(err, &failed) {
		return failed.Err.Error()
	}
	return err.Error()
}

// end deletes the accounts, also when the bench has failed.
func (b *bench) end(keep bool) {
	if keep {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(b.c.ctx), 30*time.Second)
	defer cancel()
	for _, a := range b.accounts {
		if err := b.c.client.With(client.WithToken(a.token)).DeleteUser(ctx, a.id); err != nil && !errors.Is(err, context.Canceled) {
			fmt.Fprintf(b.c.err, "account %s could not be deleted: %v\n", a.id, err)
		}
	}
}

// benchReport is what bench answers.
type benchReport struct {
	Seconds  float64        `json:"seconds"`
	Nodes    int            `json:"nodes"`
	PerS     float64        `json:"requests_per_s"`
	Requests []benchLine    `json:"requests"`
	Failures map[string]int `json:"failures"` // some of them, by what was said
}

type benchLine struct {
	What   string  `json:"what"`
	Done   int     `json:"done"`
	Failed int     `json:"failed"`
	PerS   float64 `json:"per_s"`
	P50    float64 `json:"p50_ms"`
	P99    float64 `json:"p99_ms"`
	Max    float64 `json:"max_ms"`
}

func (b *bench) report(took time.Duration) benchReport {
	r := benchReport{Seconds: took.Seconds(), Nodes: len(b.nodes), Requests: []benchLine{}, Failures: b.why}
	for _, what := range []string{"post", "read a post", "home timeline"} {
		times := slices.Sorted(slices.Values(b.taken[what]))
		line := benchLine{What: what, Done: len(times), Failed: b.failed[what], PerS: float64(len(times)) / took.Seconds()}
		line.P50, line.P99, line.Max = rank(times, 0.5), rank(times, 0.99), rank(times, 1)
		r.PerS += line.PerS
		r.Requests = append(r.Requests, line)
	}
	return r
}

// rank gives a quantile of ascending values by the nearest rank, 0 of none.
func rank(values []float64, q float64) float64 {
	if len(values) == 0 {
		return 0
	}
	return values[max(int(math.Ceil(q*float64(len(values))))-1, 0)]
}

func (r benchReport) print(c *console) {
	fmt.Fprintf(c.out, "%.0f requests/s over %.1f s, %s\n\n", r.PerS, r.Seconds, count(r.Nodes, "node"))
	t := head("request", "done", "failed", "per s", "p50 ms", "p99 ms", "max ms")
	for _, l := range r.Requests {
		t.add(l.What, l.Done, l.Failed, rounded(l.PerS), fmt.Sprintf("%.2f", l.P50), fmt.Sprintf("%.2f", l.P99), fmt.Sprintf("%.2f", l.Max))
	}
	c.table(t)
	if len(r.Failures) > 0 {
		fmt.Fprintln(c.out)
	}
	for _, why := range sortedByCount(r.Failures) {
		fmt.Fprintf(c.out, "- %s failed: %s\n", count(r.Failures[why], "request"), why)
	}
}

func sortedByCount(m map[string]int) []string {
	var out []string
	for text := range m {
		out = append(out, text)
	}
	slices.SortFunc(out, func(a, b string) int { return cmp.Or(m[b]-m[a], cmp.Compare(a, b)) })
	return out
}
