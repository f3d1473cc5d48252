package naive

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"time"

	"grapevine/node/client"
	"grapevine/services/social"
)

// Config is what a Player needs. All is required.
type Config struct {
	// Nodes are the base URLs of the nodes.
	Nodes []string
	// HTTP reaches them.
	HTTP *http.Client
	// Rand decides on everything.
	Rand *rand.Rand
	// Pause waits for a time, as when a node is away. It fails when ctx ends.
	Pause func(ctx context.Context, d time.Duration) error
}

// Player makes the same acts on a cluster and on a Model, one after the other, each
// at a node of its choice. The session token goes from act to act, so that each sees
// what the ones before wrote.
type Player struct {
	Model *Model
	// Down are nodes that do not answer, by their place in Nodes.
	Down map[int]bool

	cfg     Config
	session string
	tokens  map[string]string
	names   int
	made    []string // posts, deleted ones too
	ghosts  set      // titles of lists that may have been made
	// Acts counts the acts made, and Refused those of them that both sides refused.
	Acts, Refused int
}

// NewPlayer gives a player with an empty network.
func NewPlayer(cfg Config) *Player {
	return &Player{Model: NewModel(), Down: map[int]bool{}, ghosts: set{}, cfg: cfg, tokens: map[string]string{}}
}

// at gives a client of a node, for an account or, with "", for nobody.
func (p *Player) at(node int, user string) *client.Client {
	return client.New(p.cfg.Nodes[node], client.WithHTTPClient(p.cfg.HTTP),
		client.WithToken(p.tokens[user]), client.WithSession(p.session))
}

// tries bounds how often an act is made again at another node.
const tries = 40

// do makes a call at some node, and again at another where one is not there or cannot
// say what came of it: all acts can be made twice.
func (p *Player) do(ctx context.Context, user string, call func(c *client.Client) error) error {
	var err error
	for range tries {
		node := p.cfg.Rand.IntN(len(p.cfg.Nodes))
		if p.Down[node] {
			continue
		}
		c := p.at(node, user)
		err = call(c)
		if token := c.Session(); token != "" {
			p.session = token
		}
		if status := client.StatusOf(err); err == nil || status > 0 && status != http.StatusServiceUnavailable && status != http.StatusTooManyRequests {
			return err
		}
		if err := p.cfg.Pause(ctx, 300*time.Millisecond); err != nil {
			return err
		}
	}
	return fmt.Errorf("given up after %d attempts: %w", tries, err)
}

// SignUp adds users of this package's making.
func (p *Player) SignUp(ctx context.Context, n int) error {
	for range n {
		p.names++
		if _, err := p.signUp(ctx, client.SignUp{Username: "user" + strconv.Itoa(p.names), Password: "a long password"}); err != nil {
			return err
		}
	}
	return nil
}

func (p *Player) signUp(ctx context.Context, in client.SignUp) (id string, err error) {
	var made client.SignedUp
	err = p.do(ctx, "", func(c *client.Client) (err error) {
		made, err = c.SignUp(ctx, in)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("sign up %s: %w", in.Username, err)
	}
	p.tokens[made.ID] = made.Session.Token
	p.Model.signUp(made.User)
	p.Acts++
	return made.ID, nil
}

// errRefused is what the model says of an act that cannot be.
var errRefused = errors.New("refused")

// consequenceTime is more than what follows from an act takes, which is eventual.
const consequenceTime = 2 * time.Second

// agree compares what became of an act with what the model says.
func (p *Player) agree(what string, err, says error) (done bool, _ error) {
	p.Acts++
	status := client.StatusOf(err)
	switch {
	case err != nil && status == 0 || status >= http.StatusInternalServerError:
		return false, fmt.Errorf("%s: %w", what, err)
	case (err == nil) == (says == nil):
		if err != nil {
			p.Refused++
		}
		return err == nil, nil
	}
	return false, fmt.Errorf("%s: the cluster says %w, the model %w", what, orDone(err), orDone(says))
}

var errDone = errors.New("done")

func orDone(err error) error {
	if err == nil {
		return errDone
	}
	return err
}

// some gives one of the users, and another one.
func (p *Player) some() (one, other string) {
	ids := p.Model.those(func(*user) bool { return true })
	i := p.cfg.Rand.IntN(len(ids))
	j := (i + 1 + p.cfg.Rand.IntN(len(ids)-1)) % len(ids)
	return ids[i], ids[j]
}

// somePost gives a post, mostly a late one, and now and then one that is gone.
func (p *Player) somePost() string {
	back := min(p.cfg.Rand.IntN(len(p.made)), p.cfg.Rand.IntN(len(p.made)))
	return p.made[len(p.made)-1-back]
}

// own gives a post of a user's.
func (p *Player) own(user string) (string, bool) {
	ids := p.Model.by(user, user)
	ids = slices.DeleteFunc(ids, func(id string) bool { return p.Model.posts[id].repostOf != "" })
	if len(ids) == 0 {
		return "", false
	}
	return ids[p.cfg.Rand.IntN(len(ids))], true
}

// post makes a post of some visibility, answering another or not. It gives its id, ""
// for one that was refused.
func (p *Player) post(ctx context.Context, user string, in client.NewPost) (string, error) {
	in.Key = strconv.Itoa(len(p.made)) + "-" + user
	var made social.Post
	err := p.do(ctx, user, func(c *client.Client) (err error) {
		made, err = c.Post(ctx, in)
		return err
	})
	var says error
	if in.ReplyTo != "" && !p.Model.sees(user, in.ReplyTo) {
		says = errRefused
	}
	done, err := p.agree("post", err, says)
	if done {
		p.Model.post(made)
		p.made = append(p.made, made.ID)
	}
	return made.ID, err
}
