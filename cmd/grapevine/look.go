package main

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"grapevine/node/client"
)

// sight is what all nodes of a cluster say at about one time.
type sight struct {
	ring  client.Ring // as the asked node sees it
	nodes []view      // by id
}

// view is what is known of one node: how the asked node sees it, and, when it
// answers, how it sees itself and the others.
type view struct {
	member     client.Member
	err        error // why it does not answer
	health     client.Health
	ring       client.Ring
	members    []client.Member
	partitions []client.Partition
}

// maxAsked bounds the nodes that are asked at once.
const maxAsked = 16

// look asks the node of c whom it knows, and then everybody.
func look(ctx context.Context, c *client.Client, wait time.Duration) (sight, error) {
	first, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	members, err := c.Members(first)
	if err != nil {
		return sight{}, err
	}
	s := sight{}
	if s.ring, err = c.Ring(first); err != nil {
		return sight{}, err
	}
	s.nodes = make([]view, len(members))
	var all errgroup.Group
	all.SetLimit(maxAsked)
	for i, m := range members {
		all.Go(func() error {
			s.nodes[i] = ask(ctx, c, m, wait)
			return nil
		})
	}
	_ = all.Wait() // what did not answer says so in its view
	slices.SortFunc(s.nodes, func(a, b view) int { return cmp.Compare(a.member.ID, b.member.ID) })
	return s, nil
}

// ask puts the four questions to a node. The asked node itself is spoken to at
// the URL that has proved to work.
func ask(ctx context.Context, c *client.Client, m client.Member, wait time.Duration) view {
	v := view{member: m}
	if !m.Self {
		c = client.New("http://" + m.HTTP)
		defer c.Close()
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	var once sync.Once
	var questions sync.WaitGroup
	for _, question := range []func() error{
		func() (err error) { v.health, err = c.Health(ctx); return err },
		func() (err error) { v.ring, err = c.Ring(ctx); return err },
		func() (err error) { v.members, err = c.Members(ctx); return err },
		func() (err error) { v.partitions, err = c.Partitions(ctx, false); return err },
	} {
		questions.Go(func() {
			if err := question(); err != nil {
				once.Do(func() { v.err = err })
			}
		})
	}
	questions.Wait()
	return v
}
