package main

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"grapevine/node/client"
)

type rttVerb struct {
	operator `embed:""`
	watching `embed:""`
	Timeout  time.Duration `default:"5s" help:"How long to wait for each node. (${default})"`
}

// Help implements kong.HelpProvider.
func (rttVerb) Help() string {
	return `Every node measures the round trip to every other, over the streams that data goes over. A row is the
node that measures, a column whom it asks; NO where no answer comes. A link that works one way only
shows as a time in one triangle and a NO in the other. CLOCK is how far a node's clock is ahead of the
cluster's median. Exit code 1 means that a link is missing. It needs the operator token.

  grapevine rtt --secret-file secret
  grapevine rtt --watch
  grapevine rtt -o json | jq '.one_way'`
}

func (v *rttVerb) Run(c *console) error {
	asked, err := v.client(c)
	if err != nil {
		return err
	}
	within := *c
	within.client = asked
	return v.run(&within, func(c *console) error {
		all, err := linksOf(c, v.Timeout)
		if err != nil {
			return c.asked(err)
		}
		r := matrix(all)
		if c.json {
			err = c.encode(r)
		} else {
			r.print(c)
		}
		if err == nil && len(r.Missing)+len(r.Silent) > 0 {
			return errQuiet
		}
		return err
	})
}

func linksOf(c *console, wait time.Duration) ([]answer[client.Links], error) {
	question := func(ctx context.Context, c *client.Client) (client.Links, error) { return c.Links(ctx) }
	return everyone(c.ctx, c.client, wait, question, func(l client.Links) string { return l.Node })
}

// rttReport is what rtt answers.
type rttReport struct {
	Nodes   []rttNode    `json:"nodes"`
	Links   []rttLink    `json:"links"`
	Missing []rttLink    `json:"missing"` // between nodes that answer here
	OneWay  []rttLink    `json:"one_way"` // of those, the ones whose other direction works
	Silent  []silentNode `json:"silent"`
}

type rttNode struct {
	ID     string  `json:"id"`
	Offset float64 `json:"clock_offset_ms"` // ahead of the median of the cluster
}

type rttLink struct {
	From  string  `json:"from"`
	To    string  `json:"to"`
	RTT   float64 `json:"rtt_ms"`
	Works bool    `json:"works"`
	Error string  `json:"error,omitempty"`
}

type silentNode struct {
	ID  string `json:"id"`
	Why string `json:"why"`
}

// matrix puts what the nodes have measured together. It is pure.
func matrix(all []answer[client.Links]) rttReport {
	r := rttReport{Nodes: []rttNode{}, Links: []rttLink{}, Missing: []rttLink{}, OneWay: []rttLink{}, Silent: []silentNode{}}
	answers := map[string]bool{}
	for _, a := range all {
		answers[a.member.ID] = a.err == nil
		r.Nodes = append(r.Nodes, rttNode{ID: a.member.ID})
		if a.err != nil {
			r.Silent = append(r.Silent, silentNode{a.member.ID, a.err.Error()})
			continue
		}
		for _, l := range a.said.Links {
			r.Links = append(r.Links, rttLink{a.member.ID, l.To, l.RTTMillis, l.Answers, l.Error})
		}
	}
	for _, l := range r.Links {
		if l.Works || !answers[l.To] {
			continue
		}
		r.Missing = append(r.Missing, l)
		if back, ok := r.link(l.To, l.From); ok && back.Works {
			r.OneWay = append(r.OneWay, l)
		}
	}
	offsets := clocks(all)
	for i := range r.Nodes {
		r.Nodes[i].Offset = offsets[r.Nodes[i].ID]
	}
	return r
}

func (r rttReport) link(from, to string) (rttLink, bool) {
	i := slices.IndexFunc(r.Links, func(l rttLink) bool { return l.From == from && l.To == to })
	if i < 0 {
		return rttLink{}, false
	}
	return r.Links[i], true
}

// clocks tells, in milliseconds, how far each node's clock is ahead of the median
// of all, as most of those who have measured it find. One odd clock moves neither
// median.
func clocks(all []answer[client.Links]) map[string]float64 {
	// ahead[x][y]: how far y is ahead of x.
	seen := map[string][]float64{}
	for _, a := range all {
		if a.err != nil {
			continue
		}
		ahead := map[string]float64{a.member.ID: 0}
		for _, l := range a.said.Links {
			if l.Answers {
				ahead[l.To] = l.OffsetMillis
			}
		}
		var others []float64
		for _, offset := range ahead {
			others = append(others, offset)
		}
		middle := median(others)
		for id, offset := range ahead {
			seen[id] = append(seen[id], offset-middle)
		}
	}
	out := map[string]float64{}
	for id, offsets := range seen {
		out[id] = math.Round(1000*median(offsets)) / 1000
	}
	return out
}

func median(values []float64) float64 {
	slices.Sort(values)
	if n := len(values); n%2 == 1 {
		return values[n/2]
	} else if n > 0 {
		return (values[n/2-1] + values[n/2]) / 2
	}
	return 0
}

func (r rttReport) print(c *console) {
	names := []any{"MS FROM \\ TO"}
	for _, n := range r.Nodes {
		names = append(names, short(n.ID))
	}
	t := head(append(names, "CLOCK MS")...)
	t.asIs = true
	for _, from := range r.Nodes {
		row := []any{short(from.ID)}
		for _, to := range r.Nodes {
			row = append(row, r.cell(c, from.ID, to.ID))
		}
		t.add(append(row, ahead(from.Offset))...)
	}
	c.table(t)
	for _, s := range r.Silent {
		fmt.Fprintf(c.out, "\n- node %s does not answer here: %s\n  To do: start it, or ask from where its API can be reached\n", short(s.ID), s.Why)
	}
	for _, l := range r.Missing {
		what := fmt.Sprintf("node %s gets no answer from %s: %s", short(l.From), short(l.To), l.Error)
		if slices.Contains(r.OneWay, l) {
			what += "; the other way works"
		}
		fmt.Fprintf(c.out, "\n- %s\n  To do: let TCP through from %s to the --p2p address of %s\n", what, short(l.From), short(l.To))
	}
}

func (r rttReport) cell(c *console, from, to string) string {
	l, ok := r.link(from, to)
	switch {
	case from == to:
		return "-"
	case !ok:
		return "?"
	case !l.Works:
		return c.paint(red, "NO")
	}
	return fmt.Sprintf("%.2f", l.RTT)
}

// ahead words how far a clock is ahead, in milliseconds.
func ahead(millis float64) string {
	if text := fmt.Sprintf("%+.1f", millis); text != "-0.0" {
		return text
	}
	return "+0.0"
}
