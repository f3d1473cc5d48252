// Package apitest is a stand-in for a cluster: the part of the HTTP API that the
// testnet uses, over one map in memory. Tests break it on purpose.
package apitest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"grapevine/node/client"
)

// Post is a post as the API shows it.
type Post struct {
	ID      string `json:"id"`
	Author  string `json:"author"`
	Text    string `json:"text"`
	ReplyTo string `json:"reply_to,omitempty"`
}

type user struct {
	ID        string `json:"id"`
	Username  string `json:"username"`
	password  string
	following []string
}

// Cluster is the state behind all nodes of the stand-in.
type Cluster struct {
	URLs []string

	// After, when not nil, may drop the answer to a request that was served.
	After func(n int) (drop bool)
	// Mangle, when not nil, changes a home timeline or list of posts on its way.
	Mangle func(path string, posts []Post) []Post
	// Digest gives the digest that a node reports.
	Digest func(node int) string

	mu       sync.Mutex
	before   func(n int, w http.ResponseWriter, r *http.Request) bool
	requests int
	users    []*user
	posts    []Post // oldest first
	keys     map[string]Post
}

// New starts a stand-in of some nodes that ends with the test.
func New(t testing.TB, nodes int) *Cluster {
	c := &Cluster{keys: map[string]Post{}, Digest: func(int) string { return "same" }}
	for i := range nodes {
		s := httptest.NewServer(c.handler(i))
		t.Cleanup(s.Close)
		c.URLs = append(c.URLs, s.URL)
	}
	return c
}

// Before sets a function that may answer requests in the place of the API: it is
// given the number of each, and returns whether it answered.
func (c *Cluster) Before(answer func(n int, w http.ResponseWriter, r *http.Request) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.before = answer
}

// Counts gives how many users, follows and posts there are.
func (c *Cluster) Counts() (users, follows, posts int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, u := range c.users {
		follows += len(u.following)
	}
	return len(c.users), follows, len(c.posts)
}

func (c *Cluster) handler(node int) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/users", c.signUp)
	mux.HandleFunc("POST /v1/sessions", c.logIn)
	mux.HandleFunc("POST /v1/posts", c.post)
	mux.HandleFunc("PUT /v1/users/{user}/following/{other}", c.follow)
	mux.HandleFunc("GET /v1/users/{user}/following", c.following)
	mux.HandleFunc("GET /v1/users/{user}/followers", c.followers)
	mux.HandleFunc("GET /v1/users/{user}/posts", c.userPosts)
	mux.HandleFunc("GET /v1/timelines/home", c.home)
	mux.HandleFunc("GET /v1/cluster/partitions", func(w http.ResponseWriter, _ *http.Request) {
		var owners []string
		for i := range c.URLs {
			owners = append(owners, NodeID(i))
		}
		answer(w, http.StatusOK, map[string]any{"items": []client.Partition{{
			Owners: owners, Local: true, CaughtUp: true, Digest: c.Digest(node),
		}}})
	})
	return c.faulty(mux)
}

// NodeID names a node of the stand-in, counted from 0.
func NodeID(i int) string { return "node-" + strconv.Itoa(i) }

// faulty serves one request at a time, with the faults that are asked for.
func (c *Cluster) faulty(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.requests++
		if c.before != nil && c.before(c.requests, w, r) {
			return
		}
		if c.After != nil && c.After(c.requests) {
			next.ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler)
		}
		next.ServeHTTP(w, r)
	})
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Grapevine-Copies", "2")
	w.WriteHeader(status)
	// The test sees a broken answer by itself.
	_ = json.NewEncoder(w).Encode(v)
}

// token is the id of the user it is for; that of nobody is no token.
func (c *Cluster) who(r *http.Request) *user {
	return c.find(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer token-"))
}

func (c *Cluster) find(id string) *user {
	for _, u := range c.users {
		if u.ID == id {
			return u
		}
	}
	return nil
}

func (c *Cluster) signUp(w http.ResponseWriter, r *http.Request) {
	var in struct{ Username, Password string }
	_ = json.NewDecoder(r.Body).Decode(&in)
	if slices.ContainsFunc(c.users, func(u *user) bool { return u.Username == in.Username }) {
		answer(w, http.StatusConflict, map[string]string{"title": "taken"})
		return
	}
	u := &user{ID: fmt.Sprintf("user%06d", len(c.users)), Username: in.Username, password: in.Password}
	c.users = append(c.users, u)
	answer(w, http.StatusCreated, map[string]any{"id": u.ID, "session": map[string]string{"token": "token-" + u.ID}})
}

func (c *Cluster) logIn(w http.ResponseWriter, r *http.Request) {
	var in struct{ Username, Password string }
	_ = json.NewDecoder(r.Body).Decode(&in)
	for _, u := range c.users {
		if u.Username == in.Username && u.password == in.Password {
			answer(w, http.StatusCreated, map[string]any{"token": "token-" + u.ID, "user": u})
			return
		}
	}
	answer(w, http.StatusUnauthorized, map[string]string{"title": "wrong name or password"})
}

func (c *Cluster) post(w http.ResponseWriter, r *http.Request) {
	u := c.who(r)
	if u == nil {
		answer(w, http.StatusUnauthorized, map[string]string{"title": "no such token"})
		return
	}
	key := u.ID + r.Header.Get("Idempotency-Key")
	p, twice := c.keys[key]
	if !twice {
		_ = json.NewDecoder(r.Body).Decode(&p)
		if p.Text == "refuse me" {
			answer(w, http.StatusUnprocessableEntity, map[string]string{"title": "refused"})
			return
		}
		p.ID, p.Author = fmt.Sprintf("post%06d", len(c.posts)), u.ID
		c.posts = append(c.posts, p)
		c.keys[key] = p
	}
	answer(w, http.StatusCreated, p)
}

func (c *Cluster) follow(w http.ResponseWriter, r *http.Request) {
	u, other := c.who(r), r.PathValue("other")
	switch {
	case u == nil || u.ID != r.PathValue("user"):
		answer(w, http.StatusUnauthorized, map[string]string{"title": "no such token"})
	case c.find(other) == nil:
		answer(w, http.StatusNotFound, map[string]string{"title": "no such user"})
	default:
		if !slices.Contains(u.following, other) {
			u.following = append(u.following, other)
		}
		w.WriteHeader(http.StatusNoContent)
	}
}

func (c *Cluster) following(w http.ResponseWriter, r *http.Request) {
	var out []*user
	for _, id := range c.find(r.PathValue("user")).following {
		out = append(out, c.find(id))
	}
	paged(w, r, out)
}

func (c *Cluster) followers(w http.ResponseWriter, r *http.Request) {
	var out []*user
	for _, u := range c.users {
		if slices.Contains(u.following, r.PathValue("user")) {
			out = append(out, u)
		}
	}
	paged(w, r, out)
}

func (c *Cluster) userPosts(w http.ResponseWriter, r *http.Request) {
	c.list(w, r, func(p Post) bool { return p.Author == r.PathValue("user") })
}

func (c *Cluster) home(w http.ResponseWriter, r *http.Request) {
	u := c.who(r)
	if u == nil {
		answer(w, http.StatusUnauthorized, map[string]string{"title": "no such token"})
		return
	}
	c.list(w, r, func(p Post) bool { return p.Author == u.ID || slices.Contains(u.following, p.Author) })
}

func (c *Cluster) list(w http.ResponseWriter, r *http.Request, keep func(Post) bool) {
	var out []Post
	for _, p := range slices.Backward(c.posts) {
		if keep(p) {
			out = append(out, p)
		}
	}
	if c.Mangle != nil {
		out = c.Mangle(r.URL.Path, out)
	}
	paged(w, r, out)
}

// pageSize is small, so that tests see more than one page.
const pageSize = 7

func paged[T any](w http.ResponseWriter, r *http.Request, items []T) {
	from, _ := strconv.Atoi(r.URL.Query().Get("cursor"))
	items = items[min(from, len(items)):]
	page := map[string]any{"items": items[:min(pageSize, len(items))]}
	if len(items) > pageSize {
		page["next"] = strconv.Itoa(from + pageSize)
	}
	answer(w, http.StatusOK, page)
}
