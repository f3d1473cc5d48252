package simulation

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strconv"
	"sync"
	"time"

	"grapevine/node"
)

// person uses the nodes as an app does: over HTTP, one thing after another, and
// hands back the session token it was given.
type person struct {
	w      *world
	number int
	queue  chan func()
	names  int // that were tried

	mu sync.Mutex
	id string // guarded by mu where another person reads it

	token   string
	seen    string // Grapevine-Session
	account promise
	posts   []*posted
	follows map[int]*follow
}

// posted is a post that was acknowledged.
type posted struct {
	id, text string
	made     promise
	removed  *promise // nil as long as nobody tried
	unsure   bool     // whether it was removed
}

// follow is what is known of a follow of another person.
type follow struct {
	since   promise
	follows bool
	unsure  bool // whether the last attempt to change it did
}

// reply is what came back over HTTP; a status of 0 says that nothing did.
type reply struct {
	status  int
	copies  int
	body    []byte
	seen    string
	promise promise
}

func (r reply) fine() bool { return r.status >= 200 && r.status < 300 }

// refused says that the request certainly did nothing.
func (r reply) refused() bool { return r.status >= 400 && r.status < 500 }

func newPerson(w *world, number int) *person {
	p := &person{w: w, number: number, queue: make(chan func(), queueLen), follows: map[int]*follow{}}
	w.clients.Go(func() {
		for act := range p.queue {
			act()
		}
	})
	return p
}

func (w *world) person(number int) *person { return w.people[(max(number, 1)-1)%len(w.people)] }

// ask sends a request to the node of an act.
func (p *person) ask(a Act, method, path string, body any) reply {
	n, life := p.w.peer(a.Node).running()
	if n == nil {
		return reply{}
	}
	if a.N != 0 {
		path += "?durability=" + map[bool]string{true: "all", false: strconv.Itoa(a.N)}[a.N < 0]
	}
	losses := p.w.ledger.now()
	hung := time.AfterFunc(hangTime, func() {
		p.w.trace.fail(Terminates, "person %d: %s %s on %s has hung", p.number, method, path, n.ID())
	})
	defer hung.Stop()
	r := exchange(n, method, path, body, p.token, p.seen)
	if life.Err() != nil {
		r = reply{} // nobody got it
	}
	if r.seen != "" {
		p.seen = r.seen
	}
	r.promise = promise{r.copies, losses}
	p.w.trace.event("  person %d: %s %s: %d on %d copies", p.number, method, path, r.status, r.copies)
	return r
}

// exchange runs a request through a node's handler.
func exchange(n *node.Node, method, path string, body any, token, seen string) reply {
	var b bytes.Buffer
	if body != nil {
		_ = json.NewEncoder(&b).Encode(body) // a map of strings
	}
	r := httptest.NewRequest(method, path, &b)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Grapevine-Session", seen)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	n.Handler().ServeHTTP(w, r)
	copies, _ := strconv.Atoi(w.Header().Get("Grapevine-Copies")) // 0 where nothing was written
	return reply{status: w.Code, copies: copies, body: w.Body.Bytes(), seen: w.Header().Get("Grapevine-Session")}
}

// signUp makes the person's account. One whose fate is unknown is left alone, and
// another is tried next.
func (w *world) signUp(a Act) {
	p := w.person(a.Session)
	p.queue <- func() {
		if p.id != "" {
			return
		}
		p.names++
		r := p.ask(a, "POST", "/v1/users", map[string]string{
			"username": fmt.Sprintf("person_%d_%d", p.number, p.names), "password": "a long password",
		})
		var account struct {
			ID      string `json:"id"`
			Session struct {
				Token string `json:"token"`
			} `json:"session"`
		}
		if r.fine() && json.Unmarshal(r.body, &account) == nil {
			p.mu.Lock()
			p.id = account.ID
			p.mu.Unlock()
			p.token, p.account = account.Session.Token, r.promise
		}
	}
}

// as queues what a person does who has an account.
func (w *world) as(a Act, do func(p *person)) {
	p := w.person(a.Session)
	p.queue <- func() {
		if p.id != "" {
			do(p)
		}
	}
}

func (w *world) post(a Act) {
	text := string(w.value())
	w.as(a, func(p *person) {
		r := p.ask(a, "POST", "/v1/posts", map[string]string{"text": text})
		var post struct {
			ID string `json:"id"`
		}
		if r.fine() && json.Unmarshal(r.body, &post) == nil {
			p.posts = append(p.posts, &posted{id: post.ID, text: text, made: r.promise})
		}
	})
}

// deletePost removes the person's oldest post that nobody has tried to remove.
func (w *world) deletePost(a Act) {
	w.as(a, func(p *person) {
		for _, post := range p.posts {
			if post.removed != nil || post.unsure {
				continue
			}
			if r := p.ask(a, "DELETE", "/v1/posts/"+post.id, nil); r.fine() {
				post.removed = &r.promise
			} else {
				post.unsure = !r.refused()
			}
			return
		}
	})
}

func (w *world) follow(a Act)   { w.setFollow(a, "PUT", true) }
func (w *world) unfollow(a Act) { w.setFollow(a, "DELETE", false) }

func (w *world) setFollow(a Act, method string, follows bool) {
	other := w.person(a.Row)
	w.as(a, func(p *person) {
		id := other.identity()
		if id == "" || other == p {
			return
		}
		r := p.ask(a, method, "/v1/users/"+p.id+"/following/"+id, nil)
		switch {
		case r.fine():
			p.follows[other.number] = &follow{since: r.promise, follows: follows}
		case !r.refused():
			p.follows[other.number] = &follow{unsure: true}
		}
	})
}

// identity gives a person's id, as others see it on the person's own page.
func (p *person) identity() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.id
}

// feed is a home timeline by post id.
type feed map[string]string

func parseFeed(body []byte) (feed, error) {
	var page struct {
		Items []struct {
			ID   string `json:"id"`
			Text string `json:"text"`
		} `json:"items"`
	}
	err := json.Unmarshal(body, &page)
	f := feed{}
	for _, item := range page.Items {
		f[item.ID] = item.Text
	}
	return f, err
}

// home reads the person's home timeline, which has the person's own posts at once.
func (w *world) home(a Act) {
	w.as(a, func(p *person) {
		r := p.ask(a, "GET", "/v1/timelines/home", nil)
		if !r.fine() {
			return
		}
		f, err := parseFeed(r.body)
		if err != nil {
			w.trace.fail(RowsEqualModel, "person %d: a home timeline that cannot be read: %v", p.number, err)
			return
		}
		for _, post := range p.posts {
			p.compareOwn(f, post)
		}
	})
}

func (p *person) compareOwn(f feed, post *posted) {
	_, there := f[post.id]
	l := p.w.ledger
	switch {
	case post.unsure:
	case post.removed != nil && there && l.holds(*post.removed):
		p.w.trace.fail(SessionMonotonic, "person %d sees the post %q that they deleted", p.number, post.text)
	case post.removed == nil && !there && l.holds(post.made):
		p.w.trace.fail(SessionMonotonic, "person %d does not see their own post %q", p.number, post.text)
	}
}
