package check

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"grapevine/testnet/internal/api"
)

// Config is what a check takes.
type Config struct {
	Nodes []Node // all owners of the data, running
	Model *Model
	// Sample is the number of users asked about, drawn by Seed; 0 asks about all
	// up to WholeUpTo and about WholeUpTo/5 of more.
	Sample  int
	Seed    uint64
	Timeout time.Duration // for convergence, and again for the answers
	Workers int           // requests in flight
	Progress
	Waiting func(wrong int) // told once how many answers it asks for again
}

// Progress shows how many answers have been compared.
type Progress func(total int) (add func(int), done func())

// WholeUpTo is the number of users up to which all are asked about.
const WholeUpTo = 5000

// again is the pause between looks at something not yet right.
const again = 250 * time.Millisecond

// Report is the verdict of a check.
type Report struct {
	Partitions    int           `json:"partitions"`
	Disagreements []string      `json:"disagreements,omitempty"` // of owners, by partition
	ConvergedIn   time.Duration `json:"converged_in_ns"`
	Users         int           `json:"users"`   // asked about
	Known         int           `json:"known"`   // in the model
	Answers       int           `json:"answers"` // compared: users x lists x nodes
	Mismatches    []Mismatch    `json:"mismatches,omitempty"`
	Took          time.Duration `json:"took_ns"`
}

// OK says whether the testnet converged and every answer was right.
func (r Report) OK() bool { return len(r.Disagreements) == 0 && len(r.Mismatches) == 0 }

// shown is how many faults a printed report spells out.
const shown = 10

// Print writes the report for people.
func (r Report) Print(w io.Writer) {
	if len(r.Disagreements) == 0 {
		fmt.Fprintf(w, "converged: all owners of %d partitions hold equal state (after %s)\n", r.Partitions, r.ConvergedIn.Round(time.Millisecond))
	} else {
		fmt.Fprintf(w, "NOT CONVERGED: %d of %d partitions\n", len(r.Disagreements), r.Partitions)
		list(w, r.Disagreements)
	}
	asked := fmt.Sprintf("all %d users", r.Users)
	if r.Users < r.Known {
		asked = fmt.Sprintf("a sample of %d of %d users", r.Users, r.Known)
	}
	fmt.Fprintf(w, "compared: %d answers about %s, every node asked for %s (of home the newest %d)\n",
		r.Answers, asked, strings.Join(lists, ", "), MaxHome)
	if len(r.Mismatches) > 0 {
		fmt.Fprintf(w, "WRONG ANSWERS: %d\n", len(r.Mismatches))
		list(w, r.Mismatches)
	}
	verdict := "OK"
	if !r.OK() {
		verdict = "FAILED"
	}
	fmt.Fprintf(w, "verdict: %s (%s)\n", verdict, r.Took.Round(time.Millisecond))
}

func list[T any](w io.Writer, faults []T) {
	for i, f := range faults {
		if i == shown {
			fmt.Fprintf(w, "  … and %d more\n", len(faults)-shown)
			return
		}
		fmt.Fprintf(w, "  %v\n", f)
	}
}

// Run waits until the owners agree, compares the answers, and asks again about
// wrong ones until they are right or Timeout has passed: follower lists and home
// timelines are consequences that come a moment later.
func Run(ctx context.Context, cfg Config) (Report, error) {
	start := time.Now()
	c := &checker{Config: cfg, model: cfg.Model, tokens: map[*User]string{}}
	c.pool = api.NewPool(urls(cfg.Nodes), cfg.Workers)
	defer c.pool.Close()
	r := Report{Known: len(cfg.Model.Users) - len(cfg.Model.Free)}
	r.Partitions, r.Disagreements = within(ctx, cfg.Timeout, cfg.Nodes)
	r.ConvergedIn = time.Since(start)

	users := c.sample()
	r.Users = len(users)
	questions := c.questions(users)
	r.Answers = len(questions)
	r.Mismatches = c.answers(ctx, questions)
	if len(r.Disagreements) == 0 {
		r.Partitions, r.Disagreements = within(ctx, cfg.Timeout, cfg.Nodes)
	}
	r.Took = time.Since(start)
	return r, ctx.Err()
}

func within(ctx context.Context, timeout time.Duration, nodes []Node) (int, []string) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return converge(ctx, nodes)
}

type checker struct {
	Config
	model *Model
	pool  *api.Pool

	mu     sync.Mutex
	tokens map[*User]string // newer than the journal's
}

func (c *checker) token(u *User) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return cmp.Or(c.tokens[u], u.Account.Token)
}

func (c *checker) setToken(u *User, token string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tokens[u] = token
}

// sample gives the users to ask about, the same for equal seeds.
func (c *checker) sample() []*User {
	var users []*User
	for _, id := range slices.Sorted(maps.Keys(c.model.Users)) {
		if !c.model.Free[id] {
			users = append(users, c.model.Users[id])
		}
	}
	n := c.Sample
	if n == 0 && len(users) > WholeUpTo {
		n = WholeUpTo / 5
	}
	if n == 0 || n >= len(users) {
		return users
	}
	rand.New(rand.NewPCG(c.Seed, 0)).Shuffle(len(users), func(i, j int) { users[i], users[j] = users[j], users[i] })
	return users[:n]
}

func (c *checker) questions(users []*User) []question {
	var qs []question
	for _, u := range users {
		for _, what := range lists {
			for node := range c.Nodes {
				qs = append(qs, question{node: node, user: u, what: what})
			}
		}
	}
	return qs
}

// answers compares all, then again what was wrong, and returns what stays so.
func (c *checker) answers(ctx context.Context, qs []question) []Mismatch {
	add, done := c.Progress(len(qs))
	qs, wrong := c.compareAll(ctx, qs, add)
	done()
	if len(qs) > 0 {
		c.Waiting(len(qs))
	}
	for deadline := time.Now().Add(c.Timeout); len(qs) > 0 && time.Now().Before(deadline); {
		if api.Pause(ctx, again) != nil {
			break
		}
		qs, wrong = c.compareAll(ctx, qs, func(int) {})
	}
	return wrong
}

// compareAll gives the questions that were answered wrongly, with their faults.
func (c *checker) compareAll(ctx context.Context, qs []question, add func(int)) (bad []question, wrong []Mismatch) {
	details := make([]string, len(qs))
	next := make(chan int)
	var wait sync.WaitGroup
	for range min(c.Workers, len(qs)) {
		wait.Go(func() {
			for i := range next {
				details[i] = c.ask(ctx, qs[i])
				add(1)
			}
		})
	}
	for i := range qs {
		next <- i
	}
	close(next)
	wait.Wait()
	for i, q := range qs {
		if details[i] != "" {
			bad = append(bad, q)
			wrong = append(wrong, Mismatch{Node: c.Nodes[q.node].Index, User: q.user.Name, What: q.what, Detail: details[i]})
		}
	}
	return bad, wrong
}

func urls(nodes []Node) []string {
	out := make([]string, len(nodes))
	for i, n := range nodes {
		out[i] = n.URL
	}
	return out
}
