package naive

import (
	"context"
	"fmt"
	"slices"
	"time"

	"grapevine/node/client"
	"grapevine/services/social"
)

// act is something that a user does. Its odds are relative to those of all acts.
type act struct {
	odds int
	play func(p *Player, ctx context.Context, user, other string) error
}

var acts = []act{
	{30, (*Player).writes},
	{12, (*Player).answers},
	{12, follow},
	{4, between("unfollow", (*client.Client).Unfollow, always, (*Model).unfollow)},
	{5, between("befriend", befriend, unlessBarred, (*Model).befriend)},
	{2, between("unfriend", (*client.Client).Unfriend, always, (*Model).unfriend)},
	{1, (*Player).blocks},
	{2, between("unblock", (*client.Client).UnblockUser, always, func(m *Model, u, o string) { delete(m.users[u].blocks, o) })},
	{2, between("mute", (*client.Client).MuteUser, always, func(m *Model, u, o string) { m.users[u].mutes[o] = true })},
	{2, between("unmute", (*client.Client).UnmuteUser, always, func(m *Model, u, o string) { delete(m.users[u].mutes, o) })},
	{12, (*Player).likes},
	{3, (*Player).unlikes},
	{6, (*Player).reposts},
	{2, (*Player).unreposts},
	{5, (*Player).edits},
	{4, (*Player).deletes},
	{2, (*Player).renames},
	{2, (*Player).describes},
	{2, (*Player).reads},
	{2, (*Player).prefers},
	{5, (*Player).publishes},
	{2, (*Player).makesList},
	{6, (*Player).putsOnList},
	{1, (*Player).takesOffList},
	{1, (*Player).renamesList},
	{1, (*Player).dropsList},
}

// Play makes n acts.
func (p *Player) Play(ctx context.Context, n int) error {
	total := 0
	for _, a := range acts {
		total += a.odds
	}
	for i := range n {
		roll := p.cfg.Rand.IntN(total)
		at := 0
		for ; roll >= acts[at].odds; at++ {
			roll -= acts[at].odds
		}
		// Ids know milliseconds, and acts take longer than that where clocks are real.
		if err := p.cfg.Pause(ctx, time.Millisecond); err != nil {
			return err
		}
		user, other := p.some()
		if err := acts[at].play(p, ctx, user, other); err != nil {
			return fmt.Errorf("act %d: %w", i, err)
		}
	}
	return nil
}

// between makes an act of one user towards another.
func between(what string, call func(c *client.Client, ctx context.Context, ref, other string) error,
	allowed func(m *Model, user, other string) bool, done func(m *Model, user, other string),
) func(*Player, context.Context, string, string) error {
	return func(p *Player, ctx context.Context, user, other string) error {
		err := p.do(ctx, user, func(c *client.Client) error { return call(c, ctx, user, other) })
		var says error
		if !allowed(p.Model, user, other) {
			says = errRefused
		}
		did, err := p.agree(what, err, says)
		if did {
			done(p.Model, user, other)
		}
		return err
	}
}

func always(*Model, string, string) bool { return true }

func unlessBarred(m *Model, user, other string) bool { return !m.barred(user, other) }

var befriend = func(c *client.Client, ctx context.Context, ref, other string) error {
	_, err := c.Befriend(ctx, ref, other)
	return err
}

var follow = between("follow", (*client.Client).Follow, unlessBarred, (*Model).follow)

var block = between("block", (*client.Client).BlockUser, always, (*Model).block)

func (p *Player) blocks(ctx context.Context, user, other string) error {
	if err := block(p, ctx, user, other); err != nil {
		return err
	}
	return p.cfg.Pause(ctx, consequenceTime)
}

func (p *Player) writes(ctx context.Context, user, other string) error {
	visibility := []social.Visibility{social.Public, social.Public, social.Public, social.Followers, social.Direct}
	_, err := p.post(ctx, user, client.NewPost{
		Text: text(p.cfg.Rand, []string{p.Model.users[other].name}), Visibility: visibility[p.cfg.Rand.IntN(len(visibility))],
	})
	return err
}

func (p *Player) answers(ctx context.Context, user, other string) error {
	if len(p.made) == 0 {
		return nil
	}
	to := p.somePost()
	if w := p.Model.written(to); w != nil && w.id != to {
		to = w.id // what a repost passes on is what is answered
	}
	_, err := p.post(ctx, user, client.NewPost{Text: text(p.cfg.Rand, []string{p.Model.users[other].name}), ReplyTo: to})
	return err
}

// mark makes an act of a user's on a post: of a repost, on the original.
func (p *Player) mark(ctx context.Context, what, user string, allowed func(w *post) bool,
	call func(c *client.Client, id string) error, done func(w *post) error,
) error {
	if len(p.made) == 0 {
		return nil
	}
	id := p.somePost()
	w := p.Model.written(id)
	if w == nil || !p.Model.sees(user, id) {
		return nil // what becomes of marks on what is not seen is for directed tests
	}
	err := p.do(ctx, user, func(c *client.Client) error { return call(c, id) })
	var says error
	if !allowed(w) {
		says = errRefused
	}
	did, err := p.agree(what, err, says)
	if did {
		err = done(w)
	}
	return err
}

func anyPost(*post) bool { return true }

func (p *Player) likes(ctx context.Context, user, _ string) error {
	return p.mark(ctx, "like", user, anyPost,
		func(c *client.Client, id string) error { return c.Like(ctx, id) },
		func(w *post) error {
			w.likes[user] = true
			p.Model.tell(w.author, cause{kind: social.NotifyLike, actor: user, post: w.id})
			return nil
		})
}

func (p *Player) unlikes(ctx context.Context, user, _ string) error {
	return p.mark(ctx, "unlike", user, anyPost,
		func(c *client.Client, id string) error { return c.Unlike(ctx, id) },
		func(w *post) error {
			delete(w.likes, user)
			p.Model.untell(w.author, cause{kind: social.NotifyLike, actor: user, post: w.id})
			return nil
		})
}

// reposts looks the repost up among the user's posts: the reply does not name it.
func (p *Player) reposts(ctx context.Context, user, _ string) error {
	return p.mark(ctx, "repost", user, func(w *post) bool { return w.visibility == social.Public },
		func(c *client.Client, id string) error { return c.Repost(ctx, id) },
		func(w *post) error {
			if w.reposts[user] != "" {
				return nil
			}
			return p.do(ctx, user, func(c *client.Client) error {
				page, err := c.UserPosts(ctx, user, social.Cut{Limit: social.MaxPage})
				if err != nil {
					return err
				}
				i := slices.IndexFunc(page.Items, func(q social.Post) bool { return q.RepostOf == w.id })
				if i < 0 {
					return fmt.Errorf("the repost of %s is not among the newest posts of its author", w.id)
				}
				made := page.Items[i]
				p.Model.post(made)
				w.reposts[user] = made.ID
				p.made = append(p.made, made.ID)
				return nil
			})
		})
}

func (p *Player) unreposts(ctx context.Context, user, _ string) error {
	return p.mark(ctx, "unrepost", user, anyPost,
		func(c *client.Client, id string) error { return c.Unrepost(ctx, id) },
		func(w *post) error {
			if id := w.reposts[user]; id != "" {
				p.Model.deletePost(id)
			}
			return nil
		})
}

func (p *Player) edits(ctx context.Context, user, other string) error {
	id, ok := p.own(user)
	if !ok {
		return nil
	}
	words := text(p.cfg.Rand, []string{p.Model.users[other].name})
	err := p.do(ctx, user, func(c *client.Client) error {
		_, err := c.EditPost(ctx, id, words)
		return err
	})
	done, err := p.agree("edit", err, nil)
	if done {
		p.Model.edit(id, words)
	}
	return err
}

func (p *Player) deletes(ctx context.Context, user, _ string) error {
	id, ok := p.own(user)
	if !ok {
		return nil
	}
	again := false
	err := p.do(ctx, user, func(c *client.Client) error {
		err := c.DeletePost(ctx, id)
		if again && client.StatusOf(err) == 404 {
			return nil // the attempt before was made
		}
		again = true
		return err
	})
	done, err := p.agree("delete", err, nil)
	if done {
		p.Model.deletePost(id)
	}
	return err
}

func (p *Player) renames(ctx context.Context, user, _ string) error {
	p.names++
	name := fmt.Sprintf("user%d", p.names)
	return p.update(ctx, user, client.UserPatch{Username: &name})
}

func (p *Player) describes(ctx context.Context, user, _ string) error {
	display, bio := text(p.cfg.Rand, nil)[:5], text(p.cfg.Rand, nil)
	return p.update(ctx, user, client.UserPatch{DisplayName: &display, Bio: &bio})
}

func (p *Player) update(ctx context.Context, user string, patch client.UserPatch) error {
	var now social.User
	err := p.do(ctx, user, func(c *client.Client) (err error) {
		now, err = c.UpdateUser(ctx, user, patch)
		return err
	})
	done, err := p.agree("update", err, nil)
	if done {
		u := p.Model.users[user]
		u.name, u.display, u.bio = now.Username, now.DisplayName, now.Bio
	}
	return err
}

// DeleteUsers deletes n accounts with all they have.
func (p *Player) DeleteUsers(ctx context.Context, n int) error {
	for range n {
		user, _ := p.some()
		again := false
		err := p.do(ctx, user, func(c *client.Client) error {
			err := c.DeleteUser(ctx, user)
			if status := client.StatusOf(err); again && (status == 404 || status == 401) {
				return nil // the attempt before was made
			}
			again = true
			return err
		})
		if err != nil {
			return fmt.Errorf("delete user %s: %w", user, err)
		}
		p.Model.deleteUser(user)
		delete(p.tokens, user)
	}
	return p.cfg.Pause(ctx, consequenceTime) // the posts go after the account
}
