package naive

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"grapevine/node/client"
	"grapevine/services/social"
)

// prefixes are beginnings of names of this package's making.
var prefixes = []string{"user1", "user2", "w00", "w013x"}

// everybody's questions are those about the network as a whole.
func (p *Player) everybodys(ctx context.Context, viewer string) []question {
	qs := []question{{"trends", func(c *client.Client) (any, error) {
		t, err := c.TrendingTags(ctx, social.MaxPage)
		return trending(t.Items), err
	}, p.Model.trends()}}
	for _, prefix := range prefixes {
		qs = append(qs, question{"users " + prefix, func(c *client.Client) (any, error) {
			return gather(func(cut social.Cut) (social.Page[social.User], error) {
				page, err := c.SearchUsers(ctx, social.Search{Query: prefix}, cut)
				return page.Page, err
			}, func(u social.User) string { return u.ID }, true)
		}, p.Model.typed(viewer, prefix)})
	}
	return qs
}

// ownQuestions are those about what only the viewer sees.
func (p *Player) ownQuestions(ctx context.Context, viewer string) []question {
	m, u := p.Model, p.Model.users[viewer]
	var qs []question
	if u.ever <= social.MaxNotifications { // of more, the oldest go when fan-out looks
		qs = p.inboxQuestions(ctx, viewer)
	}
	qs = append(qs, question{"lists", func(c *client.Client) (any, error) {
		titles, err := gather(func(cut social.Cut) (social.Page[social.List], error) { return c.Lists(ctx, cut) },
			func(l social.List) string { return l.Title }, false)
		return slices.DeleteFunc(titles, func(title string) bool { return p.ghosts[title] }), err
	}, m.titles(viewer)})
	for _, l := range u.lists {
		qs = append(qs,
			question{"members of " + l.title, func(c *client.Client) (any, error) {
				return people(func(cut social.Cut) (social.Page[social.User], error) { return c.ListMembers(ctx, l.id, cut) })
			}, m.shown(viewer, l.members)},
			question{"timeline of " + l.title, func(c *client.Client) (any, error) {
				return posts(func(cut social.Cut) (social.Page[social.Post], error) { return c.ListTimeline(ctx, l.id, cut) })
			}, m.listed(viewer, l)})
	}
	for n := range channels {
		qs = append(qs, question{channel(n), func(c *client.Client) (any, error) {
			return gather(func(cut social.Cut) (social.Page[social.ChannelMessage], error) {
				return c.Channel(ctx, channel(n), cut)
			},
				func(said social.ChannelMessage) string { return said.Message }, false)
		}, m.heard(viewer, channel(n))})
	}
	return append(qs, question{"export", func(c *client.Client) (any, error) {
		var file bytes.Buffer
		if err := c.Export(ctx, viewer, &file); err != nil {
			return nil, err
		}
		return exported(&file)
	}, m.exports(viewer)})
}

func (p *Player) inboxQuestions(ctx context.Context, viewer string) []question {
	m, inbox := p.Model, p.Model.inbox(viewer)
	list := func(what string, list lister, says [][]notice) question {
		return question{what, func(c *client.Client) (any, error) {
			shown, err := notices(ctx, func(ctx context.Context, cut social.Cut) (client.NotificationPage, error) { return list(c, ctx, cut) })
			return shownViews(shown), err
		}, views(says)}
	}
	return []question{
		list("notifications", (*client.Client).Notifications, groups(inbox)),
		list("each notification", (*client.Client).EachNotification, singles(inbox)),
		{"unread", func(c *client.Client) (any, error) {
			page, err := c.Notifications(ctx, social.Cut{Limit: 1})
			if err != nil {
				return nil, err
			}
			n, err := c.UnreadNotifications(ctx)
			return []int{page.Unread, n.Count}, err
		}, []int{m.unread(viewer), m.unread(viewer)}},
		{"preferences", func(c *client.Client) (any, error) {
			return c.NotificationPreferences(ctx)
		}, m.preferences(viewer)},
	}
}

type lister = func(c *client.Client, ctx context.Context, cut social.Cut) (client.NotificationPage, error)

// notices reads all pages of an inbox.
func notices(ctx context.Context, list func(context.Context, social.Cut) (client.NotificationPage, error)) ([]social.Notification[*social.Post], error) {
	var all []social.Notification[*social.Post]
	for cut := (social.Cut{Limit: pageSize}); ; {
		page, err := list(ctx, cut)
		if err != nil {
			return nil, err
		}
		all = append(all, page.Items...)
		if cut.Cursor = page.Next; cut.Cursor == "" {
			return all, nil
		}
	}
}

// shownViews is what is compared of what a node shows of an inbox.
func shownViews(all []social.Notification[*social.Post]) []string {
	var out []string
	for _, n := range all {
		var actors []string
		for _, u := range n.Actors {
			actors = append(actors, u.ID)
		}
		post := ""
		if n.Post != nil {
			post = n.Post.ID
		}
		out = append(out, fmt.Sprint(n.Kind, n.GroupKey, actors, n.Count, post, n.Read))
	}
	return out
}

// views is what is compared of what the model says of an inbox.
func views(all [][]notice) []string {
	var out []string
	for _, group := range all {
		var actors []string
		read := true
		for _, n := range group {
			read = read && n.read
			if len(actors) < social.MaxActors {
				actors = append(actors, n.actor)
			}
		}
		first := group[0]
		out = append(out, fmt.Sprint(first.kind, first.group(), actors, len(group), first.post, read))
	}
	return out
}

func (m *Model) preferences(user string) (p social.NotificationPreferences) {
	for _, kind := range social.NotificationKinds() {
		*p.Of(kind) = social.NotifyAll
		if from := m.users[user].prefers[kind]; from != "" {
			*p.Of(kind) = from
		}
	}
	return p
}

// exports gives what is compared of the file of an account: its posts, and whom it
// follows and is followed by.
func (m *Model) exports(user string) []string {
	var out []string
	for id, p := range m.posts {
		if p.author == user {
			out = append(out, "post "+id)
		}
	}
	for id := range m.users[user].follows {
		out = append(out, "following "+id)
	}
	for _, id := range m.followers(user) {
		out = append(out, "follower "+id)
	}
	slices.Sort(out)
	return out
}

func exported(file io.Reader) (any, error) {
	var out []string
	whole := false
	for lines := json.NewDecoder(file); ; {
		var line struct{ Type, ID string }
		err := lines.Decode(&line)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("line of an export: %w", err)
		}
		switch line.Type {
		case "post", "following", "follower":
			out = append(out, line.Type+" "+line.ID)
		case "end":
			whole = true
		}
	}
	if !whole {
		return nil, errors.New("an export lacks its last line")
	}
	slices.Sort(out)
	return out, nil
}
