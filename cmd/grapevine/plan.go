package main

import (
	"fmt"
	"strings"
	"time"

	"grapevine/node/client"
	"grapevine/node/verdict"
)

type planVerb struct {
	Add    []string `placeholder:"WEIGHT[:ZONE]" help:"A node to come; 100 is an ordinary weight."`
	Remove []string `placeholder:"NODE" help:"A node to go, by its id or short id."`
	Weight []string `placeholder:"NODE=W" help:"A new weight of a node."`
	Zone   []string `placeholder:"NODE=ZONE" help:"A new zone of a node; none when empty."`
}

// Help implements kong.HelpProvider.
func (planVerb) Help() string {
	return `Nothing is changed: to do it, start nodes with --join, stop them with leave, or start them again with
another --weight or --zone. Each flag can be given repeatedly. Without any, the plan shows what is
still to move for the joins and leaves under way.

  grapevine ring plan --add 100
  grapevine ring plan --add 200:rack2 --remove 7Qx3fK2a
  grapevine ring plan --weight 7Qx3fK2a=50`
}

func (v *planVerb) Run(c *console) error {
	weight, err := pairs("weight", v.Weight)
	if err != nil {
		return err
	}
	zone, err := pairs("zone", v.Zone)
	if err != nil {
		return err
	}
	p, err := c.client.Plan(c.ctx, client.Changes{Add: v.Add, Remove: v.Remove, Weight: weight, Zone: zone})
	if err != nil {
		return c.asked(err)
	}
	if c.json {
		return c.encode(p)
	}
	printPlan(c, p)
	return nil
}

// pairs turns NODE=VALUE into the NODE:VALUE of the API.
func pairs(flag string, texts []string) ([]string, error) {
	var out []string
	for _, text := range texts {
		node, value, ok := strings.Cut(text, "=")
		if !ok || node == "" {
			return nil, usage{fmt.Errorf("--%s: %q must be NODE=VALUE", flag, text)}
		}
		out = append(out, node+":"+value)
	}
	return out, nil
}

func printPlan(c *console, p client.Plan) {
	if p.Copies == 0 {
		fmt.Fprintln(c.out, "Nothing is to be copied.")
	} else {
		about := ""
		if p.Estimated {
			about = "about "
		}
		fmt.Fprintf(c.out, "%s to copy: %.1f %% of all copies, %s%s, %s at %s/s to each node\n",
			count(p.Copies, "partition"), 100*p.Share, about, size(p.Bytes), lasting(p.Seconds), size(p.BytesPerSec))
	}
	fmt.Fprintln(c.out)
	t := head("node", "weight", "zone", "owns", "will own", "takes", "gives", "takes data", "gives data", "id")
	for _, n := range p.Nodes {
		t.add(short(n.ID), n.Weight, orDash(n.Zone), n.Before, n.After, n.Takes, n.Gives, size(n.TakesBytes), size(n.GivesBytes), n.ID)
	}
	c.table(t)
	for _, n := range p.Notes {
		fmt.Fprintf(c.out, "\nNote: %s\n", n)
	}
}

// size words a number of bytes.
func size(bytes int64) string { return verdict.Size(bytes) }

// lasting words a time that is an estimate.
func lasting(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second))
	if d < time.Second {
		return "less than a second"
	}
	if d < time.Minute {
		return "about " + d.Round(time.Second).String()
	}
	return "about " + strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
}
