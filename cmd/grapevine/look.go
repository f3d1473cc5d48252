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
	"grapevine/node/verdict"
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

// judged is what the verdict is made of.
func (s sight) judged() verdict.Sight {
	out := verdict.Sight{Ring: s.ring, Nodes: make([]verdict.View, 0, len(s.nodes))}
	for _, v := range s.nodes {
		judged := verdict.View{
			Member: v.member, Hidden: errors.Is(v.err, errHidden), Health: v.health,
			Cluster: v.ring.Cluster, Digest: v.ring.Digest, Sees: verdict.Contacts(v.members), Whole: []bool{},
		}
		switch {
		case v.err != nil && !judged.Hidden:
			judged.Err = fmt.Errorf("its API at %s does not answer here: %w", orDash(v.member.HTTP), v.err)
		default:
			judged.Err = v.err
		}
		for _, p := range v.partitions {
			judged.Whole = append(judged.Whole, p.Local && p.CaughtUp)
		}
		if out.Owners == nil && v.err == nil && v.ring.Cluster == s.ring.Cluster {
			out.Owners = ownersOf(v.partitions)
		}
		out.Nodes = append(out.Nodes, judged)
	}
	return out
}

func ownersOf(partitions []client.Partition) [][]string {
	out := make([][]string, 0, len(partitions))
	for _, p := range partitions {
		out = append(out, p.Owners)
	}
	return out
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

// ask puts the four questions to a node.
func ask(ctx context.Context, c *client.Client, m client.Member, wait time.Duration) view {
	v := view{member: m}
	err := speak(ctx, c, m, wait, func(ctx context.Context, to *client.Client) (string, error) {
		v = question(ctx, to, m)
		return v.health.Node, v.err
	})
	if err != nil {
		return view{member: m, err: err}
	}
	return v
}

func onLoopback(base string) bool {
	u, err := url.Parse(base)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

func question(ctx context.Context, c *client.Client, m client.Member) view {
	v := view{member: m}
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
