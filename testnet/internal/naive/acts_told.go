package naive

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"grapevine/node/client"
	"grapevine/services/social"
)

// settled is how often an inbox is asked for until it is the model's.
const settled = 100

var errUnsettled = errors.New("the inbox is not that of the model")

// reads marks what a user was told as read, up to one of it. What has not come yet is
// not read by that: so the player waits until all has.
func (p *Player) reads(ctx context.Context, user, _ string) error {
	inbox := p.Model.inbox(user)
	if len(inbox) == 0 || p.Model.users[user].ever > social.MaxNotifications {
		return nil
	}
	at := p.cfg.Rand.IntN(len(inbox))
	if err := p.cfg.Pause(ctx, consequenceTime); err != nil { // for what is hidden
		return err
	}
	want := fmt.Sprint(views(singles(inbox)))
	err := errUnsettled
	for try := 0; errors.Is(err, errUnsettled) && try < settled; try++ {
		err = p.do(ctx, user, func(c *client.Client) error {
			shown, err := notices(ctx, c.EachNotification)
			if err != nil {
				return err
			}
			if got := fmt.Sprint(shownViews(shown)); got != want {
				return fmt.Errorf("%w of %s:\n got %s\nwant %s", errUnsettled, user, got, want)
			}
			return c.ReadNotifications(ctx, shown[at].ID)
		})
		if errors.Is(err, errUnsettled) {
			if err := p.cfg.Pause(ctx, consequenceTime/10); err != nil {
				return err
			}
		}
	}
	done, err := p.agree("read", err, nil)
	if done {
		p.Model.readUpTo(user, inbox[at].at)
	}
	return err
}

func (p *Player) prefers(ctx context.Context, user, _ string) error {
	kinds, froms := social.NotificationKinds(), []social.NotifyFrom{social.NotifyAll, social.NotifyAll, social.NotifyFollowing, social.NotifyOff}
	kind, from := kinds[p.cfg.Rand.IntN(len(kinds))], froms[p.cfg.Rand.IntN(len(froms))]
	var change social.NotificationPreferences
	*change.Of(kind) = from
	err := p.do(ctx, user, func(c *client.Client) error {
		_, err := c.SetNotificationPreferences(ctx, change)
		return err
	})
	done, err := p.agree("prefer", err, nil)
	if done {
		p.Model.users[user].prefers[kind] = from
	}
	return err
}

// channels is the number of channels.
const channels = 3

func channel(n int) string { return "channel-" + strconv.Itoa(n) }

func (p *Player) publishes(ctx context.Context, user, _ string) error {
	p.names++
	in := client.NewMessage{Channel: channel(p.cfg.Rand.IntN(channels)), Message: text(p.cfg.Rand, nil), Key: strconv.Itoa(p.names)}
	err := p.do(ctx, user, func(c *client.Client) error {
		_, err := c.Publish(ctx, in)
		return err
	})
	done, err := p.agree("publish", err, nil)
	if done {
		p.Model.said[in.Channel] = append(p.Model.said[in.Channel], message{user, in.Message})
	}
	return err
}

// makesList makes a list. It takes no Idempotency-Key: what became of an attempt that
// failed is not known, so each has a title of its own, and lists of failed ones do not
// count.
func (p *Player) makesList(ctx context.Context, user, _ string) error {
	var made social.List
	err := p.do(ctx, user, func(c *client.Client) (err error) {
		p.names++
		title := "list " + strconv.Itoa(p.names)
		if made, err = c.CreateList(ctx, client.NewList{Title: title}); err != nil {
			p.ghosts[title] = true
		}
		return err
	})
	done, err := p.agree("make list", err, nil)
	if done {
		u := p.Model.users[user]
		u.lists = append(u.lists, &list{made.ID, made.Title, set{}})
	}
	return err
}

// onList makes an act of a user's on one of the user's lists.
func (p *Player) onList(what, user string, says error, call func(l *list) error, done func(l *list)) error {
	lists := p.Model.users[user].lists
	if len(lists) == 0 {
		return nil
	}
	l := lists[p.cfg.Rand.IntN(len(lists))]
	did, err := p.agree(what, call(l), says)
	if did {
		done(l)
	}
	return err
}

func (p *Player) putsOnList(ctx context.Context, user, other string) error {
	var says error
	if p.Model.barred(user, other) {
		says = errRefused
	}
	return p.onList("put on list", user, says, func(l *list) error {
		return p.do(ctx, user, func(c *client.Client) error { return c.AddToList(ctx, l.id, other) })
	}, func(l *list) { l.members[other] = true })
}

func (p *Player) takesOffList(ctx context.Context, user, other string) error {
	return p.onList("take off list", user, nil, func(l *list) error {
		return p.do(ctx, user, func(c *client.Client) error { return c.RemoveFromList(ctx, l.id, other) })
	}, func(l *list) { delete(l.members, other) })
}

func (p *Player) renamesList(ctx context.Context, user, _ string) error {
	p.names++
	title := "list " + strconv.Itoa(p.names)
	return p.onList("rename list", user, nil, func(l *list) error {
		return p.do(ctx, user, func(c *client.Client) error {
			_, err := c.RenameList(ctx, l.id, title)
			return err
		})
	}, func(l *list) { l.title = title })
}

func (p *Player) dropsList(ctx context.Context, user, _ string) error {
	return p.onList("delete list", user, nil, func(l *list) error {
		return p.do(ctx, user, func(c *client.Client) error { return c.DeleteList(ctx, l.id) })
	}, func(l *list) {
		u := p.Model.users[user]
		u.lists = without(u.lists, l)
	})
}
