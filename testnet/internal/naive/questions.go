package naive

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"

	"grapevine/node/client"
	"grapevine/services/social"
)

// question is something to ask a node, and what the model says.
type question struct {
	what string
	ask  func(c *client.Client) (any, error)
	says any
}

// Sample is how many viewers ask a node, beside nobody, and of how many users and
// posts, drawn at random. 0 is all.
type Sample struct{ Viewers, Users, Posts int }

// Compare asks a node everything about a sample, and gives the number of answers, and
// the first difference to the model as an error.
func (p *Player) Compare(ctx context.Context, node int, s Sample) (answers int, err error) {
	users := p.Model.those(func(*user) bool { return true })
	about := draw(p, users, s.Users)
	posts := draw(p, p.made, s.Posts)
	for _, viewer := range append(draw(p, users, s.Viewers), "") {
		c := p.at(node, viewer)
		for _, q := range p.questions(ctx, viewer, about, posts) {
			got, err := q.ask(c)
			if status := client.StatusOf(err); err != nil && status != http.StatusNotFound {
				return answers, fmt.Errorf("node %d: %s for %s: %w", node, q.what, viewer, err)
			} else if err != nil {
				got = gone
			}
			if a, b := fmt.Sprint(got), fmt.Sprint(q.says); a != b {
				return answers, fmt.Errorf("node %d: %s for %s:\n got %s\nwant %s", node, q.what, viewer, a, b)
			}
			answers++
		}
	}
	return answers, nil
}

// draw gives n of the ids.
func draw(p *Player, ids []string, n int) []string {
	ids = slices.Clone(ids)
	p.cfg.Rand.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
	if n > 0 && n < len(ids) {
		return ids[:n:n]
	}
	return slices.Clip(ids)
}

// gone is the model's word for what a viewer does not find.
const gone = "nothing"

func (p *Player) questions(ctx context.Context, viewer string, users, posts []string) []question {
	qs := append(p.timelines(ctx, viewer), p.everybodys(ctx, viewer)...)
	if viewer != "" {
		qs = append(qs, p.ownQuestions(ctx, viewer)...)
	}
	for _, id := range users {
		qs = append(qs, p.aboutUser(ctx, viewer, id)...)
	}
	for _, id := range posts {
		qs = append(qs, p.aboutPost(ctx, viewer, id)...)
	}
	for n := range words {
		qs = append(qs, question{"search for " + word(n), func(c *client.Client) (any, error) {
			return gather(func(cut social.Cut) (social.Page[client.FoundPost], error) {
				page, err := c.SearchPosts(ctx, social.Search{Query: word(n)}, cut)
				return page.Page, err
			}, func(f client.FoundPost) string { return f.Post.ID }, true)
		}, p.Model.found(viewer, word(n))})
	}
	return qs
}

func (p *Player) timelines(ctx context.Context, viewer string) []question {
	m := p.Model
	qs := []question{{"public timeline", func(c *client.Client) (any, error) {
		return posts(func(cut social.Cut) (social.Page[social.Post], error) {
			page, err := c.Public(ctx, cut)
			return page.Page, err
		})
	}, m.all(viewer)}}
	for n := range tags {
		qs = append(qs, question{"tag " + tag(n), func(c *client.Client) (any, error) {
			return posts(func(cut social.Cut) (social.Page[social.Post], error) { return c.Tagged(ctx, tag(n), cut) })
		}, m.tagged(viewer, tag(n))})
	}
	if viewer == "" {
		return qs
	}
	return append(qs,
		question{"home", func(c *client.Client) (any, error) {
			return posts(func(cut social.Cut) (social.Page[social.Post], error) { return c.Home(ctx, cut) })
		}, m.home(viewer)},
		question{"mentions", func(c *client.Client) (any, error) {
			return posts(func(cut social.Cut) (social.Page[social.Post], error) { return c.Mentions(ctx, cut) })
		}, m.mentioning(viewer)},
		question{"friend requests", func(c *client.Client) (any, error) {
			return people(func(cut social.Cut) (social.Page[social.User], error) {
				return c.FriendRequests(ctx, viewer, social.Incoming, cut)
			})
		}, m.requests(viewer)},
		question{"blocks", func(c *client.Client) (any, error) {
			return people(func(cut social.Cut) (social.Page[social.User], error) { return c.Blocks(ctx, viewer, cut) })
		}, sorted(m.users[viewer].blocks)},
		question{"mutes", func(c *client.Client) (any, error) {
			return people(func(cut social.Cut) (social.Page[social.User], error) { return c.Mutes(ctx, viewer, cut) })
		}, sorted(m.users[viewer].mutes)},
	)
}

func (p *Player) aboutUser(ctx context.Context, viewer, id string) []question {
	m := p.Model
	u := m.users[id]
	lists := func(what string, list func(*client.Client, context.Context, string, social.Cut) (social.Page[social.User], error), says []string) question {
		return question{what + " of " + id, func(c *client.Client) (any, error) {
			return people(func(cut social.Cut) (social.Page[social.User], error) { return list(c, ctx, "@"+u.name, cut) })
		}, says}
	}
	qs := []question{
		{"account " + id, func(c *client.Client) (any, error) {
			a, err := c.Account(ctx, "@"+u.name)
			return []any{a.ID, a.Username, a.DisplayName, a.Bio, a.Following, a.Followers, a.Friends}, err
		}, []any{id, u.name, u.display, u.bio, len(u.follows), len(m.followers(id)), len(m.friends(id))}},
		lists("following", (*client.Client).Following, sorted(u.follows)),
		lists("followers", (*client.Client).Followers, m.followers(id)),
		lists("friends", (*client.Client).Friends, m.friends(id)),
		{"posts of " + id, func(c *client.Client) (any, error) {
			return posts(func(cut social.Cut) (social.Page[social.Post], error) { return c.UserPosts(ctx, id, cut) })
		}, m.by(viewer, id)},
	}
	if viewer == "" || viewer == id {
		return qs
	}
	me := m.users[viewer]
	says := social.Relation{
		Following: me.follows[id], FollowedBy: u.follows[viewer], Friends: me.agreed[id] && u.agreed[viewer],
		Requested: me.agreed[id] && !u.agreed[viewer], Asked: !me.agreed[id] && u.agreed[viewer],
		Blocking: me.blocks[id], Muting: me.mutes[id],
	}
	return append(qs,
		lists("mutuals", func(c *client.Client, ctx context.Context, ref string, cut social.Cut) (social.Page[social.User], error) {
			return c.Mutuals(ctx, viewer, ref, cut)
		}, m.mutuals(viewer, id)),
		question{"relation to " + id, func(c *client.Client) (any, error) { return c.Relation(ctx, viewer, id) }, says},
		question{"path to " + id, func(c *client.Client) (any, error) {
			path, err := c.Path(ctx, viewer, id)
			return len(path.Path) - 1, err
		}, orGone(m.steps(viewer, id))},
	)
}

func orGone(steps int) any {
	if steps < 0 {
		return gone
	}
	return steps
}

func (p *Player) aboutPost(ctx context.Context, viewer, id string) []question {
	m := p.Model
	if !m.sees(viewer, id) {
		return []question{{"post " + id, func(c *client.Client) (any, error) { return c.GetPost(ctx, id) }, gone}}
	}
	post, w := m.posts[id], m.written(id)
	reposters := set{}
	for user := range w.reposts {
		reposters[user] = true
	}
	texts := slices.Clone(w.texts)
	slices.Reverse(texts)
	return []question{
		{"post " + id, func(c *client.Client) (any, error) {
			got, err := c.GetPost(ctx, id)
			if err != nil {
				return nil, err
			}
			shown := &got
			if got.Reposted != nil {
				shown = got.Reposted
			}
			return view(got, shown), nil
		}, []any{
			post.author, w.text(), w.replyTo, post.repostOf, len(w.likes), len(w.reposts), m.publicReplies(w.id),
			w.likes[viewer], w.reposts[viewer] != "",
		}},
		{"likes of " + id, func(c *client.Client) (any, error) {
			return people(func(cut social.Cut) (social.Page[social.User], error) { return c.Likes(ctx, id, cut) })
		}, m.shown(viewer, w.likes)},
		{"reposts of " + id, func(c *client.Client) (any, error) {
			return people(func(cut social.Cut) (social.Page[social.User], error) { return c.Reposts(ctx, id, cut) })
		}, m.shown(viewer, reposters)},
		{"thread of " + id, func(c *client.Client) (any, error) { return thread(ctx, c, id) },
			[]any{m.above(viewer, w.id), w.id, m.below(viewer, w.id)}},
		{"history of " + id, func(c *client.Client) (any, error) {
			versions, err := gather(func(cut social.Cut) (social.Page[social.PostVersion], error) { return c.PostHistory(ctx, id, cut) },
				func(v social.PostVersion) string { return v.Text }, false)
			return slices.Compact(versions), err // an edit may have been made twice
		}, slices.Compact(texts)},
	}
}

// view is what is compared of a post. Shown is the post itself, or what it passes on.
func view(p social.Post, shown *social.Post) []any {
	var counts social.PostCounts
	var mine social.PostViewer
	if shown.Counts != nil {
		counts = *shown.Counts
	}
	if shown.Viewer != nil {
		mine = *shown.Viewer
	}
	return []any{
		p.Author, shown.Text, shown.ReplyTo, p.RepostOf, counts.Likes, counts.Reposts, counts.Replies,
		mine.Liked, mine.Reposted,
	}
}

func thread(ctx context.Context, c *client.Client, id string) (any, error) {
	var down []string
	for cut := (social.Cut{Limit: pageSize}); ; {
		t, err := c.Thread(ctx, id, cut)
		if err != nil {
			return nil, err
		}
		down = append(down, postIDs(t.Descendants)...)
		if t.Next == "" {
			return []any{postIDs(t.Ancestors), t.Post.ID, down}, nil
		}
		cut.Cursor = t.Next
	}
}

func postIDs(posts []social.Post) []string {
	var ids []string
	for _, p := range posts {
		ids = append(ids, p.ID)
	}
	return ids
}

// pageSize makes most lists several pages.
const pageSize = 7

// gather reads all pages of a list.
func gather[T any](page func(social.Cut) (social.Page[T], error), key func(T) string, inOrderOfKeys bool) ([]string, error) {
	var keys []string
	for cut := (social.Cut{Limit: pageSize}); ; {
		got, err := page(cut)
		if err != nil {
			return nil, err
		}
		for _, item := range got.Items {
			keys = append(keys, key(item))
		}
		if got.Next == "" {
			break
		}
		cut.Cursor = got.Next
	}
	if inOrderOfKeys {
		slices.SortFunc(keys, cmp.Compare[string])
	}
	return keys, nil
}

func posts(page func(social.Cut) (social.Page[social.Post], error)) ([]string, error) {
	return gather(page, func(p social.Post) string { return p.ID }, false)
}

func people(page func(social.Cut) (social.Page[social.User], error)) ([]string, error) {
	return gather(page, func(u social.User) string { return u.ID }, false)
}
