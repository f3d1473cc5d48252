package torture

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"grapevine/testnet/internal/api"
)

// wholeWithin is how long what follows from acts may take once all nodes run the
// later build: longer than another owner waits for one that announces nothing.
const wholeWithin = 60 * time.Second

// copiesKept is on how many nodes each row lies.
const copiesKept = 3

// pairs are the pairs of people who use the later build in each mix.
const pairs = 4

// news is what was done with what only the later build knows.
type news struct {
	sights  []sight
	refused int // acts that were refused, with a reason
}

// sight is what every node has to show in the end: text in the answer to path.
type sight struct{ what, path, token, text string }

func getRequest(path string) api.Request { return api.Request{Method: http.MethodGet, Path: path} }

// act uses the later build while there are earlier ones: what it knows is done at the
// node that was restarted last, and what others do at the one whose turn comes last.
// Several pairs of people do the same, since their partitions have owners of other
// builds each.
func (u *upgrade) act(ctx context.Context, later int) {
	all := u.load.targets.all()
	n := &novelty{u, ctx, all[later-1], all[len(all)-1], u.Nodes-later < min(copiesKept, u.Nodes)}
	for i := range pairs {
		n.both(fmt.Sprintf("ann_%d_%d", later, i+1), fmt.Sprintf("ben_%d_%d", later, i+1))
	}
}

// novelty does what only the later build knows.
type novelty struct {
	*upgrade
	ctx          context.Context
	ours, theirs *target
	// told says that every partition has an owner of the later build. Where all owners
	// are earlier ones an act has the consequences that those know of.
	told bool
}

// both has two new people do what the earlier build does not know, or does not know
// all consequences of.
func (n *novelty) both(ann, ben string) {
	ours, theirs := n.ours, n.theirs
	a, b := n.meet(ours, ann), n.meet(theirs, ben)
	if a == nil || b == nil {
		return
	}
	list := n.do(ours, a, "a list", http.MethodPost, "/v1/lists", map[string]string{"title": "for " + ann})
	if list != "" && n.do(ours, a, "a member of the list", http.MethodPut, "/v1/lists/"+list+"/members/"+b.id, nil) != "" {
		n.expect("the members of the list", "/v1/lists/"+list+"/members", a, b.id)
	}
	post := n.do(theirs, b, "a mention", http.MethodPost, "/v1/posts", map[string]string{"text": "Hello @" + ann})
	if post != "" {
		if n.told {
			n.expect("the notification of the mention", "/v1/notifications", a, post)
		}
		n.expect("the timeline of mentions", "/v1/timelines/mentions", a, post)
	}
	if list != "" && post != "" {
		n.expect("the timeline of the list", "/v1/timelines/lists/"+list, a, post)
	}
	if post != "" && n.do(theirs, a, "a like", http.MethodPut, "/v1/posts/"+post+"/like", nil) != "" && n.told {
		n.expect("the notification of the like", "/v1/notifications", b, a.id)
	}
	channel := "of_" + ann
	message := n.do(ours, a, "a message in a channel", http.MethodPost, "/v1/notifications",
		map[string]string{"channel": channel, "message": "from " + ann})
	if message != "" {
		n.expect("the channel", "/v1/channels/"+channel, a, message)
	}
	if n.do(ours, a, "a new name", http.MethodPatch, "/v1/users/"+a.id, map[string]string{"username": ann + "_too"}) != "" {
		n.expect("the new name", "/v1/users/@"+ann+"_too", a, a.id)
	}
}

// meet makes an account at a node, nil if that fails.
func (n *novelty) meet(at *target, name string) *person {
	account, err := at.pool.SignUp(n.ctx, 0, api.SignUp{Username: name, Password: "upgrade-" + name})
	if err != nil {
		n.load.tally.fault(Fault{Kind: Lost, Node: at.index, User: name, Thing: "an account", Detail: err.Error()})
		return nil
	}
	return &person{name: name, id: account.ID, token: account.Token}
}

// do acts for a person at a node and gives the id of what it made, or "done"; "" when
// the node refused with a reason. Anything else is a fault.
func (n *novelty) do(at *target, p *person, what, method, path string, body any) string {
	r := api.Request{Method: method, Path: path, Token: p.token, Session: p.session, Body: body}
	if method == http.MethodPost {
		r.Key = what + " of " + p.name
	}
	reply, err := n.ask(at, r)
	var said *api.StatusError
	switch {
	case err == nil:
		p.session = reply.Session
	case errors.As(err, &said) && strings.Contains(said.Detail, "earlier build"):
		n.news.refused++
		n.say("%s is refused: %v", what, err)
		return ""
	default:
		n.load.tally.fault(Fault{Kind: Lost, Node: at.index, User: p.name, Thing: what, Detail: err.Error()})
		return ""
	}
	var made struct{ ID string }
	if len(reply.Body) == 0 || json.Unmarshal(reply.Body, &made) != nil || made.ID == "" {
		return "done"
	}
	return made.ID
}

// ask tries a few times, as a client does.
func (n *novelty) ask(at *target, r api.Request) (reply api.Reply, err error) {
	for try := range tries {
		if reply, err = at.pool.Do(n.ctx, 0, r); api.Status(err) != http.StatusServiceUnavailable {
			return reply, err
		}
		if api.Pause(n.ctx, pause<<try) != nil {
			break
		}
	}
	return reply, err
}

func (n *novelty) expect(what, path string, p *person, text string) {
	n.news.sights = append(n.news.sights, sight{what, path, p.token, text})
}

// whole waits until every node shows all that was done with what only the later build
// knows.
func (u *upgrade) whole(ctx context.Context) {
	deadline := time.Now().Add(wholeWithin)
	for _, t := range u.load.targets.all() {
		for _, s := range u.news.sights {
			err := u.rig.until(ctx, max(time.Until(deadline), time.Second), func(ctx context.Context) error {
				reply, err := t.pool.Do(ctx, 0, api.Request{Method: http.MethodGet, Path: s.path, Token: s.token})
				if err == nil && !bytes.Contains(reply.Body, []byte(s.text)) {
					err = fmt.Errorf("%s does not say %q: %.200s", s.path, s.text, bytes.TrimSpace(reply.Body))
				}
				return err
			})
			if err != nil {
				u.report.Faults = append(u.report.Faults, Fault{Kind: Lost, Node: t.index, Thing: s.what, Detail: err.Error()})
			}
		}
	}
	u.say("of what was used of the later build beside the earlier, %d things were looked for on every node; %d were refused", len(u.news.sights), u.news.refused)
}
