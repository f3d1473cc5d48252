package main

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"grapevine/node/client"
	"grapevine/node/verdict"
)

// answer is what one node said, or why it said nothing.
type answer[T any] struct {
	member client.Member
	said   T
	err    error
}

// everyone asks a question of all nodes that the node of c knows and that are in
// the ring, in the order of their ids. The node that answers names itself, since an
// address may lead to another.
func everyone[T any](ctx context.Context, c *client.Client, wait time.Duration,
	question func(context.Context, *client.Client) (T, error), named func(T) string,
) ([]answer[T], error) {
	first, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	members, err := c.Members(first)
	if err != nil {
		return nil, err
	}
	var out []answer[T]
	for _, m := range members {
		if verdict.Counts(m) || m.Self {
			out = append(out, answer[T]{member: m})
		}
	}
	var all errgroup.Group
	all.SetLimit(maxAsked)
	for i := range out {
		a := &out[i]
		all.Go(func() error {
			a.err = speak(ctx, c, a.member, wait, func(ctx context.Context, to *client.Client) (string, error) {
				said, err := question(ctx, to)
				a.said = said
				return named(said), err
			})
			return nil
		})
	}
	_ = all.Wait() // what did not answer says so in its answer
	return out, nil
}

// speak has ask speak to a member and makes sure that it is the one that answered:
// ask gives the id of who did.
func speak(ctx context.Context, c *client.Client, m client.Member, wait time.Duration, ask func(context.Context, *client.Client) (string, error)) error {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	to := c
	switch there := onLoopback(client.URL(m.HTTP)); {
	case m.Self: // it is spoken to at the URL that has proved to work
	case m.HTTP == "":
		return errUnmet
	case there && !onLoopback(c.Base()):
		return errHidden
	default:
		to = c.At(client.URL(m.HTTP))
	}
	id, err := ask(ctx, to)
	if err == nil && id != m.ID {
		err = fmt.Errorf("node %s answers there", short(id))
		if onLoopback(to.Base()) {
			err = errHidden
		}
	}
	return err
}
