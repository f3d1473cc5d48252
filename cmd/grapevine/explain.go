package main

import (
	"fmt"
	"strings"

	"grapevine/node/client"
)

type explainVerb struct {
	watching `embed:""`
	ID       string `arg:"" name:"id" help:"A user's or a post's id, or an @name; POST:READER for a post's entry in a home timeline, FOLLOWER:FOLLOWEE for a follow."`
}

// Help implements kong.HelpProvider.
func (explainVerb) Help() string {
	return `Every owner is asked for its copy. For each write it says who shows it (HAS), who has seen it and shows
it no more since it was removed or overwritten (ENDED), whom it has not reached (LACKS), and which write
wins. Contents are told by their size, and by a digest that is equal for equal contents.

  grapevine explain @ada
  grapevine explain 01JCQ0M3E7ZK6V8B2N5Y4T9XWD
  grapevine explain 01JCQ0M3E7ZK6V8B2N5Y4T9XWD:@bob      # why does bob not see it at home?
  grapevine explain @bob:@ada                            # does bob follow ada?`
}

func (v *explainVerb) Run(c *console) error {
	return v.run(c, func(c *console) error {
		e, err := c.client.Explain(c.ctx, v.ID)
		if err != nil {
			return c.asked(err)
		}
		if c.json {
			return c.encode(e)
		}
		printExplanation(c, e)
		return nil
	})
}

func printExplanation(c *console, e client.Explanation) {
	fmt.Fprintf(c.out, "%s: %s\n\n", e.ID, e.Kind)
	for _, v := range e.Verdict {
		fmt.Fprintf(c.out, "- %s\n", v)
	}
	for _, p := range e.Places {
		fmt.Fprintf(c.out, "\nPartition %d, led by %s:\n\n", p.Partition, orDash(short(p.Leader)))
		t := head("node", "role", "alive", "answers", "caught up", "writes seen", "id")
		for _, h := range p.Holders {
			t.add(short(h.Node), h.Role, yes(h.Alive), yes(h.Answers), yes(h.CaughtUp), h.Writes, h.Node)
		}
		c.table(t)
	}
	for _, r := range e.Rows {
		state := "exists"
		if !r.Exists {
			state = "does not exist"
		}
		if !r.Agreed {
			state += ", and its owners do not agree yet"
		}
		fmt.Fprintf(c.out, "\n%s %s in partition %d: %s\n\n", r.Name, r.Key, r.Partition, state)
		t := head("what", "outcome", "time", "dot", "of", "bytes", "digest", "has", "ended", "lacks", "why")
		for _, w := range r.Writes {
			replica, _, _ := strings.Cut(w.Dot, ":")
			time := "-"
			if w.Time.Unix() > 0 {
				time = w.Time.Format("2006-01-02T15:04:05.000Z")
			}
			t.add(w.What, w.Outcome, time, w.Dot, orDash(short(e.Replicas[replica])), w.Bytes, orDash(w.Digest),
				orDash(names(w.Has)), orDash(names(w.Ended)), orDash(names(w.Lacks)), w.Why)
		}
		c.table(t)
	}
}
