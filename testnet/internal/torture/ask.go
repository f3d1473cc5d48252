package torture

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"grapevine/testnet/internal/api"
)

// Bounds of asking.
const (
	askers    = 16               // requests in flight
	stuckFor  = 10 * time.Second // after which a session is taken for stuck
	homeLimit = 800              // posts of a home timeline, the newest
)

// question is what is asked of one node about one user.
type question struct {
	person *person
	target *target
	posts  []string // to be asked for one by one
}

// askAll asks every node about everybody, the sessions included. The load must
// not act. With each, every post the journal knows is asked for by itself as well.
func (l *load) askAll(ctx context.Context, x *Expectation, each bool) ([]Answers, error) {
	var questions []question
	for _, p := range l.everybody() {
		var posts []string
		if u := x.Users[p.id]; u != nil && each {
			for id := range u.Posts {
				posts = append(posts, id)
			}
		}
		for _, t := range l.targets.all() {
			questions = append(questions, question{p, t, posts})
		}
	}
	answers := make([]Answers, len(questions))
	errs := make([]error, len(questions))
	next := make(chan int)
	var wait sync.WaitGroup
	for range askers {
		wait.Go(func() {
			for i := range next {
				answers[i], errs[i] = questions[i].ask(ctx)
			}
		})
	}
	for i := range questions {
		next <- i
	}
	close(next)
	wait.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return answers, ctx.Err()
}

// ask collects the answers. Only what is no answer at all is an error.
func (q question) ask(ctx context.Context) (Answers, error) {
	a := Answers{Node: q.target.index, User: q.person.id, Posts: map[string]string{}, Follows: map[string]bool{}, Read: map[string]bool{}}
	own := "/v1/users/" + q.person.id
	posts, err := api.List[message](ctx, q.target.pool, 0, own+"/posts", "", 0)
	if api.Status(err) == http.StatusNotFound {
		return a, nil
	}
	if err != nil {
		return a, q.wrap(err)
	}
	a.Known = true
	for _, m := range posts {
		a.Posts[m.ID] = m.Text
	}
	following, err := api.List[struct{ ID string }](ctx, q.target.pool, 0, own+"/following", "", 0)
	if err != nil {
		return a, q.wrap(err)
	}
	for _, u := range following {
		a.Follows[u.ID] = true
	}
	home, err := api.List[message](ctx, q.target.pool, 0, "/v1/timelines/home", q.person.token, homeLimit)
	if err != nil {
		return a, q.wrap(err)
	}
	for _, m := range home {
		a.Home = append(a.Home, m.ID)
	}
	for _, id := range q.posts {
		_, err := q.target.pool.Retry(ctx, 0, api.Request{Method: http.MethodGet, Path: "/v1/posts/" + id})
		if err != nil && api.Status(err) != http.StatusNotFound {
			return a, q.wrap(err)
		}
		a.Read[id] = err == nil
	}
	a.Stuck = q.stuck(ctx)
	return a, nil
}

func (q question) wrap(err error) error {
	return fmt.Errorf("torture: node %d about @%s: %w", q.target.index, q.person.name, err)
}

// stuck says why the user's session is not served, "" when it is.
func (q question) stuck(ctx context.Context) string {
	deadline := time.Now().Add(stuckFor)
	for {
		_, err := q.target.pool.Do(ctx, 0, api.Request{
			Method: http.MethodGet, Path: "/v1/users/" + q.person.id + "/posts?limit=1", Session: q.person.session,
		})
		if err == nil {
			return ""
		}
		if time.Now().After(deadline) || api.Pause(ctx, again) != nil {
			return err.Error()
		}
	}
}

// forgive has users begin new sessions where the old one names a write whose loss
// is excused.
func (l *load) forgive(x *Expectation, answers []Answers) {
	for _, p := range l.everybody() {
		for _, a := range answers {
			if a.User == p.id && a.Stuck != "" && x.Users[p.id].Loss {
				p.session = ""
			}
		}
	}
}
