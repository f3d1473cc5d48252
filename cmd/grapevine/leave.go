package main

import (
	"context"
	"fmt"
	"time"

	"grapevine/node/client"
)

type leaveVerb struct {
	operator `embed:""`
	NoWait   bool          `help:"Return when the node has begun to leave."`
	Timeout  time.Duration `default:"1h" help:"How long to wait at most; the node goes on leaving. (${default})"`
}

// Help implements kong.HelpProvider.
func (leaveVerb) Help() string {
	return `The node gives its data to the others, leaves the ring, and its process ends by itself with exit
code 0. Reads and writes go on meanwhile. See first what would move:

  grapevine ring plan --remove 7Qx3fK2a
  grapevine leave --node http://10.0.0.7:7400 --secret-file secret

Started again with the same --data it joins anew. For a node that will not return see forget.`
}

// pollEvery is the time between two looks at something that takes its time.
const pollEvery = 250 * time.Millisecond

func (v *leaveVerb) Run(c *console) error {
	asked, err := v.client(c)
	if err != nil {
		return err
	}
	members, err := asked.Members(c.ctx)
	if err != nil {
		return c.asked(err)
	}
	d, err := asked.Leave(c.ctx)
	if err != nil {
		return c.asked(err)
	}
	if !v.NoWait {
		ctx, cancel := context.WithTimeout(c.ctx, v.Timeout)
		defer cancel()
		w := departing{c: c, node: d.Node, clients: clientsOf(c, members), grace: endedGrace}
		if err := w.wait(ctx); err != nil {
			return err
		}
		d.State = "gone"
	}
	if c.json {
		return c.encode(d)
	}
	if v.NoWait {
		fmt.Fprintf(c.out, "node %s is leaving; `grapevine status` shows how far it is\n", short(d.Node))
	} else {
		fmt.Fprintf(c.out, "node %s has left\n", short(d.Node))
	}
	return nil
}

// departing watches a node that leaves: through its own eyes while it runs, and
// through those of the others when it has ended.
type departing struct {
	c       *console
	node    string
	clients []*client.Client // the leaving node's first
	grace   time.Duration    // how long the others may take to hear of its end
	ended   time.Time        // when it first did not answer; zero while it does
	said    string
}

// endedGrace is ample for the news of a member to spread.
const endedGrace = 10 * time.Second

// clientsOf gives clients of the asked node and of the others.
func clientsOf(c *console, members []client.Member) []*client.Client {
	out := []*client.Client{c.client}
	for _, m := range members {
		if !m.Self && m.HTTP != "" {
			out = append(out, c.client.At(client.URL(m.HTTP)))
		}
	}
	return out
}

func (d *departing) wait(ctx context.Context) error {
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	for {
		gone, err := d.look(ctx)
		if gone || err != nil {
			return err
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return &hinted{
				fmt.Errorf("node %s has not left yet: %w", short(d.node), ctx.Err()),
				"it goes on by itself; `grapevine status` shows how far it is, and what holds it up",
			}
		}
	}
}

// look says how far the node is, and whether it has ended and left.
func (d *departing) look(ctx context.Context) (gone bool, err error) {
	h, err := d.clients[0].Health(ctx)
	switch {
	case err == nil && h.Node == d.node:
		d.ended = time.Time{}
		d.say(progressOf(h))
		return false, nil
	case ctx.Err() != nil || client.StatusOf(err) != 0:
		return false, nil // nothing is known, or it is busy or about to end
	}
	if d.ended.IsZero() {
		d.ended = time.Now()
	}
	state := d.askOthers(ctx)
	switch {
	case state == "gone":
		return true, nil
	case time.Since(d.ended) < d.grace:
		return false, nil
	case state == "":
		return false, &hinted{
			fmt.Errorf("node %s has ended, and no other node answers here", short(d.node)),
			"ask another node with `grapevine ring --node URL` whether it is gone from the ring",
		}
	}
	return false, &hinted{
		fmt.Errorf("node %s has ended, but is still %s in the ring", short(d.node), state),
		"start it again and it goes on leaving; when its disk is lost, use `grapevine forget " + short(d.node) + "`",
	}
}

// askOthers gives the node's state in the ring as one of the others sees it, gone
// when it is not there, "" when none answers.
func (d *departing) askOthers(ctx context.Context) string {
	for _, other := range d.clients[1:] {
		ring, err := other.Ring(ctx)
		if err != nil {
			continue
		}
		for _, m := range ring.Members {
			if m.ID == d.node {
				return m.State
			}
		}
		return "gone"
	}
	return ""
}

// say reports progress, once for each change.
func (d *departing) say(text string) {
	if text != d.said {
		fmt.Fprintln(d.c.err, text)
		d.said = text
	}
}

// progressOf says how far a leaving node is.
func progressOf(h client.Health) string {
	switch h.RingState {
	case "leaving":
		return fmt.Sprintf("leaving: the others copy %s", count(h.Partitions.Owned, "partition"))
	case "gone":
		return fmt.Sprintf("out of the ring: %s to be proved by the others", count(h.Kept.Moved, "partition"))
	}
	return "about to leave"
}
