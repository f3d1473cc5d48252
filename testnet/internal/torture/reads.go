package torture

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"grapevine/testnet/internal/api"
)

// message is what is read of a post.
type message struct{ ID, Author, Text string }

// readOwn reads a post that its author wrote, edited or deleted.
func (c *actor) readOwn(ctx context.Context, p *person) {
	n := c.some(p)
	if n == nil {
		return
	}
	reply, node, err := c.read(ctx, p, "/v1/posts/"+n.id)
	switch {
	case err == nil:
		var got message
		if json.Unmarshal(reply.Body, &got) == nil {
			c.see(p, n.id, node, "read", true, got.Text)
		}
	case api.Status(err) == http.StatusNotFound:
		c.see(p, n.id, node, "read", false, "")
	}
}

// readHome reads the newest of the home timeline, in which own posts stand as
// well.
func (c *actor) readHome(ctx context.Context, p *person) {
	reply, node, err := c.read(ctx, p, "/v1/timelines/home?limit=20")
	var page struct{ Items []message }
	if err != nil || json.Unmarshal(reply.Body, &page) != nil {
		return
	}
	for _, m := range page.Items {
		if m.Author == p.id {
			c.see(p, m.ID, node, "home", true, "")
		}
	}
}

// readOther reads what another person posted.
func (c *actor) readOther(ctx context.Context, p *person) {
	all := c.everybody()
	// What others wrote is compared when all has settled.
	_, _, _ = c.read(ctx, p, "/v1/users/"+all[c.rng.IntN(len(all))].id+"/posts?limit=20")
}

func (c *actor) read(ctx context.Context, p *person, path string) (api.Reply, int, error) {
	begun := time.Now()
	reply, node, err := c.ask(ctx, p, api.Request{Method: http.MethodGet, Path: path})
	if err == nil || api.Status(err) == http.StatusNotFound {
		c.tally.read(time.Since(begun))
	} else {
		c.tally.err("read", err)
	}
	return reply, node, err
}

// see compares what an author was told of an own post with what the session must
// show. An empty text is not compared.
func (c *actor) see(p *person, id string, node int, asked string, stands bool, text string) {
	at := slices.IndexFunc(p.posts, func(n *note) bool { return n.id == id })
	if at < 0 {
		return
	}
	f := c.journal.fate(p.posts[at].acts)
	detail := ""
	switch {
	case stands && !f.Stands:
		detail = "the author reads a post that they deleted"
	case !stands && !f.Gone:
		detail = "the author does not find a post that they made"
	case stands && text != "" && !slices.Contains(f.Texts, text):
		detail = fmt.Sprintf("the author reads %q after %q", text, f.Texts)
	}
	if detail != "" {
		c.tally.fault(Fault{Kind: Backwards, Node: node, User: p.name, Thing: id,
			Detail: fmt.Sprintf("%s (asked: %s, at %s, session %s)", detail, asked, time.Now().Format(time.TimeOnly), p.session)})
	}
}

// fate is what the journal now expects of a post on which these acts were done.
func (j *Journal) fate(acts []Entry) *Fate {
	return (&reader{marks: j.markEntries()}).post(acts)
}
