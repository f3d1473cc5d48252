package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
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

// errHidden is why a node is not asked whose API listens on the loopback of
// another machine, as it does by default.
var errHidden = errors.New("its API listens on the loopback of its own machine")

// errUnmet is why a node is not asked that was last met in an earlier life of
// the asked one: its addresses come with its first sign of life.
var errUnmet = errors.New("it has not been met since the asked node started")

// ask puts the four questions to a node and makes sure that it is the one that
// answered: the loopback address of another machine leads to a node of this one.
// The asked node itself is spoken to at the URL that has proved to work.
func ask(ctx context.Context, c *client.Client, m client.Member, wait time.Duration) view {
	if m.Self {
		return question(ctx, c, m, wait)
	}
	if m.HTTP == "" {
		return view{member: m, err: errUnmet}
	}
	here, there := onLoopback(c.Base()), onLoopback("http://"+m.HTTP)
	if there && !here {
		return view{member: m, err: errHidden}
	}
	other := client.New("http://" + m.HTTP)
	defer other.Close()
	v := question(ctx, other, m, wait)
	switch {
	case v.err != nil || v.health.Node == m.ID:
		return v
	case there:
		return view{member: m, err: errHidden}
	default:
		return view{member: m, err: fmt.Errorf("node %s answers there", short(v.health.Node))}
	}
}

func onLoopback(base string) bool {
	u, err := url.Parse(base)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

func question(ctx context.Context, c *client.Client, m client.Member, wait time.Duration) view {
	v := view{member: m}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	var once sync.Once
	var questions sync.WaitGroup
	for _, ask := range []func() error{
		func() (err error) { v.health, err = c.Health(ctx); return err },
		func() (err error) { v.ring, err = c.Ring(ctx); return err },
		func() (err error) { v.members, err = c.Members(ctx); return err },
		func() (err error) { v.partitions, err = c.Partitions(ctx, false); return err },
	} {
		questions.Go(func() {
			if err := ask(); err != nil {
				once.Do(func() { v.err = err })
			}
		})
	}
	questions.Wait()
	return v
}
