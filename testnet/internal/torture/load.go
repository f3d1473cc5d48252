package torture

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"grapevine/testnet/internal/api"
)

// Bounds of the load.
const (
	patience = 6 * time.Second        // for one answer
	tries    = 4                      // of one act, each at another node
	pause    = 100 * time.Millisecond // before the second try, doubled for each further one
	kept     = 100                    // posts that a user still acts on
)

// load is many clients, each of whom acts for some users, one thing after the
// other.
type load struct {
	targets *targets
	journal *Journal
	tally   *Tally
	gate    *gate
	rate    float64 // acts per second of all clients
	seed    uint64

	mu     sync.Mutex
	people []*person
}

// person is a user and what their client remembers. Only that client uses it,
// but while the gate is shut.
type person struct {
	id, name, password, token string
	session                   string
	posts                     []*note
	follows                   map[string]bool
}

// note is a post that its author remembers.
type note struct {
	id   string
	acts []Entry
}

// actor acts for every n-th person.
type actor struct {
	*load
	rng        *rand.Rand
	number, of int
	made       int // texts
}

// run acts until ctx ends, with the given number of clients.
func (l *load) run(ctx context.Context, clients int) {
	var wait sync.WaitGroup
	for i := range clients {
		c := &actor{load: l, rng: rand.New(rand.NewPCG(l.seed, uint64(i)+1)), number: i, of: clients}
		wait.Go(func() { c.run(ctx) })
	}
	wait.Wait()
}

func (c *actor) run(ctx context.Context) {
	tick := time.NewTicker(time.Duration(float64(time.Second) * float64(c.of) / c.rate))
	defer tick.Stop()
	for c.gate.enter(ctx) {
		c.act(ctx)
		c.gate.leave()
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// act does one thing for one of the client's people.
func (c *actor) act(ctx context.Context) {
	mine := c.mine()
	if len(mine) == 0 {
		return
	}
	p := mine[c.rng.IntN(len(mine))]
	switch draw := c.rng.IntN(100); {
	case draw < 30:
		c.post(ctx, p)
	case draw < 38:
		c.edit(ctx, p)
	case draw < 48:
		c.delete(ctx, p)
	case draw < 60:
		c.follow(ctx, p)
	case draw < 80:
		c.readOwn(ctx, p)
	case draw < 90:
		c.readHome(ctx, p)
	default:
		c.readOther(ctx, p)
	}
}

func (c *actor) mine() []*person {
	c.mu.Lock()
	defer c.mu.Unlock()
	var mine []*person
	for i := c.number; i < len(c.people); i += c.of {
		mine = append(mine, c.people[i])
	}
	return mine
}

func (l *load) everybody() []*person {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.people[:len(l.people):len(l.people)]
}

// signUp makes an account. What was not acknowledged is nobody's.
func (l *load) signUp(ctx context.Context, rng *rand.Rand, name string) error {
	p := &person{name: name, password: "torture-" + name, follows: map[string]bool{}}
	e := Entry{Act: SignUp, Name: name, Begun: l.journal.Marks()}
	c := &actor{load: l, rng: rng}
	reply, ok := c.write(ctx, p, &e, api.Request{
		Method: http.MethodPost, Path: "/v1/users", Body: api.SignUp{Username: name, Password: p.password},
	})
	if !ok {
		return fmt.Errorf("torture: sign up %s: no node acknowledged it", name)
	}
	var user struct {
		ID      string
		Session struct{ Token string }
	}
	if err := json.Unmarshal(reply.Body, &user); err != nil {
		return fmt.Errorf("torture: sign up %s: %w", name, err)
	}
	p.id, p.token, e.User = user.ID, user.Session.Token, user.ID
	l.journal.Add(e)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.people = append(l.people, p)
	return nil
}

// text gives a text that nobody else writes.
func (c *actor) text(what string) string {
	c.made++
	return fmt.Sprintf("%s %d of client %d", what, c.made, c.number)
}

func (c *actor) post(ctx context.Context, p *person) {
	text := c.text("post")
	e := Entry{Act: Post, User: p.id, Text: text, Begun: c.journal.Marks()}
	reply, ok := c.write(ctx, p, &e, api.Request{
		Method: http.MethodPost, Path: "/v1/posts", Key: text, Body: map[string]string{"text": text},
	})
	var post struct{ ID string }
	if !ok || json.Unmarshal(reply.Body, &post) != nil {
		return
	}
	e.Post = post.ID
	c.journal.Add(e)
	p.posts = append(p.posts, &note{id: post.ID, acts: []Entry{e}})
	p.posts = p.posts[max(0, len(p.posts)-kept):]
}

func (c *actor) edit(ctx context.Context, p *person) {
	n := c.some(p)
	if n == nil || n.touched(Delete) {
		return
	}
	text := c.text("edit")
	e := Entry{Act: Edit, User: p.id, Post: n.id, Text: text, Begun: c.journal.Marks()}
	_, ok := c.write(ctx, p, &e, api.Request{
		Method: http.MethodPatch, Path: "/v1/posts/" + n.id, Body: map[string]string{"text": text},
	})
	c.note(n, e, ok)
}

func (c *actor) delete(ctx context.Context, p *person) {
	n := c.some(p)
	if n == nil || n.touched(Delete) {
		return
	}
	e := Entry{Act: Delete, User: p.id, Post: n.id, Begun: c.journal.Marks()}
	_, ok := c.write(ctx, p, &e, api.Request{Method: http.MethodDelete, Path: "/v1/posts/" + n.id})
	c.note(n, e, ok)
}

// note keeps the outcome of an act on a post; write has done so already for what
// is unknown.
func (c *actor) note(n *note, e Entry, ok bool) {
	if ok {
		c.journal.Add(e)
		n.acts = append(n.acts, e)
	}
}

func (c *actor) follow(ctx context.Context, p *person) {
	all := c.everybody()
	other := all[c.rng.IntN(len(all))]
	if other == p {
		return
	}
	e := Entry{Act: Follow, User: p.id, Other: other.id, Begun: c.journal.Marks()}
	r := api.Request{Method: http.MethodPut, Path: "/v1/users/" + p.id + "/following/" + other.id}
	if p.follows[other.id] {
		e.Act, r.Method = Unfollow, http.MethodDelete
	}
	if _, ok := c.write(ctx, p, &e, r); ok {
		c.journal.Add(e)
		p.follows[other.id] = e.Act == Follow
	}
}

// some draws one of the posts that a person remembers, mostly a late one.
func (c *actor) some(p *person) *note {
	if len(p.posts) == 0 {
		return nil
	}
	back := min(c.rng.IntN(len(p.posts)), c.rng.IntN(len(p.posts)))
	return p.posts[len(p.posts)-1-back]
}

func (n *note) touched(act Act) bool {
	for _, e := range n.acts {
		if e.Act == act {
			return true
		}
	}
	return false
}

// write tries an act at one node after another until one acknowledges it, which
// it notes in e. When the outcome of a try is unknown, that goes into the journal
// at once: the act may stand even if a later try is acknowledged too.
func (c *actor) write(ctx context.Context, p *person, e *Entry, r api.Request) (api.Reply, bool) {
	unknown := false
	for try := range tries {
		if try > 0 && api.Pause(ctx, pause<<(try-1)) != nil {
			break
		}
		begun := time.Now()
		var sent atomic.Bool
		reply, node, err := c.ask(watch(ctx, &sent), p, r)
		e.Node = node
		if err == nil {
			e.Copies = reply.Copies
			c.tally.acknowledged(reply.Copies, time.Since(begun))
			return reply, reply.Copies > 0
		}
		c.tally.err("write", err)
		status := api.Status(err)
		if status >= 400 && status < 500 && status != http.StatusTooManyRequests {
			c.refused(p, e, status, unknown)
			break
		}
		refused := !sent.Load() && errors.Is(err, syscall.ECONNREFUSED)
		if !refused && status != http.StatusTooManyRequests && !unknown {
			unknown = true
			c.unknown(p, *e)
		}
	}
	return api.Reply{}, false
}

// watch has sent set when a request is written to a connection. The error does not
// tell: a request whose connection broke is sent again by net/http, and then it is
// the second attempt's error that one sees.
func watch(ctx context.Context, sent *atomic.Bool) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { sent.Store(true) }})
}

// unknown notes an act that may or may not come to stand.
func (c *actor) unknown(p *person, e Entry) {
	c.tally.uncertain()
	if e.Act == SignUp {
		return
	}
	c.journal.Add(e)
	for _, n := range p.posts {
		if n.id == e.Post {
			n.acts = append(n.acts, e)
		}
	}
}

// refused looks at a refusal: the author of a post that stands is not told that
// there is none.
func (c *actor) refused(p *person, e *Entry, status int, unknown bool) {
	if status == http.StatusNotFound && e.Post != "" && !(unknown && e.Act == Delete) {
		c.see(p, e.Post, e.Node, string(e.Act), false, "")
	}
}

// ask sends a request to a node, in the person's name and session.
func (c *actor) ask(ctx context.Context, p *person, r api.Request) (api.Reply, int, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	r.Token, r.Session = p.token, p.session
	n := c.targets.pick(c.rng)
	reply, err := n.pool.Do(ctx, 0, r)
	if err == nil && reply.Session != "" {
		p.session = reply.Session
	}
	if err != nil && api.Status(err) == 0 {
		c.targets.failed(n)
	}
	return reply, n.index, err
}
