// Package load puts datasets into a running testnet through the public API, and
// keeps a journal so that an interrupted load continues where it was.
//
// Users come first, then follows, then posts: a home timeline holds what was
// posted while its owner followed the author. Each act goes to the next node in
// turn; a post that answers another carries that one's session, so that the node
// knows it.
package load

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"grapevine/testnet/internal/api"
	"grapevine/testnet/internal/dataset"
	"grapevine/testnet/internal/stats"
)

// Meter shows progress. Add is called from many goroutines.
type Meter interface {
	Add(n int)
	Done()
}

// Config is what a load takes. Workers bounds the requests in flight.
type Config struct {
	Pool    *api.Pool
	Journal *Journal
	Data    *dataset.Dataset
	Workers int
	Meter   func(what string, total int) Meter
}

// Phase is what one kind of act came to.
type Phase struct {
	What    string        `json:"what"`
	Done    int           `json:"done"`   // in this run
	Before  int           `json:"before"` // by earlier runs
	Refused int           `json:"refused"`
	Took    time.Duration `json:"took_ns"`
	Latency stats.Summary `json:"latency"`
}

// PerSecond gives the throughput of the run.
func (p Phase) PerSecond() float64 {
	if p.Took <= 0 {
		return 0
	}
	return float64(p.Done) / p.Took.Seconds()
}

// FollowChunk is the number of follows that one journal line stands for.
const FollowChunk = 32

// Run loads what the journal does not yet hold and says how it went. After an
// error, or the end of ctx, another Run continues.
func Run(ctx context.Context, cfg Config) ([]Phase, error) {
	l := &loader{Config: cfg, accounts: make([]api.Account, len(cfg.Data.Users))}
	var phases []Phase
	for _, run := range []func(context.Context) (Phase, error){l.users, l.follows, l.posts} {
		phase, err := run(ctx)
		phases = append(phases, phase)
		if err != nil {
			return phases, fmt.Errorf("load %s of %s: %w", phase.What, cfg.Data.Kind, err)
		}
	}
	return phases, nil
}

type loader struct {
	Config
	accounts []api.Account
	logins   sync.Mutex // guards accounts once users are done
}

// users makes the accounts.
func (l *loader) users(ctx context.Context) (Phase, error) {
	var todo []int
	for i := range l.Data.Users {
		if account, ok := l.Journal.Done.Users[i]; ok {
			l.accounts[i] = account
		} else {
			todo = append(todo, i)
		}
	}
	r := l.begin("users", len(todo), len(l.Data.Users)-len(todo))
	return r.each(ctx, todo, func(ctx context.Context, i int) error {
		u := l.Data.Users[i]
		start := time.Now()
		account, err := l.Pool.SignUp(ctx, i, api.SignUp{
			Username: u.Username, Password: l.Data.Password(i), DisplayName: u.DisplayName, Bio: u.Bio,
		})
		if err != nil {
			return err
		}
		r.done(start)
		l.accounts[i] = account
		return l.Journal.user(i, account)
	})
}

// follows makes the follows, a chunk to a worker.
func (l *loader) follows(ctx context.Context) (Phase, error) {
	all := l.Data.Follows
	var todo []int
	left := 0
	for first := 0; first < len(all); first += FollowChunk {
		if !l.Journal.Done.Follows[first] {
			todo = append(todo, first)
			left += min(FollowChunk, len(all)-first)
		}
	}
	r := l.begin("follows", left, len(all)-left)
	return r.each(ctx, todo, func(ctx context.Context, first int) error {
		for i := first; i < min(first+FollowChunk, len(all)); i++ {
			start := time.Now()
			err := l.as(ctx, all[i].From, func(who api.Account) error {
				return l.Pool.Follow(ctx, i, who, l.account(all[i].To).ID)
			})
			if err != nil {
				return err
			}
			r.done(start)
		}
		return l.Journal.follows(first)
	})
}

// posts makes the posts in the order of the dataset, as far as workers overtake
// each other; an answer waits for the post it answers.
func (l *loader) posts(ctx context.Context) (Phase, error) {
	done := l.Journal.Done
	var todo []int
	for i := range l.Data.Posts {
		if done.Posts[i] == "" && done.Refused[i] == 0 {
			todo = append(todo, i)
		}
	}
	parents := awaited(l.Data.Posts, done)
	r := l.begin("posts", len(todo), len(l.Data.Posts)-len(todo))
	return r.each(ctx, todo, func(ctx context.Context, i int) error {
		reply, err := parents.wait(ctx, l.Data.Posts[i].ReplyTo)
		if err != nil {
			return err
		}
		start := time.Now()
		posted, err := l.post(ctx, i, reply)
		if status := api.Status(err); refusal(status) {
			r.refuse()
			parents.settle(i, api.Posted{})
			return l.Journal.refused(i, status)
		}
		if err != nil {
			return err
		}
		r.done(start)
		parents.settle(i, posted)
		return l.Journal.post(i, posted.ID)
	})
}

func (l *loader) post(ctx context.Context, i int, reply api.Posted) (posted api.Posted, err error) {
	draft := api.Draft{
		Text: l.Data.Posts[i].Text, ReplyTo: reply.ID, Session: reply.Session,
		Key: fmt.Sprintf("testnet-%s-%d", l.Data.Kind, i),
	}
	err = l.as(ctx, l.Data.Posts[i].Author, func(who api.Account) error {
		posted, err = l.Pool.Post(ctx, i, who, draft)
		return err
	})
	return posted, err
}

// refusal says whether a status is the service's final word on one post, which
// need not stop the others.
func refusal(status int) bool {
	return slices.Contains([]int{http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity}, status)
}

func (l *loader) account(user int) api.Account {
	l.logins.Lock()
	defer l.logins.Unlock()
	return l.accounts[user]
}

// as calls fn for a user, once more with a new token when the journal's is no
// longer good.
func (l *loader) as(ctx context.Context, user int, fn func(api.Account) error) error {
	err := fn(l.account(user))
	if api.Status(err) != http.StatusUnauthorized {
		return err
	}
	account, err := l.Pool.LogIn(ctx, user, l.Data.Users[user].Username, l.Data.Password(user))
	if err != nil {
		return err
	}
	l.logins.Lock()
	l.accounts[user] = account
	l.logins.Unlock()
	if err := l.Journal.user(user, account); err != nil {
		return err
	}
	return fn(account)
}

// run measures one phase.
type run struct {
	phase   Phase
	workers int
	meter   Meter

	mu   sync.Mutex
	took []time.Duration
}

func (l *loader) begin(what string, todo, before int) *run {
	return &run{
		phase:   Phase{What: what, Before: before},
		workers: l.Workers,
		meter:   l.Meter(what+" of "+l.Data.Kind, todo),
	}
}

// done counts an act that began at start.
func (r *run) done(start time.Time) {
	took := time.Since(start)
	r.mu.Lock()
	r.took = append(r.took, took)
	r.mu.Unlock()
	r.meter.Add(1)
}

func (r *run) refuse() {
	r.mu.Lock()
	r.phase.Refused++
	r.mu.Unlock()
	r.meter.Add(1)
}

// each hands the items out in their order to the workers, until one fails.
func (r *run) each(ctx context.Context, items []int, act func(context.Context, int) error) (Phase, error) {
	defer r.meter.Done()
	start := time.Now()
	queue := make(chan int)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer close(queue)
		for _, item := range items {
			select {
			case queue <- item:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	for range min(r.workers, len(items)) {
		group.Go(func() error {
			for item := range queue {
				if err := act(ctx, item); err != nil {
					return err
				}
			}
			return nil
		})
	}
	err := group.Wait()
	r.phase.Took = time.Since(start)
	r.phase.Done = len(r.took)
	r.phase.Latency = stats.Summarise(r.took)
	return r.phase, err
}
